package main

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// service is a service's handle; the calls are Windows' own one by one, so that one that this
// system does not know (error 124) does not spoil the others.
type service struct {
	name   string
	handle windows.Handle
}

func openManager(access uint32) (windows.Handle, error) {
	return windows.OpenSCManager(nil, nil, access)
}

// openService opens a service with these rights; error 1060 if there is none.
func openService(name string, access uint32) (*service, error) {
	manager, err := openManager(windows.SC_MANAGER_CONNECT)
	if err != nil {
		return nil, err
	}
	defer windows.CloseServiceHandle(manager)
	wide, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	handle, err := windows.OpenService(manager, wide, access)
	if err != nil {
		return nil, err
	}
	return &service{name, handle}, nil
}

const (
	lookRights  = windows.SERVICE_QUERY_CONFIG | windows.SERVICE_QUERY_STATUS | windows.SERVICE_ENUMERATE_DEPENDENTS
	driveRights = lookRights | windows.SERVICE_START | windows.SERVICE_STOP
	// SERVICE_START: the right to change recovery actions includes it
	changeRights = lookRights | windows.SERVICE_CHANGE_CONFIG | windows.SERVICE_START
	deleteRights = windows.DELETE
)

func (s *service) close() { windows.CloseServiceHandle(s.handle) }

func (s *service) status() (windows.SERVICE_STATUS_PROCESS, error) {
	var status windows.SERVICE_STATUS_PROCESS
	var needed uint32
	err := windows.QueryServiceStatusEx(s.handle, windows.SC_STATUS_PROCESS_INFO,
		(*byte)(unsafe.Pointer(&status)), uint32(unsafe.Sizeof(status)), &needed)
	return status, err
}

