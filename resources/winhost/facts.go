package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockFacts is who holds the lock and how many seconds ago he last showed a sign of life.
type lockFacts struct {
	Owner string  `json:"owner"`
	Age   float64 `json:"age"`
}

// recordFacts is all that lies on the server for a service.
type recordFacts struct {
	State    string              `json:"state"`
	Key      string              `json:"key"`
	Releases []string            `json:"releases"`
	Lock     *lockFacts          `json:"lock"`
	Journals map[string][]string `json:"journals"`
	Readable bool                `json:"readable"`
}

func (s store) facts() recordFacts {
	facts := recordFacts{Releases: []string{}, Journals: map[string][]string{}, Readable: true}
	read := func(path string) string {
		text, err := readShared(path)
		if err != nil && !gone(err) {
			facts.Readable = false
		}
		return string(text)
	}
	facts.State, facts.Key = read(s.at("state.json")), read(s.at("key"))
	entries, err := os.ReadDir(s.at("releases"))
	if err != nil && !gone(err) {
		facts.Readable = false
	}
	for _, entry := range entries {
		if record := read(filepath.Join(s.at("releases"), entry.Name(), "release.json")); record != "" {
			facts.Releases = append(facts.Releases, record)
		}
	}
	facts.Lock = s.lockFacts()
	for _, name := range s.openJournals() {
		text := strings.TrimSuffix(read(s.at("journal/"+name)), "\n")
		facts.Journals[name] = strings.Split(text, "\n")
	}
	return facts
}

func (s store) lockFacts() *lockFacts {
	if !isFolder(s.at("lock")) {
		return nil
	}
	lock := lockFacts{Owner: s.owner()}
	if lock.Owner == "" {
		lock.Owner = "{}"
	}
	beat := time.Unix(0, 0)
	if at, err := os.Stat(s.at("lock/heartbeat")); err == nil {
		beat = at.ModTime()
	}
	lock.Age = time.Since(beat).Seconds()
	return &lock
}
