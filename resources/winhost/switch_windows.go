package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

const (
	otherSwitchLimit = 5 * time.Minute
	deleteLimit      = 30 * time.Second
	defaultGrace     = 20         // seconds
	breakaway        = 0x01000000 // CREATE_BREAKAWAY_FROM_JOB
	noWindow         = 0x08000000 // CREATE_NO_WINDOW
)

// order is a Switch object: what a service shall be, and whether it shall run.
type order struct {
	Definition *definition `json:"definition"`
	Snapshot   string      `json:"snapshot"`
	Program    string      `json:"program"`
	Proof      *proof      `json:"proof"`
	Save       string      `json:"save"`
	Start      *bool       `json:"start"`
	Grace      float64     `json:"grace"`
	Password   *string     `json:"password"`
	Expect     *string     `json:"expect"`
}

// proof is the program that will run: it must be there, unharmed, before anything is stopped.
type proof struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// switching is one switch of one service: it ends what it began.
type switching struct {
	name  string
	kept  store
	order order
	saved *serviceFacts // what a snapshot to be restored says; nil where the program is replaced
}

// runSwitch has the switch carried out by a process of its own: what a server starts for a
// connection is ended with it, and half a switch serves nobody.
func runSwitch(call *session, name string) error {
	doing := "switch service " + name
	var text json.RawMessage
	if err := json.NewDecoder(call.stdin).Decode(&text); err != nil {
		return usage("the Switch is not JSON, or not all of it arrived")
	}
	program, err := os.Executable()
	if err != nil {
		return failing(doing, err)
	}
	var out, problems bytes.Buffer
	start := func(flags uint32) (*exec.Cmd, error) {
		command := exec.Command(program, append([]string{"switching", name}, call.args...)...)
		command.Stdin = bytes.NewReader(text)
		command.Stdout, command.Stderr = &out, &problems
		command.SysProcAttr = &syscall.SysProcAttr{CreationFlags: flags | noWindow | windows.CREATE_NEW_PROCESS_GROUP}
		return command, command.Start()
	}
	command, err := start(breakaway)
	if oneOf(err, windows.ERROR_ACCESS_DENIED) {
		// the job does not let go
		command, err = start(0)
	}
	if err != nil {
		return failing(doing, err)
	}
	err = command.Wait()
	_, _ = io.Copy(call.stdout, &out)
	_, _ = io.Copy(call.stderr, &problems)
	var code *exec.ExitError
	if errors.As(err, &code) {
		return ended(code.ExitCode())
	}
	if err != nil {
		return failing(doing, err)
	}
	return nil
}

// runSwitching is the other half of runSwitch.
func runSwitching(call *session) error {
	root, err := absoluteRoot(call.args[1])
	if err != nil {
		return err
	}
	one := switching{name: call.args[0], kept: store{root: root, token: call.args[2]}}
	if one.order, err = readOrder(call.stdin); err != nil {
		return err
	}
	release, err := oneAtATime(one.name)
	if err != nil {
		return failing("switch service "+one.name, err)
	}
	defer release()
	if err := one.kept.held(call); err != nil {
		return err
	}
	if err := one.prepare(); err != nil {
		return err
	}
	return one.carryOut(call)
}

func readOrder(from io.Reader) (order, error) {
	wanted := order{Grace: defaultGrace}
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	err := decoder.Decode(&wanted)
	// what json says of anything else could quote a password
	var place *json.UnmarshalTypeError
	switch {
	case errors.As(err, &place):
		return wanted, usage("the Switch is not right at " + place.Field)
	case err != nil && strings.HasPrefix(err.Error(), "json: unknown field"):
		return wanted, usage("the Switch: " + strings.TrimPrefix(err.Error(), "json: "))
	case err != nil:
		return wanted, usage("the Switch is not JSON")
	case (wanted.Definition == nil) == (wanted.Snapshot == ""):
		return wanted, usage("the Switch needs either a definition or a snapshot")
	case wanted.Program != "" && wanted.Snapshot == "":
		return wanted, usage("the Switch names a program without a snapshot")
	}
	return wanted, nil
}

// oneAtATime waits for another switch of the same service to end: that of a desktop whose
// connection was cut may still be under way.
func oneAtATime(name string) (func(), error) {
	wide, err := windows.UTF16PtrFromString(`Global\Slipway switch ` + strings.ToLower(name))
	if err != nil {
		return nil, err
	}
	// a mutex belongs to a thread
	runtime.LockOSThread()
	mutex, err := windows.CreateMutex(nil, false, wide)
	if err != nil && !oneOf(err, windows.ERROR_ALREADY_EXISTS) {
		return nil, err
	}
	event, err := windows.WaitForSingleObject(mutex, uint32(otherSwitchLimit.Milliseconds()))
	if err != nil {
		return nil, err
	}
	if event != windows.WAIT_OBJECT_0 && event != windows.WAIT_ABANDONED {
		return nil, problem(exitTimedOut, "switch service "+name, "another switch of it is still under way")
	}
	return func() {
		// both end with this process anyway
		_ = windows.ReleaseMutex(mutex)
		_ = windows.CloseHandle(mutex)
	}, nil
}

