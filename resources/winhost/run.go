package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// A program that ran longer than this has not failed in a row with its earlier failures.
const goodRun = 10 * time.Minute

// runConfig is run.json: what the service host runs, and how.
type runConfig struct {
	Name        string            `json:"name"`
	Program     string            `json:"program"`
	Args        []string          `json:"args"`
	Directory   string            `json:"directory"`
	Env         map[string]string `json:"env"`
	Secrets     string            `json:"secrets"`
	Logs        string            `json:"logs"`
	Grace       float64           `json:"grace"`
	Restart     []float64         `json:"restart"`
	LogMaxSize  int64             `json:"log_max_size"`
	LogMaxFiles int               `json:"log_max_files"`
}

func readRun(path string) (runConfig, error) {
	var config runConfig
	text, err := readShared(path)
	if err != nil {
		return config, err
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return config, fmt.Errorf("%s: %w", path, err)
	}
	if config.Program == "" || config.Logs == "" || config.Name == "" {
		return config, fmt.Errorf("%s: name, program and logs must be given", path)
	}
	if config.LogMaxSize <= 0 {
		config.LogMaxSize = 10 << 20
	}
	if config.LogMaxFiles <= 0 {
		config.LogMaxFiles = 5
	}
	return config, nil
}

// environment is this process's own, then that of run.json, then the secrets.
func (c runConfig) environment() ([]string, error) {
	secrets, err := readSecrets(c.Secrets)
	if err != nil {
		return nil, err
	}
	return append(append(os.Environ(), pairs(c.Env)...), secrets...), nil
}

// readSecrets reads a JSON file {NAME: value} as "NAME=value"; no path: none.
func readSecrets(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := readShared(path)
	if err != nil {
		return nil, err
	}
	var values map[string]string
	if json.Unmarshal(text, &values) != nil {
		// what json says could quote a value
		return nil, fmt.Errorf("%s is not a JSON object of texts", path)
	}
	return pairs(values), nil
}

func pairs(values map[string]string) []string {
	out := []string{}
	for name, value := range values {
		out = append(out, name+"="+value)
	}
	sort.Strings(out)
	return out
}

// hostStatus is what the service host has to tell. It lies among the logs: there the service's
// account may write, and in its release it may not.
type hostStatus struct {
	Run      string `json:"run"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	Since    int64  `json:"since"`
	ExitCode uint32 `json:"exit_code"`
	Problem  string `json:"problem"`
	Stopped  string `json:"stopped"`
}

func (c runConfig) status() string { return filepath.Join(c.Logs, c.Name+".status.json") }

// readStatus reads what the host of this run.json last told; another release's does not count.
func readStatus(runPath string) (hostStatus, error) {
	var status hostStatus
	config, err := readRun(runPath)
	if err != nil {
		return status, err
	}
	text, err := readShared(config.status())
	if err == nil {
		err = json.Unmarshal(text, &status)
	}
	if err == nil && !strings.EqualFold(status.Run, runPath) {
		err = fmt.Errorf("%s is that of %s", config.status(), status.Run)
	}
	return status, err
}

// write replaces the status. That it can't be written must not end the service.
func (s hostStatus) write(path string) {
	var text strings.Builder
	if path != "" && printJSON(&text, s) == nil {
		_ = writeWhole(path, []byte(text.String()))
	}
}

// restarts decides whether a program that ended by itself is started again, and when.
type restarts struct {
	delays   []float64
	failures int
}

// next is the pause before the next start; false: given up. ran is how long the program had run.
func (r *restarts) next(ran time.Duration) (time.Duration, bool) {
	if ran > goodRun {
		r.failures = 0
	}
	r.failures++
	if r.failures > len(r.delays) {
		return 0, false
	}
	return asDuration(r.delays[r.failures-1]), true
}
