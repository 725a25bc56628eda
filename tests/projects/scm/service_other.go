//go:build !windows

package main

func runAsService() (bool, error) {
	return false, nil
}
