package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// How a call ends; numbers of sysexits.h where they fit.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 64
	exitDamaged     = 65
	exitMissing     = 66
	exitNotWritable = 73
	exitNotAll      = 74
	exitLocked      = 75
	exitTimedOut    = 124
)

//go:embed errors.json
var errorsJSON []byte

// failure is what could not be done, why, and the exit code that says so.
type failure struct {
	code   uint32 // the Win32 error number; 0: ours
	doing  string
	system string
	exit   int
	silent bool // the exit code alone, or what was printed before, says all
}

func (f *failure) Error() string { return f.doing + ": " + f.system }

// line is the JSON object that ends stderr.
func (f *failure) line() string {
	var known map[string]struct{ Cause, Remedy string }
	if err := json.Unmarshal(errorsJSON, &known); err != nil {
		panic(err) // embedded: a test reads it
	}
	about := known[strconv.Itoa(int(f.code))]
	var text strings.Builder
	// a strings.Builder takes everything
	_ = printJSON(&text, map[string]any{"error": map[string]any{
		"code": f.code, "doing": f.doing, "system": f.system,
		"cause": about.Cause, "remedy": about.Remedy,
	}})
	return strings.TrimSuffix(text.String(), "\n")
}

// failing says what was being done when err happened; a failure keeps its own words.
func failing(doing string, err error) error {
	return failingWith(exitFailed, doing, err)
}

func failingWith(exit int, doing string, err error) error {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	return &failure{code: systemCode(err), doing: doing, system: systemText(err), exit: exit}
}

// problem is a failure of our own finding.
func problem(exit int, doing, format string, values ...any) error {
	return &failure{doing: doing, system: fmt.Sprintf(format, values...), exit: exit}
}

// errUsage: the verb's arguments are not as its usage says.
var errUsage = errors.New("wrong usage")

func usage(text string) error {
	return &failure{doing: "read the request", system: text, exit: exitUsage}
}

// ended is an exit code that needs no words.
func ended(exit int) error {
	return &failure{exit: exit, silent: true}
}

func asFailure(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	return &failure{code: systemCode(err), doing: "slipway-host", system: systemText(err), exit: exitFailed}
}
