package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// serviceFacts is all there is to know of a service: what can be restored, and how it is doing.
type serviceFacts struct {
	Name         string      `json:"name"`
	DisplayName  string      `json:"display_name"`
	Description  string      `json:"description"`
	BinaryPath   string      `json:"binary_path"`
	Program      string      `json:"program"`
	Arguments    []string    `json:"arguments"`
	Start        string      `json:"start"`
	Account      string      `json:"account"`
	Dependencies []string    `json:"dependencies"`
	Type         uint32      `json:"type"`
	ErrorControl uint32      `json:"error_control"`
	Group        string      `json:"group"`
	Recovery     *recovery   `json:"recovery"`
	NonCrash     *bool       `json:"non_crash"`
	SIDType      *uint32     `json:"sid_type"`
	Environment  []string    `json:"environment"`
	Tree         tree        `json:"tree"`
	ACL          string      `json:"acl"`
	Firewall     []int       `json:"firewall"`
	State        string      `json:"state"`
	PID          uint32      `json:"pid"`
	Started      int64       `json:"started"`
	ExitCode     uint32      `json:"exit_code"`
	SpecificCode uint32      `json:"service_exit_code"`
	Kind         string      `json:"kind"`
	Run          string      `json:"run,omitempty"`
	Runs         string      `json:"runs,omitempty"` // the program that Run names
	Host         *hostStatus `json:"host,omitempty"`
	NSSM         *nssmFacts  `json:"nssm,omitempty"`

	canDelay    bool // whether this system knows delayed starts
	canFirewall bool // whether its firewall's rules can be read
}

// nssmFacts is what NSSM runs; PID is its newest child's.
type nssmFacts struct {
	Application string `json:"application"`
	Parameters  string `json:"parameters"`
	Directory   string `json:"directory"`
	PID         uint32 `json:"pid"`
}

var (
	startNames = []string{"boot", "system", "auto", "demand", "disabled"}
	stateNames = []string{
		"", "stopped", "start-pending", "stop-pending", "running",
		"continue-pending", "pause-pending", "paused",
	}
)

func nameOf(names []string, number uint32) string {
	if int(number) < len(names) {
		return names[number]
	}
	return "unknown"
}

// lookAt reads a service; error 1060 if there is none.
func lookAt(name string) (*serviceFacts, error) {
	opened, err := openService(name, lookRights)
	if err != nil {
		return nil, err
	}
	defer opened.close()
	facts := &serviceFacts{Name: name}
	for _, read := range []func(*service) error{
		facts.readConfig, facts.readConfig2, facts.readRegistry, facts.readStatus,
	} {
		if err := read(opened); err != nil {
			return nil, err
		}
	}
	facts.ACL = keySDDL(name)
	facts.Firewall, facts.canFirewall = openPorts(name)
	facts.readKind()
	return facts, nil
}

func (f *serviceFacts) readConfig(from *service) error {
	config, buffer, err := from.config()
	if err != nil {
		return err
	}
	f.DisplayName = windows.UTF16PtrToString(config.DisplayName)
	f.BinaryPath = windows.UTF16PtrToString(config.BinaryPathName)
	f.Account = reportedAccount(windows.UTF16PtrToString(config.ServiceStartName), f.Name)
	f.Group = windows.UTF16PtrToString(config.LoadOrderGroup)
	f.Dependencies = multiText(config.Dependencies)
	runtime.KeepAlive(buffer)
	f.Type, f.ErrorControl = config.ServiceType, config.ErrorControl
	f.Start = nameOf(startNames, config.StartType)
	f.Program, f.Arguments = programOf(f.BinaryPath, isFile)
	return nil
}

func (f *serviceFacts) readConfig2(from *service) error {
	var err error
	if f.Description, err = from.description(); err != nil {
		return err
	}
	if f.Recovery, err = from.recovery(); err != nil {
		return err
	}
	delayed, known, err := from.flag(windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO)
	if err != nil {
		return err
	}
	if f.canDelay = known; delayed != 0 && f.Start == "auto" {
		f.Start = "delayed-auto"
	}
	flag, known, err := from.flag(windows.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG)
	if err != nil {
		return err
	}
	if set := flag != 0; known {
		f.NonCrash = &set
	}
	kind, known, err := from.flag(windows.SERVICE_CONFIG_SERVICE_SID_INFO)
	if known {
		f.SIDType = &kind
	}
	return err
}

