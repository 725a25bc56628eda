package main

import (
	"errors"
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
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return time.Time{}
	}
	return fileTime(created)
}

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

// descendants are the processes below pid, parents before children. A number is used again after
// its process is gone: a child is older than its parent only by mistake.
func descendants(pid uint32) []uint32 {
	all, err := processes()
	if err != nil {
		return nil
	}
	found := []uint32{}
	for front := []uint32{pid}; len(front) > 0; front = front[1:] {
		born := startedAt(front[0])
		for _, one := range all {
			if one.parent == front[0] && one.pid != 0 && one.pid != pid && !startedAt(one.pid).Before(born) {
				found = append(found, one.pid)
				front = append(front, one.pid)
			}
		}
	}
	return found
}

// endTree ends a process and all its descendants, also those that are made meanwhile.
func endTree(pid uint32) error {
	if pid == 0 || pid == 4 {
		return problem(exitUsage, "end the process", "process %d is Windows itself", pid)
	}
	victims := append([]uint32{pid}, descendants(pid)...)
	var first error
	for round := 0; round < 3 && len(victims) > 0; round++ {
		for _, victim := range victims {
			if victim == uint32(os.Getpid()) {
				continue
			}
			if err := endProcess(victim); err != nil && first == nil {
				first = err
			}
		}
		younger := []uint32{}
		for _, victim := range victims {
			younger = append(younger, descendants(victim)...)
		}
		victims = younger
	}
	return first
}

// endProcess ends one process and waits until it is gone; that there is none is fine.
func endProcess(pid uint32) error {
	process, err := windows.OpenProcess(windows.PROCESS_TERMINATE|windows.SYNCHRONIZE, false, pid)
	if oneOf(err, windows.ERROR_INVALID_PARAMETER) {
		return nil // no such process
	}
	if err != nil {
		return err
	}
	defer windows.CloseHandle(process)
	err = windows.TerminateProcess(process, 1)
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
