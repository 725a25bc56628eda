package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

const followPause = 200 * time.Millisecond

// logPart is a file of a log and where reading it begins.
type logPart struct {
	path     string
	modified time.Time
	from     int64
}

func runLog(call *session) error {
	folder := call.take()
	count, err := whole(call.take())
	if err != nil {
		return err
	}
	follow := false
	since := int64(0)
	for len(call.args) > 0 {
		switch word := call.take(); {
		case word == "follow":
			follow = true
		case word == "since" && len(call.args) > 0:
			if since, err = whole(call.take()); err != nil {
				return err
			}
		default:
			return errUsage
		}
	}
	return showLog(call, folder, int(count), since, follow)
}

func showLog(call *session, folder string, count int, since int64, follow bool) error {
	var tails []*tail
	if follow {
		// opened before anything is read: what is written meanwhile is not lost
		tails = addTails(folder, nil, true)
		defer func() { closeTails(tails) }()
	}
	lines, err := lastLines(logParts(folder, since), tails, count)
	if err != nil {
		return failing("read the log", err)
	}
	mask := maskFor(folder)
	for _, line := range lines {
		if _, err := mask.WriteString(call.stdout, string(line)); err != nil {
			return nil // nobody listens
		}
	}
	if !follow {
		return nil
	}
	left := watchCaller()
	for {
		tails = addTails(folder, tails, false)
		// read anew each time: another release may have brought new secrets
		mask = maskFor(folder)
		for _, one := range tails {
			if one.copy(call.stdout, mask) != nil {
				return nil
			}
		}
		select {
		case <-left:
			return nil
		case <-time.After(followPause):
		}
	}
}

// logParts are the log files of a folder in the order of time, from "since" on.
func logParts(folder string, since int64) []logPart {
	entries, _ := os.ReadDir(folder)
	parts := []logPart{}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		at, err := os.Stat(path)
		if !strings.HasSuffix(path, ".log") || err != nil || at.IsDir() || at.ModTime().Unix() < since {
			continue
		}
		parts = append(parts, logPart{path, at.ModTime(), offsetSince(path, since)})
	}
	sort.SliceStable(parts, func(i, j int) bool {
		if parts[i].modified.Equal(parts[j].modified) {
			return rotation(parts[i].path) > rotation(parts[j].path)
		}
		return parts[i].modified.Before(parts[j].modified)
	})
	return parts
}

// rotation is the number that a rotated file of ours bears: the higher, the older.
func rotation(path string) int {
	number, err := strconv.Atoi(strings.TrimPrefix(filepath.Ext(strings.TrimSuffix(path, ".log")), "."))
	if err != nil {
		return 0
	}
	return number
}

// offsetSince is where the lines of that time begin, as the log's times tell; 0 without them.
func offsetSince(path string, since int64) int64 {
	if since == 0 {
		return 0
	}
	text, err := readShared(timesOf(path))
	if err != nil {
		return 0
	}
	from := int64(0)
	for _, line := range bytes.Split(text, []byte("\n")) {
		var when, offset int64
		if _, err := fmt.Sscan(string(line), &when, &offset); err != nil || when > since {
			continue
		}
		from = offset
	}
	return from
}

// lastLines reads the last lines of all parts together; of a file that is followed only what was
// there when following began.
func lastLines(parts []logPart, tails []*tail, count int) ([][]byte, error) {
	lines := [][]byte{}
	for _, part := range parts {
		file, err := openShared(part.path)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines, err = readLines(file, part, tails, lines, count)
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func readLines(file *os.File, part logPart, tails []*tail, lines [][]byte, count int) ([][]byte, error) {
	var from io.Reader = io.NewSectionReader(file, part.from, 1<<62)
	if info, err := file.Stat(); err == nil {
		if one := find(tails, info); one != nil {
			from = io.NewSectionReader(file, part.from, max(0, one.offset-part.from))
		}
	}
	reader := bufio.NewReaderSize(from, 1<<16)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if line[len(line)-1] != '\n' {
				line = append(line, '\n')
			}
			lines = append(lines, line)
		}
		if len(lines) > 2*count+1000 {
			lines = append([][]byte{}, lines[len(lines)-count:]...)
		}
		if err == io.EOF {
			return lines[max(0, len(lines)-count):], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// tail is a log file that is being followed; it stays the same file when that is renamed.
type tail struct {
	path   string
	info   os.FileInfo
	file   *os.File // nil once it was rotated away and read to its end
	offset int64

	buffer, pending []byte
}

// addTails adds those files of the folder that are not followed yet, from their end or beginning.
func addTails(folder string, known []*tail, fromEnd bool) []*tail {
	for _, part := range logParts(folder, 0) {
		file, err := openShared(part.path)
		if err != nil {
			continue
		}
		info, err := file.Stat()
		if err != nil || find(known, info) != nil {
			file.Close()
			continue
		}
		one := &tail{path: part.path, info: info, file: file, buffer: make([]byte, pieceBytes)}
		if fromEnd {
			one.offset = info.Size()
		}
		known = append(known, one)
	}
	return known
}

func find(tails []*tail, info os.FileInfo) *tail {
	for _, one := range tails {
		if os.SameFile(one.info, info) {
			return one
		}
	}
	return nil
}

// copy passes on what is new, whole lines of it, so that no secret is cut in two; what stays
// without a line end is passed on in the next round. Only writing fails, for the file may be cut
// or gone at any time.
func (t *tail) copy(to io.Writer, mask *strings.Replacer) error {
	if t.file == nil {
		return nil
	}
	now, err := os.Stat(t.path)
	rotated := err != nil || !os.SameFile(t.info, now)
	if at, err := t.file.Stat(); err == nil && at.Size() < t.offset {
		t.offset = 0
	}
	for {
		count, _ := t.file.ReadAt(t.buffer[len(t.pending):cap(t.buffer)], t.offset)
		t.offset += int64(count)
		idle := count == 0
		t.pending = t.buffer[:len(t.pending)+count]
		end := len(t.pending)
		if !idle {
			end = wholeLines(t.pending, false)
		}
		if _, err := mask.WriteString(to, string(t.pending[:end])); err != nil {
			return err
		}
		t.pending = t.buffer[:copy(t.buffer, t.pending[end:])]
		if idle {
			break
		}
	}
	if rotated {
		// held open any longer, it would be in the way of the next rotation
		t.file.Close()
		t.file = nil
	}
	return nil
}

func closeTails(tails []*tail) {
	for _, one := range tails {
		if one.file != nil {
			one.file.Close()
		}
	}
}
