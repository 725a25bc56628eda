package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

const connectionRefused = windows.WSAECONNREFUSED

// absoluteRoot is the folder meant, %ProgramData% and the like replaced.
func absoluteRoot(given string) (string, error) {
	if strings.HasPrefix(given, "%") {
		expanded, err := registry.ExpandString(given)
		if err != nil {
			return "", failing("find "+given, err)
		}
		given = expanded
	}
	root, err := filepath.Abs(filepath.FromSlash(given))
	if err != nil {
		return "", failing("find "+given, err)
	}
	return root, nil
}

// makeRoot makes a service's folder. What lies below C:\ can be written by every user unless it is
// told otherwise: the folder, and those above that are made for it, get lists of their own.
func makeRoot(path string) error {
	missing := []string{}
	for at := path; !isFolder(at) && filepath.Dir(at) != at; at = filepath.Dir(at) {
		missing = append(missing, at)
	}
	for index := len(missing) - 1; index >= 0; index-- {
		if err := os.Mkdir(missing[index], 0o700); err != nil && !isFolder(missing[index]) {
			return err
		}
		if missing[index] != path {
			if err := setDACL(missing[index], windows.SE_FILE_OBJECT, folderSDDL); err != nil {
				return err
			}
		}
	}
	return protectRoot(path)
}

// watchCaller tells when the process that called this one is gone: with nobody to listen, a log
// without new lines would be followed for ever.
func watchCaller() <-chan struct{} {
	left := make(chan struct{})
	caller, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(os.Getppid()))
	if err != nil {
		return left
	}
	go func() {
		// whatever ends the wait, there is nobody to wait for any more
		_, _ = windows.WaitForSingleObject(caller, windows.INFINITE)
		close(left)
	}()
	return left
}

func fileTime(when windows.Filetime) time.Time { return time.Unix(0, when.Nanoseconds()) }

// codePage is what programs that know no UTF-8 write.
func codePage() int { return int(windows.GetACP()) }
