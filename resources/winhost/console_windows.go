package main

import "golang.org/x/sys/windows"

var (
	kernel32                  = windows.NewLazySystemDLL("kernel32.dll")
	procAttachConsole         = kernel32.NewProc("AttachConsole")
	procFreeConsole           = kernel32.NewProc("FreeConsole")
	procSetConsoleCtrlHandler = kernel32.NewProc("SetConsoleCtrlHandler")
)

// interrupt sends Ctrl-C to the console of a process. This one joins that console for the purpose,
// and from then on passes over Ctrl-C itself: it is to be called by who is about to end.
func interrupt(pid uint32) error {
	// a service has no console to leave
	_, _, _ = procFreeConsole.Call()
	if done, _, err := procAttachConsole.Call(uintptr(pid)); done == 0 {
		return err
	}
	if done, _, err := procSetConsoleCtrlHandler.Call(0, 1); done == 0 {
		return err
	}
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_C_EVENT, 0)
}
