package main

import (
	"strings"
	"time"

	"golang.org/x/sys/windows"
)

const (
	startLimit = 45 * time.Second
	// What a service host may need beyond its program's own grace, to end the tree and say so.
	hostMargin = 5 * time.Second
	// How long a process may take to be gone that was ended, and Windows to notice that.
	killLimit   = 15 * time.Second
	noticeLimit = 2 * time.Second
)

func runService(call *session) error {
	action, name := call.take(), call.take()
	switch {
	case action == "query" && len(call.args) == 0:
		facts, err := lookAt(name)
		if oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return failingWith(exitMissing, "look at service "+name, err)
		}
		if err != nil {
			return failing("look at service "+name, err)
		}
		return call.answer(facts)
	case action == "switch" && len(call.args) == 2:
		return runSwitch(call, name)
	case action == "save" && len(call.args) == 3:
		return runSave(call, name)
	case action == "start" && len(call.args) == 0:
		pid, err := startService(name)
		if err != nil {
			return err
		}
		return call.answer(map[string]any{"pid": pid})
	case (action == "stop" || action == "restart") && len(call.args) == 1:
		grace, err := seconds(call.args[0])
		if err != nil {
			return err
		}
		return stopOrRestart(call, action, name, grace)
	}
	return errUsage
}

func stopOrRestart(call *session, action, name string, grace time.Duration) error {
	stopped, err := stopService(name, grace)
	if err != nil {
		return err
	}
	if action == "stop" {
		return call.answer(map[string]any{"stopped": stopped})
	}
	pid, err := startService(name)
	if err != nil {
		return err
	}
	return call.answer(map[string]any{"stopped": stopped, "pid": pid})
}

// startService starts a service and sees it run; that it runs already is fine.
func startService(name string) (uint32, error) {
	doing := "start service " + name
	opened, err := openService(name, driveRights)
	if err != nil {
		return 0, failing(doing, err)
	}
	defer opened.close()
	// what is just stopping is started once it has stopped
	dead := 0
	if _, _, err := opened.await(startLimit, func(now windows.SERVICE_STATUS_PROCESS) bool {
		// Windows notices at once that the process of a service is gone, Wine does not
		if !alive(now.ProcessId) {
			dead++
		}
		return now.CurrentState != windows.SERVICE_STOP_PENDING || dead > 10
	}); err != nil {
		return 0, failing(doing, err)
	}
	err = windows.StartService(opened.handle, 0, nil)
	if err != nil && !oneOf(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return 0, failing(doing, err)
	}
	status, ended, err := opened.await(startLimit, func(now windows.SERVICE_STATUS_PROCESS) bool {
		return now.CurrentState == windows.SERVICE_RUNNING || now.CurrentState == windows.SERVICE_STOPPED
	})
	if err != nil {
		return 0, failing(doing, err)
	}
	if !ended {
		return 0, failingWith(exitTimedOut, doing, windows.WAIT_TIMEOUT)
	}
	if status.CurrentState == windows.SERVICE_STOPPED {
		return 0, whyStopped(doing, name, status)
	}
	return status.ProcessId, nil
}

// whyStopped is the failure of a service that ended instead of running; a service host says more.
func whyStopped(doing, name string, status windows.SERVICE_STATUS_PROCESS) error {
	number := windows.Errno(status.Win32ExitCode)
	words := []string{systemText(number)}
	if number == windows.NO_ERROR {
		words[0] = "It ended by itself and reported no error."
	}
	if number == windows.ERROR_SERVICE_SPECIFIC_ERROR {
		words = append(words, "Its own code: "+decimal(status.ServiceSpecificExitCode)+".")
	}
	if facts, err := lookAt(name); err == nil && facts.Host != nil && facts.Host.Problem != "" {
		words = append(words, "The service host says: "+facts.Host.Problem)
	}
	return &failure{code: uint32(number), doing: doing, exit: exitFailed, system: strings.Join(words, " ")}
}

// stopping is one service on its way to a stop.
type stopping struct {
	*service
	doing   string
	facts   *serviceFacts
	program instance
}

