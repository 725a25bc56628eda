package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

const accepted = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown

// How long the last output of a program that has ended may take.
const lastOutput = 2 * time.Second

// host runs one program as a service.
type host struct {
	runPath string
	config  runConfig
	log     *rotatingLog
	status  hostStatus
	job     job
}

// child is one life of the program.
type child struct {
	command *exec.Cmd
	started time.Time
	exited  chan struct{} // closed once the process is gone
	silent  chan struct{} // closed once its output is written
}

// runServe answers the service control manager. svc.IsWindowsService is not asked: only the
// service control manager calls this verb.
func runServe(call *session) error {
	run, err := filepath.Abs(call.args[0])
	if err != nil {
		return failing("find "+call.args[0], err)
	}
	if err := svc.Run("", &host{runPath: run, status: hostStatus{Run: run}}); err != nil {
		return failing("answer the service control manager", err)
	}
	return nil
}

// Execute is the service's life; what it returns is the error the service reports as STOPPED.
func (h *host) Execute(_ []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (bool, uint32) {
	changes <- svc.Status{State: svc.StartPending, WaitHint: 10000}
	if err := h.prepare(); err != nil {
		return h.failed(err)
	}
	defer h.log.Close()
	retry := restarts{delays: h.config.Restart}
	life, err := h.start()
	if err != nil {
		return h.failed(err)
	}
	changes <- svc.Status{State: svc.Running, Accepts: accepted}
	for {
		if asked := h.watch(life, requests, changes); asked {
			return h.stop(life, requests, changes)
		}
		pause, again := retry.next(time.Since(life.started))
		if !again {
			return h.giveUp(retry.failures)
		}
		h.note("is started again in %g s", pause.Seconds())
		if asked := pausing(pause, requests, changes); asked {
			h.status.PID = 0
			h.status.Stopped = "asked"
			h.tell()
			return false, 0
		}
		h.status.Restarts++
		if life, err = h.start(); err != nil {
			return h.failed(err)
		}
	}
}

func (h *host) prepare() error {
	var err error
	if h.config, err = readRun(h.runPath); err != nil {
		return err
	}
	if err := os.MkdirAll(h.config.Logs, 0o755); err != nil {
		return err
	}
	path := filepath.Join(h.config.Logs, h.config.Name+".log")
	if h.log, err = openLog(path, h.config.LogMaxSize, h.config.LogMaxFiles); err != nil {
		return err
	}
	h.job, err = newJob()
	return err
}

// start starts the program in a hidden console of its own, inside the job.
func (h *host) start() (*child, error) {
	environment, err := h.config.environment()
	if err != nil {
		return nil, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	command := exec.Command(h.config.Program, h.config.Args...)
	command.Dir = h.config.Directory
	command.Env = environment
	command.Stdout, command.Stderr = writer, writer
	command.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NEW_CONSOLE}
	h.log.begin()
	err = h.job.start(command)
	writer.Close()
	if err != nil {
		reader.Close()
		return nil, err
	}
	life := &child{command, time.Now(), make(chan struct{}), make(chan struct{})}
	go func() {
		pump(reader, h.log)
		reader.Close()
		close(life.silent)
	}()
	go func() {
		// how it ended is told by its state
		_ = command.Wait()
		close(life.exited)
	}()
	h.status.PID, h.status.Since, h.status.Problem = command.Process.Pid, life.started.Unix(), ""
	h.tell()
	return life, nil
}

// watch waits until the program has ended (false) or the service is asked to stop (true).
func (h *host) watch(life *child, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) bool {
	for {
		select {
		case <-life.exited:
			h.ended(life)
			return false
		case request := <-requests:
			if asksToStop(request, changes) {
				return true
			}
		}
	}
}

func asksToStop(request svc.ChangeRequest, changes chan<- svc.Status) bool {
	switch request.Cmd {
	case svc.Interrogate:
		changes <- request.CurrentStatus
	case svc.Stop, svc.Shutdown, svc.PreShutdown:
		return true
	}
	return false
}

func pausing(pause time.Duration, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) bool {
	over := time.After(pause)
	for {
		select {
		case <-over:
			return false
		case request := <-requests:
			if asksToStop(request, changes) {
				return true
			}
		}
	}
}

// ended notes how the program ended, and ends what it left running: a new one would collide.
func (h *host) ended(life *child) {
	h.job.end()
	h.drain(life)
	code := uint32(life.command.ProcessState.ExitCode())
	h.status.PID, h.status.ExitCode = 0, code
	h.status.Problem = fmt.Sprintf("ended by itself with exit code %d", code)
	h.tell()
	h.note("%s after %s", h.status.Problem, time.Since(life.started).Round(time.Second))
}

func (h *host) drain(life *child) {
	select {
	case <-life.silent:
	case <-time.After(lastOutput):
	}
}

func (h *host) giveUp(failures int) (bool, uint32) {
	h.status.Problem = fmt.Sprintf("given up after it ended by itself %d times in a row; last exit code %d",
		failures, h.status.ExitCode)
	h.tell()
	h.note("%s", h.status.Problem)
	return true, max(1, h.status.ExitCode)
}

// stop asks the program to end, waits, then ends the whole tree.
func (h *host) stop(life *child, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (bool, uint32) {
	grace := asDuration(h.config.Grace)
	pending := svc.Status{State: svc.StopPending, WaitHint: 5000}
	changes <- pending
	h.status.Stopped = "asked"
	if err := interrupt(uint32(life.command.Process.Pid)); err != nil {
		h.note("cannot be asked to end (%v)", err)
		grace = 0
	}
	deadline := time.After(grace)
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for waiting := true; waiting; {
		select {
		case <-life.exited:
			waiting = false
		case <-deadline:
			h.status.Stopped = "killed"
			h.note("did not end within %g s and is ended", grace.Seconds())
			waiting = false
		case <-ticks.C:
			pending.CheckPoint++
			changes <- pending
		case request := <-requests:
			if request.Cmd == svc.Interrogate {
				changes <- pending
			}
		}
	}
	h.job.end()
	<-life.exited
	h.drain(life)
	h.status.PID, h.status.ExitCode = 0, uint32(life.command.ProcessState.ExitCode())
	h.tell()
	return false, 0
}

// failed reports why there is no program: Windows' own number, or one of ours in words.
func (h *host) failed(err error) (bool, uint32) {
	h.status.PID, h.status.Problem = 0, err.Error()
	h.tell()
	if h.log != nil {
		h.note("%v", err)
	}
	if code := systemCode(err); code != 0 {
		return false, code
	}
	if errors.Is(err, exec.ErrNotFound) {
		return false, uint32(windows.ERROR_FILE_NOT_FOUND)
	}
	return true, 1
}

// tell writes the status down; before run.json was read there is no place for it.
func (h *host) tell() {
	if h.config.Logs != "" {
		h.status.write(h.config.status())
	}
}

// note writes what the host itself has to say among the program's lines.
func (h *host) note(format string, values ...any) {
	now := time.Now().Format("2006-01-02 15:04:05")
	// a log that can't be written must not end the service
	_, _ = io.WriteString(h.log, "[slipway "+now+"] "+fmt.Sprintf(format, values...)+"\n")
}