// prepare reads and checks everything before anything is touched.
func (s *switching) prepare() error {
	for _, path := range []string{s.order.Snapshot, s.order.Save} {
		if path != "" {
			if err := s.kept.inside("write", []string{path}); err != nil {
				return err
			}
		}
	}
	if s.order.Snapshot != "" {
		if err := s.restore(); err != nil {
			return err
		}
	}
	if d := s.order.Definition; d != nil {
		d.password = s.order.Password
		if _, err := startType(d.Start); err != nil {
			return err
		}
	}
	if err := s.order.Proof.check(); err != nil {
		return err
	}
	return s.expected()
}

// restore makes the definition from a snapshot; none is left if there was no service.
func (s *switching) restore() error {
	doing := "read " + s.order.Snapshot
	text, err := readShared(s.kept.at(s.order.Snapshot))
	if gone(err) {
		return failingWith(exitMissing, doing, err)
	}
	if err != nil {
		return failing(doing, err)
	}
	var saved *serviceFacts
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&saved) != nil {
		return problem(exitDamaged, doing, "it is damaged")
	}
	started := false
	if saved != nil {
		wanted := saved.definition()
		if s.order.Program != "" {
			if err := wanted.replaceProgram(s.order.Program); err != nil {
				return err
			}
		}
		s.order.Definition = &wanted
		if s.order.Program == "" {
			s.saved = saved
		}
		started = saved.State == "running" || saved.State == "start-pending"
	}
	if s.order.Start == nil {
		s.order.Start = &started
	}
	return nil
}

func (p *proof) check() error {
	if p == nil {
		return nil
	}
	doing := "check " + p.Path
	file, err := openShared(p.Path)
	if gone(err) {
		return failingWith(exitMissing, doing, err)
	}
	if err != nil {
		return failing(doing, err)
	}
	defer file.Close()
	if p.SHA256 == "" {
		return nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return failing(doing, err)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); !strings.EqualFold(sum, p.SHA256) {
		return problem(exitDamaged, doing, "its SHA-256 is %s and was %s", sum, p.SHA256)
	}
	return nil
}

// expected refuses to change a service that is no longer what the plan was made from. What this
// switch itself makes of it is fine: it may be run twice.
func (s *switching) expected() error {
	if s.order.Expect == nil {
		return nil
	}
	registered, done := "", ""
	if now, err := lookAt(s.name); err == nil {
		registered = now.BinaryPath
	} else if !oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return failing("look at service "+s.name, err)
	}
	if s.order.Definition != nil {
		done = s.order.Definition.BinaryPath
	}
	if registered == *s.order.Expect || registered == done {
		return nil
	}
	return problem(exitFailed, "switch service "+s.name,
		"somebody has changed it meanwhile: “%s” is registered and “%s” was expected", registered, *s.order.Expect)
}

// already tells whether the service is exactly what the snapshot says: a run that was refused before
// it touched anything is undone without an interruption.
func (s *switching) already() (pid uint32, same bool) {
	if s.saved == nil {
		return 0, false
	}
	now, err := lookAt(s.name)
	if err != nil || now.State != s.saved.State || (now.State == "running") != *s.order.Start {
		return 0, false
	}
	return now.PID, now.registered() == s.saved.registered()
}

func (s *switching) carryOut(call *session) error {
	if pid, same := s.already(); same {
		return call.answer(map[string]any{"stopped": "none", "pid": pid})
	}
	stopped, err := stopService(s.name, asDuration(s.order.Grace))
	switch {
	case err == nil:
	case asFailure(err).code == uint32(windows.ERROR_SERVICE_DOES_NOT_EXIST):
		stopped = "none"
	default:
		return err
	}
	pid := uint32(0)
	if s.order.Definition == nil {
		err = removeService(s.name)
	} else {
		pid, err = s.setUp()
	}
	if err == nil && s.order.Save != "" {
		err = s.kept.saveService(s.name, s.order.Save)
	}
	if err != nil {
		return err
	}
	return call.answer(map[string]any{"stopped": stopped, "pid": pid})
}

func (s *switching) setUp() (uint32, error) {
	if err := s.order.Definition.apply(s.name); err != nil {
		return 0, err
	}
	if s.order.Start == nil || !*s.order.Start {
		return 0, nil
	}
	return startService(s.name)
}

// removeService removes a service and waits until it is really gone.
func removeService(name string) error {
	doing := "remove service " + name
	if err := setFirewall(name, nil); err != nil {
		return err
	}
	opened, err := openService(name, deleteRights)
	if oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return nil
	}
	if err != nil {
		return failing(doing, err)
	}
	err = windows.DeleteService(opened.handle)
	opened.close()
	if err != nil && !oneOf(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE) {
		return failing(doing, err)
	}
	for deadline := time.Now().Add(deleteLimit); ; time.Sleep(200 * time.Millisecond) {
		opened, err := openService(name, windows.SERVICE_QUERY_STATUS)
		if oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return nil
		}
		if err == nil {
			opened.close()
		}
		if time.Now().After(deadline) {
			return failing(doing, windows.ERROR_SERVICE_MARKED_FOR_DELETE)
		}
	}
}
