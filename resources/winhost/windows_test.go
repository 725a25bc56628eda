//go:build windows

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows/registry"
)

const helperVariable = "SLIPWAY_HOST_TEST"

// TestMain lets the tests' own program stand for programs that are started: by "sleep" one that
// stays, by "parent" one that starts such a one, by "host" the whole program.
func TestMain(m *testing.M) {
	switch os.Getenv(helperVariable) {
	case "sleep":
		time.Sleep(time.Hour)
	case "parent":
		child := helper("sleep")
		if err := child.Start(); err != nil {
			os.Exit(2)
		}
		os.Stdout.WriteString(strconv.Itoa(child.Process.Pid) + "\n")
		time.Sleep(time.Hour)
	case "host":
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func helper(role string, words ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], words...)
	command.Env = append(os.Environ(), helperVariable+"="+role)
	return command
}

// family starts a parent with a child and returns their process ids.
func family(t *testing.T, start func(*exec.Cmd) error) (parent *exec.Cmd, child uint32) {
	t.Helper()
	parent = helper("parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := start(parent); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 20)
	count, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:count])))
	if err != nil {
		t.Fatal(err)
	}
	return parent, uint32(pid)
}

func TestATreeIsEnded(t *testing.T) {
	parent, child := family(t, func(command *exec.Cmd) error { return command.Start() })
	root := identify(uint32(parent.Process.Pid))
	below, err := children(root)
	if err != nil || !alive(root.pid) || len(below) != 1 || below[0] != identify(child) {
		t.Fatal("who lives?", below, child, err)
	}
	// another one with this number is meant
	expect(t, call("", "kill", instance{root.pid, root.born.Add(-time.Second)}.String()), exitDone)
	if !alive(root.pid) || !alive(child) {
		t.Fatal("the wrong one was ended")
	}
	for range "ab" {
		expect(t, call("", "kill", root.String()), exitDone)
		if alive(root.pid) || alive(child) {
			t.Fatal("still there")
		}
	}
	for _, wrong := range []string{"4@0", "x@0", "12", "12@x"} {
		expect(t, call("", "kill", wrong), exitUsage)
	}
}

func TestOfAProcessThatIsGoneNothingIsEnded(t *testing.T) {
	parent, child := family(t, func(command *exec.Cmd) error { return command.Start() })
	root := identify(uint32(parent.Process.Pid))
	orphan := identify(child)
	defer endTree(orphan)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	waitFor(t, func() bool { return identify(root.pid) != root })
	// its number is free: who names it as the parent's may belong to another one by now
	expect(t, call("", "kill", root.String()), exitDone)
	if !alive(child) {
		t.Fatal("a process of somebody else was ended")
	}
}

func TestAJobEndsWithAllThatIsInIt(t *testing.T) {
	kept, err := newJob()
	if err != nil {
		t.Fatal(err)
	}
	parent, child := family(t, kept.start)
	kept.end()
	_ = parent.Wait()
	waitFor(t, func() bool { return !alive(child) })
	parent, child = family(t, kept.start)
	kept.close()
	_ = parent.Wait()
	waitFor(t, func() bool { return !alive(child) })
}

func TestAProgramIsRunAndItsExitCodePassedOn(t *testing.T) {
	folder := t.TempDir()
	run := func(role, stdin string, words ...string) said {
		var out, problems strings.Builder
		command := helper(role, words...)
		command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &out, &problems
		err := command.Run()
		if command.ProcessState == nil {
			t.Fatal(err)
		}
		return said{command.ProcessState.ExitCode(), out.String(), problems.String()}
	}
	got := run("host", "", "exec", folder, "20", "cmd", "/c", "echo said& echo here>proof& exit 7")
	if got.code != 7 || strings.TrimSpace(got.out) != "said" || got.err != "" {
		t.Fatal(got)
	}
	if _, err := os.Stat(filepath.Join(folder, "proof")); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	got = run("host", "", "exec", folder, "1", "cmd", "/c", "ping -n 60 127.0.0.1")
	if got.code != exitTimedOut || time.Since(began) > 30*time.Second {
		t.Fatal(got)
	}
	if got = run("host", "", "exec", folder, "5", "no-such-program"); got.code != exitMissing {
		t.Fatal(got)
	}
	if got = run("host", "", "exec", folder+"x", "5", "cmd"); got.code != exitMissing {
		t.Fatal(got)
	}
}