// await polls until the service's state is wanted; false: time ran out.
func (s *service) await(limit time.Duration, wanted func(windows.SERVICE_STATUS_PROCESS) bool) (windows.SERVICE_STATUS_PROCESS, bool, error) {
	deadline := time.Now().Add(limit)
	for {
		status, err := s.status()
		if err != nil || wanted(status) {
			return status, err == nil, err
		}
		if time.Now().After(deadline) {
			return status, false, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// grow calls a function of the kind that says how large a buffer it needs.
func grow(call func(buffer *byte, size uint32, needed *uint32) error) ([]byte, error) {
	size := uint32(1024)
	for {
		// of words, so that the structures in it are aligned
		words := make([]uint64, (size+7)/8)
		buffer := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
		needed := uint32(0)
		err := call(&buffer[0], uint32(len(buffer)), &needed)
		if err == nil {
			return buffer, nil
		}
		if !oneOf(err, windows.ERROR_INSUFFICIENT_BUFFER, windows.ERROR_MORE_DATA) || needed <= size {
			return nil, err
		}
		size = needed
	}
}

func (s *service) config() (windows.QUERY_SERVICE_CONFIG, []byte, error) {
	buffer, err := grow(func(buffer *byte, size uint32, needed *uint32) error {
		return windows.QueryServiceConfig(s.handle, (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(buffer)), size, needed)
	})
	if err != nil {
		return windows.QUERY_SERVICE_CONFIG{}, nil, err
	}
	return *(*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buffer[0])), buffer, nil
}

func (s *service) config2(level uint32) ([]byte, error) {
	return grow(func(buffer *byte, size uint32, needed *uint32) error {
		return windows.QueryServiceConfig2(s.handle, level, buffer, size, needed)
	})
}

// flag reads an information that is one number; ok is false where the system can't say.
func (s *service) flag(level uint32) (value uint32, ok bool, err error) {
	buffer, err := s.config2(level)
	if cannotSay(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return *(*uint32)(unsafe.Pointer(&buffer[0])), true, nil
}

// setFlag writes an information that is one number; a system that does not know it is left as it is.
func (s *service) setFlag(level, value uint32) error {
	err := windows.ChangeServiceConfig2(s.handle, level, (*byte)(unsafe.Pointer(&value)))
	if cannotSay(err) {
		return nil
	}
	return err
}

func (s *service) description() (string, error) {
	buffer, err := s.config2(windows.SERVICE_CONFIG_DESCRIPTION)
	if cannotSay(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	known := (*windows.SERVICE_DESCRIPTION)(unsafe.Pointer(&buffer[0]))
	text := windows.UTF16PtrToString(known.Description)
	runtime.KeepAlive(buffer)
	return text, nil
}

func (s *service) setDescription(text string) error {
	wide, err := windows.UTF16PtrFromString(text)
	if err != nil {
		return err
	}
	info := windows.SERVICE_DESCRIPTION{Description: wide}
	return windows.ChangeServiceConfig2(s.handle, windows.SERVICE_CONFIG_DESCRIPTION, (*byte)(unsafe.Pointer(&info)))
}

// recovery is what the service control manager does when a service has failed.
type recovery struct {
	Reset   uint32   `json:"reset"`
	Actions []action `json:"actions"`
	Command string   `json:"command"`
	Message string   `json:"message"`
}

type action struct {
	Action string  `json:"action"`
	Delay  float64 `json:"delay"`
}

// actionNames in the order of Windows' SC_ACTION_TYPE.
var actionNames = []string{"none", "restart", "reboot", "run"}

// recovery reads the recovery actions; nil where the system can't say.
func (s *service) recovery() (*recovery, error) {
	buffer, err := s.config2(windows.SERVICE_CONFIG_FAILURE_ACTIONS)
	if cannotSay(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := (*windows.SERVICE_FAILURE_ACTIONS)(unsafe.Pointer(&buffer[0]))
	found := recovery{
		Reset:   known.ResetPeriod,
		Actions: []action{},
		Command: windows.UTF16PtrToString(known.Command),
		Message: windows.UTF16PtrToString(known.RebootMsg),
	}
	if known.Actions != nil {
		for _, one := range unsafe.Slice(known.Actions, known.ActionsCount) {
			name := "none"
			if int(one.Type) < len(actionNames) {
				name = actionNames[one.Type]
			}
			found.Actions = append(found.Actions, action{name, float64(one.Delay) / 1000})
		}
	}
	runtime.KeepAlive(buffer)
	return &found, nil
}

// setRecovery replaces the recovery actions; none are removed, for which Windows wants a list too.
func (s *service) setRecovery(wanted recovery) error {
	list := make([]windows.SC_ACTION, len(wanted.Actions), len(wanted.Actions)+1)
	for index, one := range wanted.Actions {
		kind, err := actionType(one.Action)
		if err != nil {
			return err
		}
		list[index] = windows.SC_ACTION{Type: kind, Delay: uint32(one.Delay * 1000)}
	}
	command, err := windows.UTF16PtrFromString(wanted.Command)
	if err != nil {
		return err
	}
	message, err := windows.UTF16PtrFromString(wanted.Message)
	if err != nil {
		return err
	}
	info := windows.SERVICE_FAILURE_ACTIONS{
		ResetPeriod: wanted.Reset, RebootMsg: message, Command: command,
		ActionsCount: uint32(len(list)), Actions: &list[:1][0],
	}
	err = windows.ChangeServiceConfig2(s.handle, windows.SERVICE_CONFIG_FAILURE_ACTIONS, (*byte)(unsafe.Pointer(&info)))
	runtime.KeepAlive(list)
	if cannotSay(err) {
		return nil
	}
	return err
}

func actionType(name string) (uint32, error) {
	for kind, known := range actionNames {
		if known == name {
			return uint32(kind), nil
		}
	}
	return 0, usage("unknown recovery action: " + name)
}

// dependents are the services that depend on this one and run.
func (s *service) dependents() ([]string, error) {
	names := []string{}
	var count uint32
	buffer, err := grow(func(buffer *byte, size uint32, needed *uint32) error {
		return windows.EnumDependentServices(s.handle, windows.SERVICE_ACTIVE,
			(*windows.ENUM_SERVICE_STATUS)(unsafe.Pointer(buffer)), size, needed, &count)
	})
	if cannotSay(err) {
		return names, nil
	}
	if err != nil {
		return nil, err
	}
	for _, one := range unsafe.Slice((*windows.ENUM_SERVICE_STATUS)(unsafe.Pointer(&buffer[0])), count) {
		names = append(names, windows.UTF16PtrToString(one.ServiceName))
	}
	runtime.KeepAlive(buffer)
	return names, nil
}

// multiText reads texts that stand one behind the other, ended by an empty one.
func multiText(first *uint16) []string {
	texts := []string{}
	for first != nil && *first != 0 {
		text := windows.UTF16PtrToString(first)
		texts = append(texts, text)
		units, err := windows.UTF16FromString(text)
		if err != nil {
			return texts
		}
		first = (*uint16)(unsafe.Add(unsafe.Pointer(first), 2*len(units)))
	}
	return texts
}

// asMultiText writes texts one behind the other; none is an empty text.
func asMultiText(texts []string) (*uint16, error) {
	units := []uint16{}
	for _, text := range texts {
		wide, err := windows.UTF16FromString(text)
		if err != nil {
			return nil, err
		}
		units = append(units, wide...)
	}
	units = append(units, 0, 0)
	return &units[0], nil
}
