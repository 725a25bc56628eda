package main

import (
	"syscall"
	"unsafe"
)

// running counts the processes whose program has this name.
func running(name string) int {
	snapshot, err := syscall.CreateToolhelp32Snapshot(syscall.TH32CS_SNAPPROCESS, 0)
	check(err)
	defer syscall.CloseHandle(snapshot)
	count := 0
	entry := syscall.ProcessEntry32{}
	entry.Size = uint32(unsafe.Sizeof(entry))
	for err = syscall.Process32First(snapshot, &entry); err == nil; err = syscall.Process32Next(snapshot, &entry) {
		if syscall.UTF16ToString(entry.ExeFile[:]) == name {
			count++
		}
	}
	return count
}
