package main

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

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
	if d.sidType != nil && now.SIDType != nil {
		check("sid_type", *d.sidType, *now.SIDType)
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
