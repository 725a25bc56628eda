package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

const (
	otherSwitchLimit = 5 * time.Minute
	deleteLimit      = 30 * time.Second
)

// definition is what a service shall be.
type definition struct {
	BinaryPath   string    `json:"binary_path"`
	DisplayName  string    `json:"display_name"`
	Description  string    `json:"description"`
	Start        string    `json:"start"`
	Account      string    `json:"account"`
	Password     *string   `json:"password"`
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
}

// exchange is a Switch object: what a service shall be, and whether it shall run.
type exchange struct {
	Definition *definition `json:"definition"`
	Start      bool        `json:"start"`
	Grace      float64     `json:"grace"`
	Expect     *string     `json:"expect"`
}

func runSwitch(call *session, name string) error {
	doing := "switch service " + name
	root, err := absoluteRoot(call.args[0])
	if err != nil {
		return err
	}
	kept := store{root: root, token: call.args[1]}
	var wanted exchange
	decoder := json.NewDecoder(call.stdin)
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&wanted); err != nil {
		// what json says could quote a password
		var place *json.UnmarshalTypeError
		if errors.As(err, &place) {
			return usage("the Switch is not right at " + place.Field)
		}
		if strings.HasPrefix(err.Error(), "json: unknown field") {
			return usage("the Switch: " + strings.TrimPrefix(err.Error(), "json: "))
		}
		return usage("the Switch is not JSON")
	}
	if wanted.Definition != nil {
		if _, err := startType(wanted.Definition.Start); err != nil {
			return err
		}
	}
	release, err := oneAtATime(name)
	if err != nil {
		return failing(doing, err)
	}
	defer release()
	if err := kept.held(call); err != nil {
		return err
	}
	if err := wanted.expected(name); err != nil {
		return err
	}
	return wanted.carryOut(call, name)
}

// oneAtATime waits for another switch of the same service to end: that of a desktop whose
// connection was cut may still be under way.
func oneAtATime(name string) (func(), error) {
	wide, err := windows.UTF16PtrFromString(`Global\Slipway switch ` + strings.ToLower(name))
	if err != nil {
		return nil, err
	}
	// a mutex belongs to a thread
	runtime.LockOSThread()
	mutex, err := windows.CreateMutex(nil, false, wide)
	if err != nil && !oneOf(err, windows.ERROR_ALREADY_EXISTS) {
		return nil, err
	}
	event, err := windows.WaitForSingleObject(mutex, uint32(otherSwitchLimit.Milliseconds()))
	if err != nil {
		return nil, err
	}
	if event != windows.WAIT_OBJECT_0 && event != windows.WAIT_ABANDONED {
		return nil, problem(exitTimedOut, "switch service "+name, "another switch of it is still under way")
	}
	return func() {
		// both end with this process anyway
		_ = windows.ReleaseMutex(mutex)
		_ = windows.CloseHandle(mutex)
	}, nil
}

// expected refuses to change a service that is no longer what the plan was made from. What this
// switch itself makes of it is fine: it may be run twice.
func (e exchange) expected(name string) error {
	if e.Expect == nil {
		return nil
	}
	registered := ""
	if now, err := lookAt(name); err == nil {
		registered = now.BinaryPath
	} else if !oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return failing("look at service "+name, err)
	}
	done := ""
	if e.Definition != nil {
		done = e.Definition.BinaryPath
	}
	if registered == *e.Expect || registered == done {
		return nil
	}
	return problem(exitFailed, "switch service "+name,
		"somebody has changed it meanwhile: “%s” is registered and “%s” was expected", registered, *e.Expect)
}

func (e exchange) carryOut(call *session, name string) error {
	stopped, err := stopService(name, asDuration(e.Grace))
	switch {
	case err == nil:
	case asFailure(err).code == uint32(windows.ERROR_SERVICE_DOES_NOT_EXIST):
		stopped = "none"
	default:
		return err
	}
	if e.Definition == nil {
		if err := removeService(name); err != nil {
			return err
		}
		return call.answer(map[string]any{"stopped": stopped, "pid": 0})
	}
	if err := e.Definition.apply(name); err != nil {
		return err
	}
	pid := uint32(0)
	if e.Start {
		if pid, err = startService(name); err != nil {
			return err
		}
	}
	return call.answer(map[string]any{"stopped": stopped, "pid": pid})
}

