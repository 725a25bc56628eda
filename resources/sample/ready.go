//go:build !broken

package main

// ready reports whether the program can do its work.
func ready() error {
	return nil
}
