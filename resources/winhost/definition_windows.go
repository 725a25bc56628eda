package main

import (
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// definition is what a service shall be.
type definition struct {
	BinaryPath   string    `json:"binary_path"`
	DisplayName  string    `json:"display_name"`
	Description  string    `json:"description"`
	Start        string    `json:"start"`
	Account      string    `json:"account"`
	GrantLogon   bool      `json:"grant_logon"`
	Dependencies []string  `json:"dependencies"`
	Type         uint32    `json:"type"`
	ErrorControl uint32    `json:"error_control"`
	Group        string    `json:"group"`
	Recovery     *recovery `json:"recovery"`
	NonCrash     *bool     `json:"non_crash"`
	Environment  []string  `json:"environment"`
	Secrets      string    `json:"secrets"`
	Tree         *tree     `json:"tree"`
	ACL          string    `json:"acl"`
	Restrict     bool      `json:"restrict"`
	Firewall     []int     `json:"firewall"`

	password *string // nil: an account that stays keeps the one Windows knows
	sidType  *uint32
	exact    bool // a snapshot: the environment goes where it was, also under NSSM
}

// apply makes the service what the definition says, and compares. It is disabled meanwhile: half
// changed, neither recovery nor another service may start it.
func (d definition) apply(name string) error {
	opened, created, err := d.open(name)
	if err != nil {
		return failing("open service "+name, err)
	}
	defer opened.close()
	before, err := lookAt(name)
	if err != nil {
		return failing("look at service "+name, err)
	}
	account := d.account(before, created)
	if d.GrantLogon && isUser(d.Account) {
		if err := grantLogon(d.Account); err != nil {
			return failing("grant “Log on as a service” to "+d.Account, err)
		}
	}
	environment, err := d.environment()
	if err != nil {
		return failing("read the secrets of service "+name, err)
	}
	if err := d.configure(opened, before, account); err != nil {
		return failing("configure service "+name, err)
	}
	if err := d.registry(name, before, environment); err != nil {
		return failing("write the registry key of service "+name, err)
	}
	if err := d.startAs(opened); err != nil {
		return failing("set the start type of service "+name, err)
	}
	if err := setFirewall(name, d.Firewall); err != nil {
		return err
	}
	return d.compare(name, environment)
}

// open opens the service, made first if there is none.
func (d definition) open(name string) (opened *service, created bool, err error) {
	opened, err = openService(name, changeRights)
	if !oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return opened, false, err
	}
	manager, err := openManager(windows.SC_MANAGER_CONNECT | windows.SC_MANAGER_CREATE_SERVICE)
	if err != nil {
		return nil, false, err
	}
	defer windows.CloseServiceHandle(manager)
	wide, err := wideTexts(name, d.DisplayName, d.BinaryPath)
	if err != nil {
		return nil, false, err
	}
	handle, err := windows.CreateService(manager, wide[0], wide[1], changeRights, d.Type,
		windows.SERVICE_DISABLED, d.ErrorControl, wide[2], nil, nil, nil, nil, nil)
	if err != nil {
		return nil, false, err
	}
	return &service{name, handle}, true, nil
}

func wideTexts(texts ...string) ([]*uint16, error) {
	wide := []*uint16{}
	for _, text := range texts {
		one, err := windows.UTF16PtrFromString(text)
		if err != nil {
			return nil, err
		}
		wide = append(wide, one)
	}
	return wide, nil
}

// account is what is registered: an account with an unchanged password is not touched, "".
func (d definition) account(before *serviceFacts, created bool) string {
	if !created && d.password == nil && strings.EqualFold(before.Account, d.Account) {
		return ""
	}
	return registeredAccount(d.Account, before.Name)
}