func TestARegistryKeyIsMadeExactlySo(t *testing.T) {
	const service = "slipway-host-test"
	key, _, err := registry.CreateKey(registry.LOCAL_MACHINE, servicesKey+service, registry.ALL_ACCESS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		key.Close()
		above, err := openKey(servicesKey, registry.ALL_ACCESS)
		if err == nil {
			_ = deleteKey(above, service)
			above.Close()
		}
	}()
	if err := key.SetStringValue("ImagePath", "stays"); err != nil {
		t.Fatal(err)
	}
	if err := key.SetStringValue("Other", "goes"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := registry.CreateKey(key, `Old\Older`, registry.ALL_ACCESS); err != nil {
		t.Fatal(err)
	}
	const text = `{"values": {
		"Text": {"type": "REG_SZ", "data": "中文 \"x\""}, "Path": {"type": "REG_EXPAND_SZ", "data": "%ProgramData%\\x"},
		"Number": {"type": "REG_DWORD", "data": 4294967295}, "Long": {"type": "REG_QWORD", "data": 18446744073709551615},
		"List": {"type": "REG_MULTI_SZ", "data": ["a=1", "b=2"]}, "Bytes": {"type": "REG_BINARY", "data": "00ff10"},
		"ImagePath": {"type": "REG_SZ", "data": "is not ours to set"}},
		"keys": {"Parameters": {"values": {"": {"type": "REG_SZ", "data": "default"}}, "keys": {"Below": {"values": {}, "keys": {}}}}}}`
	var wanted tree
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&wanted); err != nil {
		t.Fatal(err)
	}
	for range "ab" {
		if err := writeTree(service, wanted); err != nil {
			t.Fatal(err)
		}
	}
	found, err := readTree(service)
	if err != nil {
		t.Fatal(err)
	}
	if sameTree(wanted, found) {
		t.Fatal("ImagePath is not ours to read")
	}
	delete(wanted.Values, "ImagePath")
	if !sameTree(wanted, found) {
		t.Fatal(found)
	}
	if path, _, err := key.GetStringValue("ImagePath"); err != nil || path != "stays" {
		t.Fatal(path, err)
	}
	if err := setLines(servicesKey+service, "Environment", []string{"A=1"}); err != nil {
		t.Fatal(err)
	}
	if lines, err := environment(service); err != nil || !reflect.DeepEqual(lines, []string{"A=1"}) {
		t.Fatal(lines, err)
	}
	for range "ab" {
		if err := setLines(servicesKey+service, "Environment", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := key.GetValue("Environment", nil); err != registry.ErrNotExist {
		t.Fatal("an empty Environment must not stay:", err)
	}
}

func TestAVirtualAccountHasItsSIDBeforeItsServiceIsThere(t *testing.T) {
	// the one that every Windows has
	const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	for _, name := range []string{"TrustedInstaller", "trustedinstaller"} {
		if sid := serviceSID(name); sid != installer {
			t.Error(sid)
		}
	}
	for account, want := range map[string]string{
		"LocalSystem": "S-1-5-18", "LocalService": "S-1-5-19", `nt authority\NetworkService`: "S-1-5-20",
		`NT SERVICE\TrustedInstaller`: installer,
	} {
		if sid, err := accountSID(account); err != nil || sid.String() != want {
			t.Error(account, sid, err)
		}
	}
	if _, err := accountSID(`NOWHERE\nobody`); err == nil {
		t.Error("found nobody")
	}
}

func TestAccountsAreToldInTheSameWords(t *testing.T) {
	for given, registered := range map[string]string{
		"LocalSystem": "LocalSystem", "LocalService": `NT AUTHORITY\LocalService`,
		"NetworkService": `NT AUTHORITY\NetworkService`, "virtual": `NT SERVICE\hello`, `DOM\gmsa$`: `DOM\gmsa$`,
	} {
		if got := registeredAccount(given, "hello"); got != registered {
			t.Error(given, got)
		}
		if got := reportedAccount(strings.ToUpper(registered), "hello"); !strings.EqualFold(got, given) {
			t.Error(given, got)
		}
	}
}

func TestARuleOfTheFirewallIsRead(t *testing.T) {
	const rule = "v2.30|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=8080|Name=Slipway hello 8080|"
	if port := portOfRule(rule, "HELLO"); port != 8080 {
		t.Error(port)
	}
	if port := portOfRule(rule, "hell"); port != 0 {
		t.Error(port)
	}
}

func TestAProgramIsReplacedAndAllElseStays(t *testing.T) {
	for line, want := range map[string]string{
		`"C:\old dir\a.exe" -c "x y"`: `"C:\new dir\b.exe" -c "x y"`,
		`C:\old.exe`:                  `"C:\new dir\b.exe"`,
		`C:\old.exe   -v`:             `"C:\new dir\b.exe" -v`,
	} {
		d := definition{BinaryPath: line, Tree: &tree{}}
		if err := d.replaceProgram(`C:\new dir\b.exe`); err != nil || d.BinaryPath != want {
			t.Error(d.BinaryPath, err)
		}
	}
	parameters := tree{Values: map[string]value{
		"application": {"REG_EXPAND_SZ", `C:\old.exe`}, "AppParameters": {"REG_SZ", "-v"},
	}}
	d := definition{BinaryPath: `C:\tools\nssm.exe`, Tree: &tree{Keys: map[string]tree{"parameters": parameters}}}
	if err := d.replaceProgram(`C:\b.exe`); err != nil || d.BinaryPath != `C:\tools\nssm.exe` {
		t.Fatal(d.BinaryPath, err)
	}
	want := tree{Keys: map[string]tree{"Parameters": {Values: map[string]value{
		"Application": {"REG_EXPAND_SZ", `C:\b.exe`}, "AppParameters": {"REG_SZ", "-v"},
	}}}}
	if !sameTree(want, *d.Tree) {
		t.Fatal(*d.Tree)
	}
	wrapped := definition{BinaryPath: `"C:\slipway-host-1.exe" serve C:\run.json`}
	if wrapped.replaceProgram(`C:\b.exe`) == nil {
		t.Fatal("our own service is not hotfixed")
	}
}

func TestTextOfTheANSICodePage(t *testing.T) {
	got := string(asUTF8Lines([]byte("中文\ncaf\xe9\n")))
	if !strings.HasPrefix(got, "中文\ncaf") || strings.Contains(got, "\uFFFD") {
		t.Fatalf("%q", got)
	}
}
