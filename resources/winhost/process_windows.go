package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// running is a process as the system's list tells it.
type running struct {
	pid, parent uint32
	program     string
}

func processes() ([]running, error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, err
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	found := []running{}
	for err = windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		found = append(found, running{entry.ProcessID, entry.ParentProcessID, windows.UTF16ToString(entry.ExeFile[:])})
	}
	if errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		err = nil
	}
	return found, err
}

// startedAt is when a process was made; the zero time if there is none or it can't be asked.
func startedAt(pid uint32) time.Time {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return time.Time{}
	}
	defer windows.CloseHandle(process)
	return startOf(process)
}

func startOf(process windows.Handle) time.Time {
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return time.Time{}
	}
	return fileTime(created)
}

// instance is one process for good: a number is used again after its process is gone.
type instance struct {
	pid  uint32
	born time.Time // zero if there is no such process, or it can't be asked
}

func identify(pid uint32) instance { return instance{pid, startedAt(pid)} }

// identity is this process as "PID@START", for the verb that ends it.
func identity() string { return identify(uint32(os.Getpid())).String() }

func (i instance) String() string { return fmt.Sprintf("%d@%d", i.pid, i.born.UnixNano()) }

// alive tells whether a process runs; one that has ended may still be known to Windows.
func alive(pid uint32) bool {
	process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, pid)
	if err != nil {
		return oneOf(err, windows.ERROR_ACCESS_DENIED)
	}
	defer windows.CloseHandle(process)
	return !exited(process, 0)
}

// programPath is the file a process runs, "" if it can't be asked.
func programPath(pid uint32) string {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(process)
	name := make([]uint16, 32768)
	size := uint32(len(name))
	if windows.QueryFullProcessImageName(process, 0, &name[0], &size) != nil {
		return ""
	}
	return windows.UTF16ToString(name[:size])
}

// children are the processes that one which is held has started. A child that is older than its
// parent is one only by mistake; one that is younger than the list took the number of another.
func children(parent instance) ([]instance, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	var listed windows.Filetime
	windows.GetSystemTimePreciseAsFileTime(&listed)
	found := []instance{}
	for _, one := range all {
		if one.parent != parent.pid || one.pid == 0 {
			continue
		}
		child := identify(one.pid)
		if !child.born.Before(parent.born) && !child.born.After(fileTime(listed)) {
			found = append(found, child)
		}
	}
	return found, nil
}

// endTree ends a process and all below it, parents first: what has ended starts no more. That
// there is no such process any more is fine.
func endTree(root instance) error {
	if root.pid == 0 || root.pid == 4 {
		return problem(exitUsage, "end the process", "process %d is Windows itself", root.pid)
	}
	var problems []error
	for front := []instance{root}; len(front) > 0; front = front[1:] {
		process, err := front[0].open()
		if process != 0 && front[0].pid != uint32(os.Getpid()) {
			// held until its children are known: whoever got its number would lose his own
			err = end(process)
			below, unknown := children(front[0])
			front = append(front, below...)
			err = errors.Join(err, unknown)
		}
		windows.CloseHandle(process)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// open opens the process to end it; 0 if it is gone, whoever bears its number now.
func (i instance) open() (windows.Handle, error) {
	const rights = windows.PROCESS_TERMINATE | windows.SYNCHRONIZE | windows.PROCESS_QUERY_LIMITED_INFORMATION
	process, err := windows.OpenProcess(rights, false, i.pid)
	if oneOf(err, windows.ERROR_INVALID_PARAMETER) {
		return 0, nil // no such process
	}
	if err != nil {
		return 0, err
	}
	if !startOf(process).Equal(i.born) {
		windows.CloseHandle(process)
		return 0, nil
	}
	return process, nil
}

// end ends a process and waits until it is gone.
func end(process windows.Handle) error {
	err := windows.TerminateProcess(process, 1)
	ended, waited := windows.WaitForSingleObject(process, 5000)
	if waited == nil && ended == windows.WAIT_OBJECT_0 {
		return nil
	}
	return err
}

// job holds a process and all it starts; they end with the job, and the job with this process.
type job struct{ handle windows.Handle }

func newJob() (job, error) {
	handle, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return job{}, err
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(handle, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		windows.CloseHandle(handle)
		return job{}, err
	}
	return job{handle}, nil
}

// start starts a command inside the job: it does not run before it is in there.
func (j job) start(command *exec.Cmd) error {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.CreationFlags |= windows.CREATE_SUSPENDED
	if err := command.Start(); err != nil {
		return err
	}
	if err := j.admit(uint32(command.Process.Pid)); err != nil {
		return errors.Join(err, command.Process.Kill())
	}
	return nil
}

func (j job) admit(pid uint32) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(process)
	if err := windows.AssignProcessToJobObject(j.handle, process); err != nil {
		return err
	}
	return resume(pid)
}

// resume lets a process run that was made suspended: it has one thread.
func resume(pid uint32) error {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(snapshot, &entry); err == nil; err = windows.Thread32Next(snapshot, &entry) {
		if entry.OwnerProcessID != pid {
			continue
		}
		thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, entry.ThreadID)
		if err != nil {
			return err
		}
		defer windows.CloseHandle(thread)
		_, err = windows.ResumeThread(thread)
		return err
	}
	return err
}

// end ends everything in the job, now.
func (j job) end() { _ = windows.TerminateJobObject(j.handle, 1) }

func (j job) close() { windows.CloseHandle(j.handle) }
