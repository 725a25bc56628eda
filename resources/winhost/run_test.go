package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAProgramThatFailsIsStartedAgainThenGivenUp(t *testing.T) {
	retry := restarts{delays: []float64{5, 0.5, 60}}
	for round, want := range []time.Duration{5 * time.Second, 500 * time.Millisecond, time.Minute} {
		if pause, again := retry.next(time.Second); !again || pause != want {
			t.Fatal(round, pause, again)
		}
	}
	if _, again := retry.next(time.Second); again {
		t.Fatal("for ever")
	}
	// a long good run begins anew
	if pause, again := retry.next(goodRun + time.Second); !again || pause != 5*time.Second {
		t.Fatal(pause, again)
	}
	if _, again := (&restarts{}).next(time.Hour); again {
		t.Fatal("without delays there is no second start")
	}
}

func TestRunJSONIsRead(t *testing.T) {
	folder := t.TempDir()
	secrets := filepath.Join(folder, "secrets.json")
	path := filepath.Join(folder, "run.json")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(secrets, `{"DB": "p=w \"x\" 密码"}`)
	config := runConfig{Name: "hello", Program: "x.exe", Logs: "logs", Env: map[string]string{"A": "1"}, Secrets: secrets}
	var text strings.Builder
	if err := printJSON(&text, config); err != nil {
		t.Fatal(err)
	}
	write(path, text.String())
	read, err := readRun(path)
	if err != nil || read.LogMaxFiles != 5 || read.LogMaxSize != 10<<20 {
		t.Fatal(read, err)
	}
	environment, err := read.environment()
	if err != nil || strings.Join(environment[len(environment)-2:], "|") != `A=1|DB=p=w "x" 密码` {
		t.Fatal(environment, err)
	}
	write(secrets, `{"DB": "p=w`)
	if _, err := read.environment(); err == nil || strings.Contains(err.Error(), "p=w") {
		t.Fatal("an error must not quote a secret:", err)
	}
	for _, broken := range []string{`{"name": "x"}`, `{`, `{"args": 3}`} {
		write(path, broken)
		if _, err := readRun(path); err == nil {
			t.Fatal(broken)
		}
	}
}

func TestTheHostsStatusIsReadBack(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "run.json")
	config := runConfig{Name: "hello", Program: "x.exe", Logs: filepath.Join(folder, "logs")}
	if err := os.Mkdir(config.Logs, 0o700); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := printJSON(&text, config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	want := hostStatus{Run: path, PID: 12, Restarts: 3, Since: 99, ExitCode: 0xC0000005, Problem: "ended 中文"}
	want.write(config.status())
	if got, err := readStatus(path); err != nil || got != want {
		t.Fatal(got, err)
	}
	want.Run = "another release's"
	want.write(config.status())
	if _, err := readStatus(path); err == nil {
		t.Fatal("another release's status counts")
	}
}
