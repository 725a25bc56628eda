package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const masked = "••••••"

// maskFor hides the values of the secrets of all releases beside a log folder; those of several
// lines also line by line.
func maskFor(logs string) *strings.Replacer {
	releases := filepath.Join(filepath.Dir(filepath.Clean(logs)), "releases")
	entries, err := os.ReadDir(releases)
	if err != nil {
		return strings.NewReplacer()
	}
	parts := map[string]bool{}
	for _, entry := range entries {
		text, err := readShared(filepath.Join(releases, entry.Name(), "secrets.json"))
		if err != nil {
			continue
		}
		var values map[string]string
		if json.Unmarshal(text, &values) != nil {
			continue
		}
		for _, value := range values {
			for _, line := range strings.FieldsFunc(value, func(letter rune) bool { return letter == '\n' || letter == '\r' }) {
				if strings.TrimSpace(line) != "" {
					parts[line] = true
				}
			}
		}
	}
	longestFirst := []string{}
	for part := range parts {
		longestFirst = append(longestFirst, part)
	}
	sort.Slice(longestFirst, func(i, j int) bool { return len(longestFirst[i]) > len(longestFirst[j]) })
	pairs := []string{}
	for _, part := range longestFirst {
		pairs = append(pairs, part, masked)
	}
	return strings.NewReplacer(pairs...)
}
