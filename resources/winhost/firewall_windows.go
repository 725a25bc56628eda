package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

const rulesKey = `SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`

func ruleName(service string, port int) string { return fmt.Sprintf("Slipway %s %d", service, port) }

// openPorts are the ports for which there are rules of our own name; known is false where the
// firewall's rules can't be read.
func openPorts(service string) (ports []int, known bool) {
	ports = []int{}
	key, err := openKey(rulesKey, registry.READ)
	if err != nil {
		return ports, false
	}
	defer key.Close()
	names, err := key.ReadValueNames(-1)
	if err != nil {
		return ports, false
	}
	seen := map[int]bool{}
	for _, name := range names {
		rule, _, err := key.GetStringValue(name)
		if port := portOfRule(rule, service); err == nil && port != 0 && !seen[port] {
			seen[port] = true
			ports = append(ports, port)
		}
	}
	sort.Ints(ports)
	return ports, true
}

// portOfRule reads a rule like "v2.30|Action=Allow|LPort=8080|Name=Slipway hello 8080|".
func portOfRule(rule, service string) int {
	prefix := strings.ToLower("Name=Slipway " + service + " ")
	for _, field := range strings.Split(rule, "|") {
		if strings.HasPrefix(strings.ToLower(field), prefix) {
			if port, err := strconv.Atoi(field[len(prefix):]); err == nil {
				return port
			}
		}
	}
	return 0
}

// setFirewall opens exactly these ports to a service. Where the rules can't be read, each wanted
// one is made anew, so that it does not stand there twice.
func setFirewall(service string, wanted []int) error {
	present, known := openPorts(service)
	has := map[int]bool{}
	for _, port := range present {
		has[port] = true
	}
	want := map[int]bool{}
	for _, port := range wanted {
		want[port] = true
		if has[port] {
			continue
		}
		if !known {
			_ = netsh("delete", "rule", "name="+ruleName(service, port))
		}
		if err := netsh("add", "rule", "name="+ruleName(service, port), "dir=in", "action=allow",
			"protocol=TCP", "localport="+strconv.Itoa(port)); err != nil {
			return problem(exitFailed, fmt.Sprintf("open port %d in the firewall", port),
				"netsh: %v. The service Windows Defender Firewall (MpsSvc) must run.", err)
		}
	}
	for _, port := range present {
		if !want[port] {
			if err := netsh("delete", "rule", "name="+ruleName(service, port)); err != nil {
				return problem(exitFailed, fmt.Sprintf("close port %d in the firewall", port), "netsh: %v", err)
			}
		}
	}
	return nil
}

// netsh changes the firewall; what it prints is in Windows' language and is not read.
func netsh(words ...string) error {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		return err
	}
	return exec.Command(filepath.Join(system, "netsh.exe"), append([]string{"advfirewall", "firewall"}, words...)...).Run()
}