// stopService stops a service and sees its process gone: "asked" when it did so itself, "killed"
// when its processes had to be ended after the grace, "was-stopped".
func stopService(name string, grace time.Duration) (string, error) {
	doing := "stop service " + name
	opened, err := openService(name, driveRights)
	if err != nil {
		return "", failing(doing, err)
	}
	defer opened.close()
	status, err := opened.status()
	if err != nil {
		return "", failing(doing, err)
	}
	if status.CurrentState == windows.SERVICE_STOPPED {
		return "was-stopped", nil
	}
	dependents, err := opened.dependents()
	if err != nil {
		return "", failing(doing, err)
	}
	if len(dependents) > 0 {
		number := windows.ERROR_DEPENDENT_SERVICES_RUNNING
		return "", &failure{
			code: uint32(number), doing: doing, exit: exitFailed,
			system: systemText(number) + " " + strings.Join(dependents, ", "),
		}
	}
	facts, err := lookAt(name)
	if err != nil {
		return "", failing(doing, err)
	}
	if facts.Kind == "wrapped" {
		grace += hostMargin
	}
	return stopping{opened, doing, facts, identify(status.ProcessId)}.stop(grace)
}

func (s stopping) stop(grace time.Duration) (string, error) {
	process := windows.Handle(0)
	if s.program.pid != 0 {
		// opened now: later its number may be another process'
		opened, err := windows.OpenProcess(windows.SYNCHRONIZE, false, s.program.pid)
		if err == nil {
			process = opened
			defer windows.CloseHandle(process)
		}
	}
	deadline := time.Now().Add(grace)
	asked, err := s.ask(deadline)
	if err != nil {
		return "", failing(s.doing, err)
	}
	if asked && s.stopped(time.Until(deadline)) && exited(process, time.Until(deadline)) {
		return s.how(), nil
	}
	if s.facts.Type&windows.SERVICE_WIN32_SHARE_PROCESS != 0 {
		return "", problem(exitTimedOut, s.doing,
			"it did not stop within %g s, and its process is shared with other services", grace.Seconds())
	}
	if err := s.kill(process); err != nil {
		return "", failing(s.doing, err)
	}
	return "killed", nil
}

// ask sends the stop; false: the service takes none. What is just starting is asked again.
func (s stopping) ask(deadline time.Time) (bool, error) {
	for {
		var status windows.SERVICE_STATUS
		err := windows.ControlService(s.handle, windows.SERVICE_CONTROL_STOP, &status)
		switch {
		case err == nil, oneOf(err, windows.ERROR_SERVICE_NOT_ACTIVE):
			return true, nil
		case oneOf(err, windows.ERROR_INVALID_SERVICE_CONTROL, windows.ERROR_SERVICE_REQUEST_TIMEOUT):
			return false, nil
		case !oneOf(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL):
			return false, err
		}
		if now, failed := s.status(); failed == nil && now.CurrentState == windows.SERVICE_STOP_PENDING {
			return true, nil
		}
		if time.Now().After(deadline) {
			return false, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s stopping) stopped(limit time.Duration) bool {
	_, ended, err := s.await(limit, func(now windows.SERVICE_STATUS_PROCESS) bool {
		return now.CurrentState == windows.SERVICE_STOPPED
	})
	return err == nil && ended
}

// how asks our host's own report whether its program had to be killed.
func (s stopping) how() string {
	if s.facts.Kind == "wrapped" {
		if status, err := readStatus(s.facts.Run); err == nil && status.Stopped == "killed" {
			return "killed"
		}
	}
	return "asked"
}

// kill ends the service's processes. Windows would take that for a crash and start the service
// again: its recovery actions are put aside meanwhile.
func (s stopping) kill(process windows.Handle) error {
	if s.facts.Recovery != nil && len(s.facts.Recovery.Actions) > 0 {
		opened, err := openService(s.name, changeRights)
		if err != nil {
			return err
		}
		defer opened.close()
		if err := opened.setRecovery(recovery{}); err != nil {
			return err
		}
		defer opened.setRecovery(*s.facts.Recovery)
	}
	if s.program.pid != 0 {
		if err := endTree(s.program); err != nil {
			return err
		}
	}
	if !exited(process, killLimit) {
		return windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL
	}
	// the process is gone, which counts; Windows needs a moment to notice, Wine never does
	s.stopped(noticeLimit)
	return nil
}

// exited waits for a process to be gone; without one it is.
func exited(process windows.Handle, limit time.Duration) bool {
	if process == 0 {
		return true
	}
	event, err := windows.WaitForSingleObject(process, uint32(max(0, limit).Milliseconds()))
	return err == nil && event == windows.WAIT_OBJECT_0
}
