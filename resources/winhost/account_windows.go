package main

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// registered is an account as the service control manager wants it.
func registeredAccount(account, service string) string {
	switch account {
	case "LocalService", "NetworkService":
		return `NT AUTHORITY\` + account
	case "virtual":
		return `NT SERVICE\` + service
	}
	return account
}

// reportedAccount is an account in the words of a Definition.
func reportedAccount(registered, service string) string {
	switch strings.ToLower(registered) {
	case "", "localsystem", `.\localsystem`, `nt authority\system`:
		return "LocalSystem"
	case `nt authority\localservice`, `nt authority\local service`:
		return "LocalService"
	case `nt authority\networkservice`, `nt authority\network service`:
		return "NetworkService"
	case strings.ToLower(`NT SERVICE\` + service):
		return "virtual"
	}
	return registered
}

// isUser tells whether an account is one of a person or domain, not one of Windows' own.
func isUser(account string) bool {
	switch account {
	case "LocalSystem", "LocalService", "NetworkService", "virtual":
		return false
	}
	return !strings.HasPrefix(strings.ToLower(account), `nt `)
}

var (
	advapi32                = windows.NewLazySystemDLL("advapi32.dll")
	procLsaOpenPolicy       = advapi32.NewProc("LsaOpenPolicy")
	procLsaAddAccountRights = advapi32.NewProc("LsaAddAccountRights")
	procLsaClose            = advapi32.NewProc("LsaClose")
)

const (
	policyCreateAccount = 0x10
	policyLookupNames   = 0x800
)

// grantLogon gives an account the right "Log on as a service"; that it has it already is fine.
func grantLogon(account string) error {
	sid, err := accountSID(account)
	if err != nil {
		return err
	}
	right, err := windows.NewNTUnicodeString("SeServiceLogonRight")
	if err != nil {
		return err
	}
	attributes := windows.OBJECT_ATTRIBUTES{Length: uint32(unsafe.Sizeof(windows.OBJECT_ATTRIBUTES{}))}
	var policy windows.Handle
	status, _, _ := procLsaOpenPolicy.Call(0, uintptr(unsafe.Pointer(&attributes)),
		policyCreateAccount|policyLookupNames, uintptr(unsafe.Pointer(&policy)))
	if status != 0 {
		return windows.NTStatus(status).Errno()
	}
	defer procLsaClose.Call(uintptr(policy))
	status, _, _ = procLsaAddAccountRights.Call(uintptr(policy), uintptr(unsafe.Pointer(sid)),
		uintptr(unsafe.Pointer(right)), 1)
	if status != 0 {
		return windows.NTStatus(status).Errno()
	}
	return nil
}
