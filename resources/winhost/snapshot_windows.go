package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// Snapshots hold secrets too: also in a folder that the service's account may read, nobody else
// than SYSTEM and Administrators reads them.
const snapshotSDDL = "D:PAI(A;;FA;;;SY)(A;;FA;;;BA)"

func runSave(call *session, name string) error {
	root, err := absoluteRoot(call.args[0])
	if err != nil {
		return err
	}
	kept := store{root: root, token: call.args[1]}
	if err := kept.inside("write", call.args[2:]); err != nil {
		return err
	}
	if err := kept.held(call); err != nil {
		return err
	}
	return kept.saveService(name, call.args[2])
}

// saveService writes a service down as it is; null if there is none.
func (s store) saveService(name, path string) error {
	doing := "write down service " + name
	facts, err := lookAt(name)
	if err != nil && !oneOf(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return failing(doing, err)
	}
	var text bytes.Buffer
	if err := printJSON(&text, facts); err != nil {
		return failing(doing, err)
	}
	to := s.at(path)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return failing(doing, err)
	}
	part := to + ".part"
	// closed to others before anything is in it
	if err := writeFlushed(part, nil); err != nil {
		return failing(doing, err)
	}
	if err := setDACL(part, windows.SE_FILE_OBJECT, snapshotSDDL); err != nil {
		return failing(doing, err)
	}
	if err := writeWhole(to, text.Bytes()); err != nil {
		return failing(doing, err)
	}
	return nil
}

// registered is the service as Windows keeps it, without how it is just now.
func (f serviceFacts) registered() string {
	f.State, f.PID, f.Started, f.ExitCode, f.SpecificCode, f.Host, f.NSSM = "", 0, 0, 0, 0, nil, nil
	var text bytes.Buffer
	if printJSON(&text, f) != nil {
		return f.Name
	}
	return text.String()
}

// definition is what makes the service again what it was.
func (f *serviceFacts) definition() definition {
	return definition{
		BinaryPath: f.BinaryPath, DisplayName: f.DisplayName, Description: f.Description,
		Start: f.Start, Account: f.Account, Dependencies: f.Dependencies, Type: f.Type,
		ErrorControl: f.ErrorControl, Group: f.Group, Recovery: f.Recovery, NonCrash: f.NonCrash,
		Environment: f.Environment, Tree: &f.Tree, ACL: f.ACL, Firewall: f.Firewall,
		sidType: f.SIDType, exact: true,
	}
}

// replaceProgram lets another program run in place of the one that was registered; all else stays.
func (d *definition) replaceProgram(program string) error {
	old, rest := cutProgram(d.BinaryPath, isFile)
	switch kindOf(old, splitWords(rest)) {
	case "wrapped":
		return usage("the program of a service that Slipway hosts is replaced by a new release")
	case "nssm":
		parameters, found := lookup(d.Tree.Keys, "Parameters")
		if !found {
			return problem(exitDamaged, "replace the program", "NSSM's settings are missing")
		}
		application, found := lookup(parameters.Values, "Application")
		if !found {
			application.Type = "REG_EXPAND_SZ"
		}
		application.Data = program
		replaced := d.Tree.with("Parameters", "Application", application)
		d.Tree = &replaced
	default:
		d.BinaryPath = strings.TrimRight(`"`+program+`" `+strings.TrimLeft(rest, " \t"), " ")
	}
	return nil
}