// removeService removes a service and waits until it is really gone.
func removeService(name string) error {
	doing := "remove service " + name
	if err := setFirewall(name, nil); err != nil {
		return err
	}
	opened, err := openService(name, windows.DELETE)
	if oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return nil
	}
	if err != nil {
		return failing(doing, err)
	}
	err = windows.DeleteService(opened.handle)
	opened.close()
	if err != nil && !oneOf(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE) {
		return failing(doing, err)
	}
	for deadline := time.Now().Add(deleteLimit); ; time.Sleep(200 * time.Millisecond) {
		opened, err := openService(name, windows.SERVICE_QUERY_STATUS)
		if oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return nil
		}
		if err == nil {
			opened.close()
		}
		if time.Now().After(deadline) {
			return failing(doing, windows.ERROR_SERVICE_MARKED_FOR_DELETE)
		}
	}
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
	if err := d.configure(opened, account); err != nil {
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
	opened, err = openService(name, allRights)
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
	handle, err := windows.CreateService(manager, wide[0], wide[1], allRights, d.Type,
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
	if !created && d.Password == nil && strings.EqualFold(before.Account, d.Account) {
		return ""
	}
	return registeredAccount(d.Account, before.Name)
}

// configure sets what has functions of its own; the service stays disabled.
func (d definition) configure(opened *service, account string) error {
	wide, err := wideTexts(d.BinaryPath, d.DisplayName, d.Group)
	if err != nil {
		return err
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
		if password, err = d.password(); err != nil {
			return err
		}
	}
	if err := windows.ChangeServiceConfig(opened.handle, d.Type, windows.SERVICE_DISABLED, d.ErrorControl,
		wide[0], wide[2], nil, dependencies, who, password, wide[1]); err != nil {
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
	if d.NonCrash != nil {
		return opened.setFlag(windows.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, number(*d.NonCrash))
	}
	return nil
}

// password: accounts of Windows' own and gMSA have an empty one; nil leaves a user's as it is.
func (d definition) password() (*uint16, error) {
	switch {
	case d.Password != nil:
		return windows.UTF16PtrFromString(*d.Password)
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

func (d definition) underNSSM() bool {
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

// compare reads the service back: what Windows registered and what was wanted must be the same.
// Passwords and access lists can't be compared, nor what this system can't say.
func (d definition) compare(name string, environment []string) error {
	now, err := lookAt(name)
	if err != nil {
		return failing("read back service "+name, err)
	}
	wrong := []string{}
	check := func(what string, wanted, found any) {
		if !reflect.DeepEqual(wanted, found) {
			wrong = append(wrong, fmt.Sprintf("%s: wanted %v, registered %v", what, wanted, found))
		}
	}
	check("binary_path", d.BinaryPath, now.BinaryPath)
	check("display_name", d.DisplayName, now.DisplayName)
	check("description", d.Description, now.Description)
	check("account", strings.ToLower(d.Account), strings.ToLower(now.Account))
	check("dependencies", append([]string{}, d.Dependencies...), now.Dependencies)
	check("type", d.Type, now.Type)
	check("error_control", d.ErrorControl, now.ErrorControl)
	check("group", d.Group, now.Group)
	if d.Start != "delayed-auto" || now.canDelay {
		check("start", d.Start, now.Start)
	}
	if d.Recovery != nil && now.Recovery != nil {
		check("recovery", d.Recovery.plain(), now.Recovery.plain())
	}
	if d.NonCrash != nil && now.NonCrash != nil {
		check("non_crash", *d.NonCrash, *now.NonCrash)
	}
	if now.canFirewall {
		check("firewall", sorted(d.Firewall), now.Firewall)
	}
	wrong = append(wrong, d.compareRegistry(now, environment)...)
	if len(wrong) > 0 {
		return problem(exitFailed, "read back service "+name, "%s", strings.Join(wrong, "; "))
	}
	return nil
}

// compareRegistry tells where values differ, but not which: they may be secret.
func (d definition) compareRegistry(now *serviceFacts, environment []string) []string {
	wrong := []string{}
	wanted := tree{}
	if d.Tree != nil {
		wanted = *d.Tree
	}
	registered := now.Environment
	if d.underNSSM() && len(environment) > 0 {
		parameters, _ := lookup(now.Tree.Keys, "Parameters")
		extra, _ := lookup(parameters.Values, "AppEnvironmentExtra")
		registered, _ = extra.Data.([]string)
		wanted = wanted.with("Parameters", "AppEnvironmentExtra", extra)
	}
	if strings.Join(environment, "\x00") != strings.Join(registered, "\x00") {
		wrong = append(wrong, "environment")
	}
	if d.Tree != nil && !sameTree(wanted, now.Tree) {
		wrong = append(wrong, "tree")
	}
	return wrong
}

// with is the tree with one value of one key below replaced.
func (t tree) with(below, name string, one value) tree {
	keys := map[string]tree{}
	for known, key := range t.Keys {
		keys[known] = key
	}
	place := below
	for known := range keys {
		if strings.EqualFold(known, below) {
			place = known
		}
	}
	values := map[string]value{name: one}
	for known, kept := range keys[place].Values {
		if !strings.EqualFold(known, name) {
			values[known] = kept
		}
	}
	keys[place] = tree{values, keys[place].Keys}
	return tree{t.Values, keys}
}

// plain is what of recovery actions can be compared: an action "none" has no delay.
func (r recovery) plain() string {
	words := []string{decimal(r.Reset), r.Command, r.Message}
	for _, one := range r.Actions {
		words = append(words, fmt.Sprintf("%s/%d", one.Action, int(one.Delay*1000)))
	}
	return strings.Join(words, " ")
}

func sorted(numbers []int) []int {
	out := append([]int{}, numbers...)
	sort.Ints(out)
	return out
}

func decimal(value uint32) string { return strconv.FormatUint(uint64(value), 10) }
