package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// How often the time of a line is written down beside the log, for reading "since".
const stampEvery = 5 * time.Second

// rotatingLog is a file that others may read while it is written; when it is full it becomes
// NAME.1.log, that one NAME.2.log and so on, COUNT files in all. NAME.times beside it tells
// when its lines were written: "unix-seconds offset".
type rotatingLog struct {
	mutex   sync.Mutex
	path    string
	max     int64
	count   int
	file    *os.File
	size    int64
	stamped time.Time
	retry   int64 // no rotation is tried before this size: somebody was in its way
}

func openLog(path string, max int64, count int) (*rotatingLog, error) {
	log := &rotatingLog{path: path, max: max, count: count}
	return log, log.open()
}

func (l *rotatingLog) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	at, err := file.Stat()
	if err != nil {
		return err
	}
	l.file, l.size, l.retry = file, at.Size(), 0
	return nil
}

// Write writes whole lines; none of them lies in two files, and only a line longer than a file may
// be makes one too large.
func (l *rotatingLog) Write(lines []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	written := 0
	for written < len(lines) {
		rest := lines[written:]
		if l.size > 0 && l.size+int64(firstLine(rest)) > l.limit() {
			if err := l.rotate(); err != nil {
				return written, err
			}
		}
		l.stamp(time.Now(), false)
		count, err := l.file.Write(rest[:l.fitting(rest)])
		l.size += int64(count)
		written += count
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (l *rotatingLog) limit() int64 { return max(l.max, l.retry) }

// fitting tells how many bytes of these lines go into the file now: at least the first line.
func (l *rotatingLog) fitting(lines []byte) int {
	room := l.limit() - l.size
	if int64(len(lines)) <= room {
		return len(lines)
	}
	return max(firstLine(lines), bytes.LastIndexByte(lines[:max(room, 0)], '\n')+1)
}

func firstLine(lines []byte) int {
	if end := bytes.IndexByte(lines, '\n'); end >= 0 {
		return end + 1
	}
	return len(lines)
}

// begin notes the time of what comes now, whenever the last note was.
func (l *rotatingLog) begin() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.stamp(time.Now(), true)
}

// stamp notes when what comes now is written. The log counts more than its times: a failure to
// note them is passed over.
func (l *rotatingLog) stamp(now time.Time, always bool) {
	if !always && l.size > 0 && now.Sub(l.stamped) < stampEvery {
		return
	}
	l.stamped = now
	file, err := os.OpenFile(timesOf(l.path), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer file.Close()
	fmt.Fprintf(file, "%d %d\n", now.Unix(), l.size)
}

// rotate moves every file one on and drops the last; what can't be moved is written further.
func (l *rotatingLog) rotate() error {
	if err := l.file.Close(); err != nil {
		return err
	}
	_ = os.Remove(l.numbered(l.count - 1))
	for number := l.count - 1; number > 0; number-- {
		from, to := l.numbered(number-1), l.numbered(number)
		_ = os.Remove(timesOf(to))
		if os.Rename(from, to) == nil {
			_ = os.Rename(timesOf(from), timesOf(to))
		}
	}
	if l.count == 1 {
		_ = os.Remove(l.path)
		_ = os.Remove(timesOf(l.path))
	}
	if err := l.open(); err != nil {
		return err
	}
	if l.size > 0 {
		l.retry = l.size + l.max/10
	}
	return nil
}

func (l *rotatingLog) numbered(number int) string {
	if number == 0 {
		return l.path
	}
	return fmt.Sprintf("%s.%d.log", strings.TrimSuffix(l.path, ".log"), number)
}

func (l *rotatingLog) Close() error { return l.file.Close() }

func timesOf(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + ".times" }

// The longest piece of a line that is kept in memory; longer ones are written in pieces.
const pieceBytes = 64 << 10

// pump copies a program's output line by line, each in UTF-8, until it ends. A log that can't be
// written must not stop the program: its output is then thrown away.
func pump(from io.Reader, to io.Writer) {
	buffer := make([]byte, pieceBytes)
	kept := 0
	for {
		count, err := from.Read(buffer[kept:])
		kept += count
		end := wholeLines(buffer[:kept], err != nil)
		if end > 0 {
			_, _ = to.Write(asUTF8Lines(buffer[:end]))
			kept = copy(buffer, buffer[end:kept])
		}
		if err != nil {
			return
		}
	}
}

// wholeLines tells how many bytes can be written now: up to the last line's end, or everything at
// the end of the output or when the buffer is full (then not through the middle of a character).
func wholeLines(data []byte, last bool) int {
	if last {
		return len(data)
	}
	for end := len(data); end > 0; end-- {
		if data[end-1] == '\n' {
			return end
		}
	}
	if len(data) < pieceBytes {
		return 0
	}
	return len(data) - cutCharacter(data)
}
