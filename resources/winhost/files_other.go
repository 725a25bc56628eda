//go:build !windows

package main

import "os"

func openShared(path string) (*os.File, error) { return os.Open(path) }

func makeRoot(path string) error { return os.MkdirAll(path, 0o700) }
