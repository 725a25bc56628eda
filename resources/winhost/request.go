package main

import (
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// request is the first line of stdin in the form "slipway-host -": no word of it meets a shell.
type request struct {
	Argv     []string `json:"argv"`
	Announce bool     `json:"announce"`
	Tally    bool     `json:"tally"`
}

// counter counts the bytes that are written through it.
type counter struct {
	to    io.Writer
	count atomic.Int64
}

func (c *counter) Write(data []byte) (int, error) {
	written, err := c.to.Write(data)
	c.count.Add(int64(written))
	return written, err
}

// countOutput lets the call end with a line on stderr that says how many bytes came before it: so
// whoever heard less knows.
func (call *session) countOutput() {
	stdout, stderr := &counter{to: call.stdout}, &counter{to: call.stderr}
	call.stdout, call.stderr = stdout, stderr
	call.tally = func(to io.Writer) {
		// nobody is left to be told that it could not be told
		_ = printJSON(to, map[string]any{"tally": []int64{stdout.count.Load(), stderr.count.Load()}})
	}
}

// read takes the call's words from the command line or, for "-", from the first line of stdin.
func (call *session) read(args []string) error {
	call.args = args
	if len(args) == 1 && args[0] == "-" {
		line, err := call.stdin.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return failing("read the request", err)
		}
		var wanted request
		if err := json.Unmarshal(line, &wanted); err != nil {
			return usage("the request is not JSON: " + err.Error())
		}
		call.args = wanted.Argv
		if wanted.Tally {
			call.countOutput()
		}
		if wanted.Announce {
			if err := printJSON(call.stderr, map[string]any{"process": identity()}); err != nil {
				return failing("announce the process", err)
			}
		}
	}
	if len(call.args) == 0 {
		return usage("usage: slipway-host VERB ARGUMENT… | slipway-host -")
	}
	return nil
}

// answer prints one JSON line on stdout.
func (call *session) answer(value any) error {
	if err := printJSON(call.stdout, value); err != nil {
		return failing("write the answer", err)
	}
	return nil
}

// take returns the next argument, "" if there is none.
func (call *session) take() string {
	if len(call.args) == 0 {
		return ""
	}
	word := call.args[0]
	call.args = call.args[1:]
	return word
}

func printJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// seconds reads a number of seconds; fractions are allowed.
func seconds(text string) (time.Duration, error) {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || number < 0 || number > 1e9 {
		return 0, usage("not a number of seconds: " + text)
	}
	return asDuration(number), nil
}

func asDuration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}

// whole reads a number that is not negative.
func whole(text string) (int64, error) {
	number, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || number < 0 {
		return 0, usage("not a number: " + text)
	}
	return number, nil
}

func architecture() string { return runtime.GOARCH }
