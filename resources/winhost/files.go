package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// How long a file may be in somebody's way: virus scanners hold new programs for seconds.
const patience = 15 * time.Second

// insist repeats what fails because somebody has the file open, with growing pauses.
func insist(attempt func() error) error {
	deadline := time.Now().Add(patience)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := attempt()
		if err == nil || !inTheWay(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// replaceFile renames a file or folder; a file of the new name is replaced.
func replaceFile(from, to string) error {
	return insist(func() error { return os.Rename(from, to) })
}

func removeFile(path string) error {
	return insist(func() error { return os.Remove(path) })
}

// removeTree removes a file, or a folder and all below; that nothing is there is fine.
func removeTree(path string) error {
	return insist(func() error { return os.RemoveAll(path) })
}

// readShared reads a file without keeping others from renaming or removing it meanwhile.
func readShared(path string) ([]byte, error) {
	file, err := openShared(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// writeFlushed writes a file anew and sees it on the disk.
func writeFlushed(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// writeWhole replaces a file: whoever reads it sees the old or the new one.
func writeWhole(path string, data []byte) error {
	part := path + ".part"
	if err := writeFlushed(part, data); err != nil {
		return err
	}
	if err := replaceFile(part, path); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}

func isFolder(path string) bool {
	at, err := os.Stat(path)
	return err == nil && at.IsDir()
}

func isFile(path string) bool {
	at, err := os.Stat(path)
	return err == nil && at.Mode().IsRegular()
}

// nearest is the folder itself or the first one above it that exists.
func nearest(path string) string {
	for !isFolder(path) && filepath.Dir(path) != path {
		path = filepath.Dir(path)
	}
	return path
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
