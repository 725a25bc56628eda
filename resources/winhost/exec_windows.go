package main

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// runExec runs a program in a job that ends with this process, and passes its exit code on.
func runExec(call *session) error {
	folder := call.take()
	limit, err := seconds(call.take())
	if err != nil {
		return err
	}
	if !isFolder(folder) {
		return problem(exitMissing, "run a program", "no such folder: %s", folder)
	}
	program := call.take()
	if inside := filepath.Join(folder, program); !filepath.IsAbs(program) && isFile(inside) {
		program = inside
	}
	doing := "run " + program
	command := exec.Command(program, call.args...)
	command.Dir = folder
	command.Stdout, command.Stderr = call.stdout, call.stderr
	// what it leaves behind ends with us and must not hold us
	command.WaitDelay = time.Second
	stdin, err := command.StdinPipe()
	if err != nil {
		return failing(doing, err)
	}
	kept, err := newJob()
	if err != nil {
		return failing(doing, err)
	}
	if err := kept.start(command); err != nil {
		if gone(err) || errors.Is(err, exec.ErrNotFound) {
			return failingWith(exitMissing, doing, err)
		}
		return failing(doing, err)
	}
	go func() {
		// a program that does not read its stdin to the end is none of our business
		_, _ = io.Copy(stdin, call.stdin)
		stdin.Close()
	}()
	return await(command, kept, limit, doing)
}

func await(command *exec.Cmd, kept job, limit time.Duration, doing string) error {
	left := make(chan error, 1)
	go func() { left <- command.Wait() }()
	select {
	case err := <-left:
		var code *exec.ExitError
		if errors.As(err, &code) {
			return ended(code.ExitCode())
		}
		if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			return failing(doing, err)
		}
		return nil
	case <-time.After(limit):
		kept.end()
		<-left
		return problem(exitTimedOut, doing, "it did not end within %g s and was ended", limit.Seconds())
	}
}

func runKill(call *session) error {
	number, start, _ := strings.Cut(call.take(), "@")
	pid, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return errUsage
	}
	born, err := strconv.ParseInt(start, 10, 64)
	if err != nil {
		return errUsage
	}
	if err := endTree(instance{uint32(pid), time.Unix(0, born)}); err != nil {
		return failing("end process "+number, err)
	}
	return nil
}
