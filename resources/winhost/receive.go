package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// incoming is a file that is being received: what it must be like, and where it goes.
type incoming struct {
	part, dest string
	size       int64
	sha256     string
	zipped     bool
}

func runReceive(call *session) error {
	switch action := call.take(); {
	case action == "drop" && len(call.args) == 1:
		err := removeFile(call.args[0])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failing("remove "+call.args[0], err)
		}
		return nil
	case action == "take" && (len(call.args) == 4 || len(call.args) == 5 && call.args[4] == "gzip"):
		size, err := whole(call.args[1])
		if err != nil {
			return err
		}
		wanted := incoming{
			part: call.args[0], size: size, sha256: strings.ToLower(call.args[2]),
			dest: call.args[3], zipped: len(call.args) == 5,
		}
		return wanted.receive(call.stdin)
	}
	return errUsage
}

// receive takes the file whole or not at all; the part file is gone afterwards.
func (in incoming) receive(from io.Reader) error {
	doing := "receive " + in.dest
	for _, folder := range []string{filepath.Dir(in.part), filepath.Dir(in.dest)} {
		if at, err := os.Stat(folder); err != nil || !at.IsDir() {
			return problem(exitMissing, doing, "no such folder: %s", folder)
		}
	}
	if at, err := os.Stat(in.dest); err == nil && at.IsDir() {
		return problem(exitNotWritable, doing, "is a folder: %s", in.dest)
	}
	part, err := os.OpenFile(in.part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return failingWith(exitNotWritable, doing, err)
	}
	defer removeFile(in.part)
	err = in.fill(part, from)
	if closed := part.Close(); err == nil && closed != nil {
		err = failingWith(exitNotWritable, doing, closed)
	}
	if err != nil {
		return err
	}
	if err := replaceFile(in.part, in.dest); err != nil {
		return failingWith(exitNotWritable, doing, err)
	}
	return nil
}

// fill writes what comes into the part file and compares it with what was promised.
func (in incoming) fill(part *os.File, from io.Reader) error {
	doing := "receive " + in.dest
	source := from
	if in.zipped {
		unzipped, err := gzip.NewReader(from)
		if err != nil {
			return in.damaged(err)
		}
		unzipped.Multistream(false)
		source = unzipped
	}
	hash := sha256.New()
	to := &sink{to: io.MultiWriter(part, hash)}
	// one byte more than promised is enough to know that it is too much
	count, err := io.Copy(to, io.LimitReader(source, in.size+1))
	switch {
	case to.err != nil:
		return failingWith(exitNotWritable, doing, to.err)
	case err != nil:
		return in.damaged(err)
	case count < in.size:
		return problem(exitNotAll, doing, "not all arrived: %d of %d bytes", count, in.size)
	case count > in.size:
		return problem(exitDamaged, doing, "more than the %d bytes that were promised", in.size)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != in.sha256 {
		return problem(exitDamaged, doing, "its SHA-256 is %s there and %s here", sum, in.sha256)
	}
	if err := part.Sync(); err != nil {
		return failingWith(exitNotWritable, doing, err)
	}
	return nil
}

// damaged tells a stream that was cut from one that is wrong.
func (in incoming) damaged(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return problem(exitNotAll, "receive "+in.dest, "not all arrived")
	}
	return failingWith(exitDamaged, "receive "+in.dest, err)
}

// sink remembers that writing failed, to tell it from a failure of reading.
type sink struct {
	to  io.Writer
	err error
}

func (s *sink) Write(data []byte) (int, error) {
	count, err := s.to.Write(data)
	s.err = err
	return count, err
}
