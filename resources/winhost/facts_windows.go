package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// port is a TCP port on which somebody listens.
type port struct {
	Port    int    `json:"port"`
	PID     uint32 `json:"pid"`
	Program string `json:"program"`
}

func runFacts(call *session) error {
	root, err := absoluteRoot(call.args[0])
	if err != nil {
		return err
	}
	records := store{root: root}.facts()
	found, err := known(records)
	if err != nil {
		return err
	}
	service, err := lookAt(call.args[1])
	elevated := isAdministrator()
	// who is no administrator may not see everything; that is told by "elevated"
	if err != nil && elevated && !oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return failing("look at service "+call.args[1], err)
	}
	ports, err := listening()
	if err != nil {
		return failing("list ports", err)
	}
	folder := nearest(root)
	free := uint64(0)
	if wide, err := windows.UTF16PtrFromString(folder); err == nil {
		// without an answer there is no room
		_ = windows.GetDiskFreeSpaceEx(wide, &free, nil, nil)
	}
	host, err := os.Hostname()
	if err != nil {
		return failing("ask for the machine's name", err)
	}
	tool, err := os.Executable()
	if err != nil {
		return failing("find this program", err)
	}
	for name, value := range map[string]any{
		"system": "windows", "arch": nativeArchitecture(), "os_name": systemName(), "hostname": host,
		"user": userName(), "elevated": elevated, "clock": time.Now().Unix(), "root": root,
		"writable": writable(folder), "disk_free": free, "code_page": windows.GetACP(),
		"tool": tool, "ports": ports, "service": service, "vcruntime": hasRuntime(), "nssm": foundNSSM(),
	} {
		found[name] = value
	}
	return call.answer(found)
}

// known is a structure's fields as JSON has them.
func known(of any) (map[string]any, error) {
	found := map[string]any{}
	text, err := json.Marshal(of)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		return nil, failing("write the facts", err)
	}
	return found, nil
}

// nativeArchitecture is the machine's, also when this program runs emulated.
func nativeArchitecture() string {
	var process, native uint16
	if windows.IsWow64Process2(windows.CurrentProcess(), &process, &native) == nil {
		switch native {
		case 0x8664:
			return "amd64"
		case 0xaa64:
			return "arm64"
		case 0x14c:
			return "386"
		}
	}
	return runtime.GOARCH
}

// systemName is like "Windows Server 2022 Standard (10.0.20348)".
func systemName() string {
	version := windows.RtlGetVersion()
	name := "Windows"
	key, err := openKey(`SOFTWARE\Microsoft\Windows NT\CurrentVersion`, registry.QUERY_VALUE)
	if err == nil {
		defer key.Close()
		if text, _, err := key.GetStringValue("ProductName"); err == nil && text != "" {
			name = text
		}
	}
	if version.BuildNumber >= 22000 {
		// the registry of Windows 11 still says 10
		name = strings.Replace(name, "Windows 10", "Windows 11", 1)
	}
	return fmt.Sprintf("%s (%d.%d.%d)", name, version.MajorVersion, version.MinorVersion, version.BuildNumber)
}

func userName() string {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return ""
	}
	account, domain, _, err := user.User.Sid.LookupAccount("")
	if err != nil {
		return user.User.Sid.String()
	}
	return domain + `\` + account
}

// writable asks Windows whether files and folders may be made in a folder, without making any.
func writable(folder string) bool {
	const addFile, addFolder = 2, 4
	wide, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return false
	}
	handle, err := windows.CreateFile(wide, addFile|addFolder, shareAll, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return false
	}
	windows.CloseHandle(handle)
	return true
}

// hasRuntime tells whether the VC++ runtime is there, which programs built with cgo may need.
func hasRuntime() bool {
	system, err := windows.GetSystemDirectory()
	return err == nil && isFile(filepath.Join(system, "vcruntime140.dll"))
}

var procGetExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

const tableOfListeners = 3 // TCP_TABLE_OWNER_PID_LISTENER

// listening are the ports on which somebody listens, over IPv4 or IPv6.
func listening() ([]port, error) {
	found, seen := []port{}, map[port]bool{}
	names := map[uint32]string{}
	// a row is state, address, port, … and pid; where they stand differs
	for _, table := range []struct{ family, row, port, pid uintptr }{
		{windows.AF_INET, 24, 8, 20}, {windows.AF_INET6, 56, 20, 52},
	} {
		buffer, err := grow(func(buffer *byte, size uint32, needed *uint32) error {
			*needed = size
			status, _, _ := procGetExtendedTCPTable.Call(uintptr(unsafe.Pointer(buffer)),
				uintptr(unsafe.Pointer(needed)), 0, table.family, tableOfListeners, 0)
			if status != 0 {
				return windows.Errno(status)
			}
			return nil
		})
		if oneOf(err, windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_PARAMETER) && table.family == windows.AF_INET6 {
			continue // no IPv6 here
		}
		if err != nil {
			return nil, err
		}
		count := uintptr(*(*uint32)(unsafe.Pointer(&buffer[0])))
		for index := uintptr(0); index < count; index++ {
			row := buffer[4+index*table.row:]
			one := port{
				Port: int(row[table.port])<<8 | int(row[table.port+1]),
				PID:  *(*uint32)(unsafe.Pointer(&row[table.pid])),
			}
			if seen[one] {
				continue
			}
			seen[one] = true
			if _, asked := names[one.PID]; !asked {
				names[one.PID] = programPath(one.PID)
			}
			one.Program = names[one.PID]
			found = append(found, one)
		}
	}
	return found, nil
}

// isAdministrator tells whether this process may use an administrator's rights: with a filtered
// token the group is there only to be denied.
func isAdministrator() bool {
	administrators, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		return false
	}
	member, err := windows.Token(0).IsMember(administrators)
	return err == nil && member
}
