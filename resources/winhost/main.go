// Command slipway-host is what Slipway needs on a Windows server: a tool for deployments, and a host
// that runs any program as a service. README.md is its contract.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

const protocol = 1

// id is the first 12 hex digits of the SHA-256 of the sources, stamped in by the linker.
var id = "unstamped"

// session is one call: its verb's arguments, and where it reads and writes.
type session struct {
	args   []string
	stdin  *bufio.Reader
	stdout io.Writer
	stderr io.Writer
	tally  func(io.Writer) // says how much was written, where that was asked for
}

// verb carries out one call; most or all of its arguments are checked by usage.
type verb struct {
	usage    string
	min, max int // how many arguments; max < 0: any number
	run      func(*session) error
}

// verbs are those of every system; those of Windows are added by verbs_windows.go.
var verbs = map[string]verb{
	"version": {"version", 0, 0, runVersion},
	"receive": {"receive take PART BYTES SHA256 DEST [gzip] | receive drop PART", 2, 6, runReceive},
	"store":   {"store VERB ROOT TOKEN [ARGUMENT…]", 3, -1, runStore},
	"log":     {"log FOLDER LINES [follow] [since UNIX]", 2, 5, runLog},
	"probe":   {"probe http URL SECONDS | probe tcp HOST PORT SECONDS", 3, 4, runProbe},
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run carries out one call and returns its exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	call := &session{stdin: bufio.NewReaderSize(stdin, 1<<20), stdout: stdout, stderr: stderr}
	err := call.read(args)
	if err == nil {
		err = call.carryOut()
	}
	code := call.report(err)
	if call.tally != nil {
		call.tally(stderr)
	}
	return code
}

func (call *session) carryOut() error {
	known, found := verbs[call.args[0]]
	if !found {
		return usage("unknown verb: " + call.args[0])
	}
	call.args = call.args[1:]
	if len(call.args) < known.min || (known.max >= 0 && len(call.args) > known.max) {
		return usage("usage: slipway-host " + known.usage)
	}
	err := known.run(call)
	if errors.Is(err, errUsage) {
		return usage("usage: slipway-host " + known.usage)
	}
	return err
}

func runVersion(call *session) error {
	return call.answer(map[string]any{"id": id, "protocol": protocol, "arch": architecture(), "code_page": codePage()})
}

// report prints a failure as the last line of stderr and returns the exit code.
func (call *session) report(err error) int {
	if err == nil {
		return exitDone
	}
	failed := asFailure(err)
	if !failed.silent {
		fmt.Fprintln(call.stderr, failed.line())
	}
	return failed.exit
}