func (f *serviceFacts) readRegistry(*service) error {
	var err error
	if f.Environment, err = environment(f.Name); err != nil {
		return err
	}
	f.Tree, err = readTree(f.Name)
	return err
}

func (f *serviceFacts) readStatus(from *service) error {
	status, err := from.status()
	if err != nil {
		return err
	}
	f.State = nameOf(stateNames, status.CurrentState)
	f.ExitCode, f.SpecificCode = status.Win32ExitCode, status.ServiceSpecificExitCode
	if f.PID = status.ProcessId; f.PID != 0 {
		if started := startedAt(f.PID); !started.IsZero() {
			f.Started = started.Unix()
		}
	}
	return nil
}

func (f *serviceFacts) readKind() {
	switch f.Kind = kindOf(f.Program, f.Arguments); f.Kind {
	case "wrapped":
		f.Run = f.Arguments[1]
		if config, err := readRun(f.Run); err == nil {
			f.Runs = config.Program
		}
		if status, err := readStatus(f.Run); err == nil {
			f.Host = &status
		}
	case "nssm":
		f.NSSM = f.readNSSM()
	}
}

func (f *serviceFacts) readNSSM() *nssmFacts {
	parameters, _ := lookup(f.Tree.Keys, "Parameters")
	text := func(name string) string {
		one, _ := lookup(parameters.Values, name)
		known, _ := one.Data.(string)
		return known
	}
	found := nssmFacts{
		Application: text("Application"), Parameters: text("AppParameters"), Directory: text("AppDirectory"),
	}
	if f.PID != 0 {
		found.PID = newestChild(f.PID)
	}
	return &found
}

// newestChild is the child that NSSM started last; a console's own process is none of its.
func newestChild(pid uint32) uint32 {
	all, err := processes()
	if err != nil {
		return 0
	}
	newest, born := uint32(0), startedAt(pid)
	for _, one := range all {
		if one.parent != pid || strings.EqualFold(one.program, "conhost.exe") {
			continue
		}
		if started := startedAt(one.pid); !started.Before(born) {
			newest, born = one.pid, started
		}
	}
	return newest
}

// foundNSSM are the nssm.exe of this machine: on the PATH, in usual folders, of services.
func foundNSSM() []string {
	candidates := []string{}
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		candidates = append(candidates, filepath.Join(folder, "nssm.exe"))
	}
	for _, folder := range []string{
		`C:\tools`, `C:\tools\nssm`, `C:\nssm`, `C:\Program Files\nssm`, `C:\Program Files (x86)\nssm`,
		`C:\ProgramData\chocolatey\bin`, `C:\ProgramData\chocolatey\lib\NSSM\tools`,
	} {
		candidates = append(candidates, filepath.Join(folder, "nssm.exe"),
			filepath.Join(folder, "win64", "nssm.exe"))
	}
	candidates = append(candidates, nssmOfServices()...)
	found, seen := []string{}, map[string]bool{}
	for _, path := range candidates {
		if key := strings.ToLower(path); filepath.IsAbs(path) && !seen[key] && isFile(path) {
			seen[key] = true
			found = append(found, path)
		}
	}
	return found
}

func nssmOfServices() []string {
	found := []string{}
	key, err := openKey(servicesKey, registry.READ)
	if err != nil {
		return found
	}
	defer key.Close()
	names, err := key.ReadSubKeyNames(-1)
	if err != nil {
		return found
	}
	for _, name := range names {
		one, err := registry.OpenKey(key, name, registry.QUERY_VALUE)
		if err != nil {
			continue
		}
		path, _, err := one.GetStringValue("ImagePath")
		one.Close()
		if err != nil || !strings.Contains(strings.ToLower(path), "nssm") {
			continue
		}
		if program, arguments := programOf(path, isFile); kindOf(program, arguments) == "nssm" {
			found = append(found, program)
		}
	}
	return found
}