// configure sets what has functions of its own; the service stays disabled.
func (d definition) configure(opened *service, before *serviceFacts, account string) error {
	wide, err := wideTexts(d.BinaryPath, d.DisplayName, d.Group)
	if err != nil {
		return err
	}
	group := wide[2]
	if d.Group == before.Group {
		// naming none would leave an empty value where there was no value
		group = nil
	}
	dependencies, err := asMultiText(d.Dependencies)
	if err != nil {
		return err
	}
	var who, password *uint16
	if account != "" {
		if who, err = windows.UTF16PtrFromString(account); err != nil {
			return err
		}
		if password, err = d.logon(); err != nil {
			return err
		}
	}
	if err := windows.ChangeServiceConfig(opened.handle, d.Type, windows.SERVICE_DISABLED, d.ErrorControl,
		wide[0], group, nil, dependencies, who, password, wide[1]); err != nil {
		return err
	}
	if err := opened.setDescription(d.Description); err != nil {
		return err
	}
	if d.Recovery != nil {
		if err := opened.setRecovery(*d.Recovery); err != nil {
			return err
		}
	}
	if d.sidType != nil {
		if err := opened.setFlag(windows.SERVICE_CONFIG_SERVICE_SID_INFO, *d.sidType); err != nil {
			return err
		}
	}
	if d.NonCrash != nil {
		return opened.setFlag(windows.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, number(*d.NonCrash))
	}
	return nil
}

// logon is the password: accounts of Windows' own and gMSA have an empty one; nil leaves a user's as it is.
func (d definition) logon() (*uint16, error) {
	switch {
	case d.password != nil:
		return windows.UTF16PtrFromString(*d.password)
	case !isUser(d.Account) || strings.HasSuffix(d.Account, "$"):
		return windows.UTF16PtrFromString("")
	}
	return nil, nil
}

func number(set bool) uint32 {
	if set {
		return 1
	}
	return 0
}

// environment is the definition's with the secrets added.
func (d definition) environment() ([]string, error) {
	secrets, err := readSecrets(d.Secrets)
	return append(append([]string{}, d.Environment...), secrets...), err
}

// underNSSM tells whether NSSM is to hand the environment on.
func (d definition) underNSSM() bool {
	if d.exact {
		return false
	}
	program, arguments := programOf(d.BinaryPath, isFile)
	return kindOf(program, arguments) == "nssm"
}

// registry writes what lies in the service's key only: access first, then what may be secret.
func (d definition) registry(name string, before *serviceFacts, environment []string) error {
	if d.Restrict {
		if err := restrictKey(name, registeredAccount(d.Account, name)); err != nil {
			return err
		}
	} else if d.ACL != "" {
		if err := setDACL(keyPath(name), windows.SE_REGISTRY_KEY, d.ACL); err != nil {
			return err
		}
	}
	if d.Tree != nil {
		if err := writeTree(name, *d.Tree); err != nil {
			return err
		}
	} else if err := forgetNSSM(name, before); err != nil {
		return err
	}
	if !d.underNSSM() {
		return setLines(servicesKey+name, "Environment", environment)
	}
	if err := setLines(servicesKey+name, "Environment", nil); err != nil || len(environment) == 0 {
		return err
	}
	return setLines(servicesKey+name+`\Parameters`, "AppEnvironmentExtra", environment)
}

// forgetNSSM removes the settings of a service that ran under NSSM and does so no longer.
func forgetNSSM(name string, before *serviceFacts) error {
	parameters, found := lookup(before.Tree.Keys, "Parameters")
	if !found {
		return nil
	}
	if _, its := lookup(parameters.Values, "Application"); !its {
		return nil
	}
	key, err := openKey(servicesKey+name, registry.READ|registry.WRITE)
	if err != nil {
		return err
	}
	defer key.Close()
	return deleteKey(key, "Parameters")
}

// startType is Windows' number of a start type.
func startType(start string) (uint32, error) {
	if start == "delayed-auto" {
		return windows.SERVICE_AUTO_START, nil
	}
	for kind, name := range startNames {
		if name == start {
			return uint32(kind), nil
		}
	}
	return 0, usage("unknown start type: " + start)
}

// startAs enables the service, last of all.
func (d definition) startAs(opened *service) error {
	kind, err := startType(d.Start)
	if err != nil {
		return err
	}
	const same = windows.SERVICE_NO_CHANGE
	if err := windows.ChangeServiceConfig(opened.handle, same, kind, same, nil, nil, nil, nil, nil, nil, nil); err != nil {
		return err
	}
	if kind != windows.SERVICE_AUTO_START {
		return nil
	}
	return opened.setFlag(windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, number(d.Start == "delayed-auto"))
}
