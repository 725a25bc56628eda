//go:build !windows

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const connectionRefused = syscall.ECONNREFUSED

func absoluteRoot(given string) (string, error) {
	root, err := filepath.Abs(given)
	if err != nil {
		return "", failing("find "+given, err)
	}
	return root, nil
}

// identity is this process, for whoever wants to end it.
func identity() string { return fmt.Sprint(os.Getpid()) }

// watchCaller tells when the process that called this one is gone.
func watchCaller() <-chan struct{} {
	left := make(chan struct{})
	caller := os.Getppid()
	go func() {
		for os.Getppid() == caller {
			time.Sleep(time.Second)
		}
		close(left)
	}()
	return left
}

func codePage() int { return 65001 }
