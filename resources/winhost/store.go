package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// store keeps a service's records under root; whoever does not hold the lock changes nothing.
type store struct {
	root, token string
}

// recordFolders are what a service's folder begins with.
var recordFolders = []string{"releases", "journal", "incoming"}

func runStore(call *session) error {
	verb := call.take()
	root, err := absoluteRoot(call.take())
	if err != nil {
		return err
	}
	kept := store{root: root, token: call.take()}
	if !plainName(kept.token) {
		return usage("refused token: " + kept.token)
	}
	switch verb {
	case "lock":
		return kept.lock(call)
	case "unlock":
		return kept.unlock(call)
	case "read":
		return kept.read(call)
	}
	change, known := map[string]func(*session) error{
		"beat": kept.beat, "look": kept.look, "append": kept.append, "write": kept.write,
		"folder": kept.folder, "remove": kept.remove, "trim": kept.trim,
	}[verb]
	if !known {
		return usage("unknown verb: store " + verb)
	}
	if err := kept.inside(verb, call.args); err != nil {
		return err
	}
	if err := kept.held(call); err != nil {
		return err
	}
	return change(call)
}

// inside refuses paths that leave the root, before anything is done.
func (s store) inside(verb string, paths []string) error {
	single := verb == "append" || verb == "write" || verb == "read"
	if single && len(paths) != 1 {
		return usage("store " + verb + " takes one path")
	}
	if verb == "beat" || verb == "look" || verb == "trim" {
		return nil
	}
	for _, given := range paths {
		slashed := strings.ReplaceAll(given, `\`, "/")
		if path.Clean(slashed) == "." || strings.Contains(slashed, ":") ||
			!filepath.IsLocal(filepath.FromSlash(slashed)) || hasParent(slashed) {
			return usage("refused path: " + given)
		}
	}
	return nil
}

func hasParent(slashed string) bool {
	for _, part := range strings.Split(slashed, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// plainName tells whether a token can be part of a file's name.
func plainName(token string) bool {
	return !strings.ContainsAny(token, `/\:*?"<>|`) && token != "." && token != ".."
}

func (s store) at(given string) string {
	return filepath.Join(s.root, filepath.FromSlash(strings.ReplaceAll(given, `\`, "/")))
}

// owner is the text of owner.json, "" if there is none.
func (s store) owner() string {
	text, err := readShared(s.at("lock/owner.json"))
	if err != nil {
		return ""
	}
	return string(text)
}

// holder is the token of whoever holds the lock; "" if nobody does or he was never written down.
func (s store) holder() string {
	var known struct {
		Token string `json:"token"`
	}
	if json.Unmarshal([]byte(s.owner()), &known) != nil {
		return ""
	}
	return known.Token
}

func (s store) held(call *session) error {
	if s.holder() == s.token {
		return nil
	}
	return s.refuse(call)
}

// refuse prints who holds the lock.
func (s store) refuse(call *session) error {
	if _, err := io.WriteString(call.stdout, s.owner()); err != nil {
		return failing("tell the lock's owner", err)
	}
	return ended(exitLocked)
}

// sized reads content whose size stands in a line before it; a cut connection changes nothing.
func sized(from *session) ([]byte, error) {
	line, err := from.stdin.ReadString('\n')
	if err != nil {
		return nil, problem(exitNotAll, "read the content", "not all arrived")
	}
	size, err := whole(line)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(from.stdin, size+1))
	if err != nil {
		return nil, failing("read the content", err)
	}
	if int64(len(content)) != size {
		return nil, problem(exitNotAll, "read the content", "not all arrived")
	}
	return content, nil
}

// lock makes the root and takes its lock, over from the holder OLD if given.
func (s store) lock(call *session) error {
	if len(call.args) > 1 {
		return errUsage
	}
	doing := "take the lock of " + s.root
	if err := makeRoot(s.root); err != nil {
		return failing(doing, err)
	}
	for _, name := range recordFolders {
		if err := os.MkdirAll(s.at(name), 0o700); err != nil {
			return failing(doing, err)
		}
	}
	// all is read before the lock is taken: it is never held by somebody who is still sending
	content, err := sized(call)
	if err != nil {
		return err
	}
	part := s.at(".owner." + s.token + ".part")
	if err := writeFlushed(part, content); err != nil {
		return failing(doing, err)
	}
	if len(call.args) == 1 && s.holder() == call.args[0] && isFolder(s.at("lock")) {
		if err := s.drop(); err != nil {
			return failing(doing, err)
		}
	}
	if err := os.Mkdir(s.at("lock"), 0o700); err != nil {
		_ = removeFile(part)
		if !isFolder(s.at("lock")) {
			return failing(doing, err)
		}
		if s.holder() == s.token {
			return nil
		}
		return s.refuse(call)
	}
	if err := replaceFile(part, s.at("lock/owner.json")); err != nil {
		return failing(doing, err)
	}
	return touch(s.at("lock/heartbeat"))
}

// drop takes the lock away in one step, then removes what is left of it.
func (s store) drop() error {
	aside := s.at(fmt.Sprintf(".gone.%d.%d", os.Getpid(), time.Now().UnixNano()))
	if err := replaceFile(s.at("lock"), aside); err != nil {
		return err
	}
	return removeTree(aside)
}

// touch makes a file and sets its time, which is what a heartbeat is.
func touch(name string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return failing("show a sign of life", err)
	}
	defer file.Close()
	now := time.Now()
	if err := os.Chtimes(name, now, now); err != nil {
		return failing("show a sign of life", err)
	}
	return nil
}

func (s store) beat(*session) error { return touch(s.at("lock/heartbeat")) }

// unlock releases the holder's own lock, or a dead one's by his token.
func (s store) unlock(call *session) error {
	if !isFolder(s.at("lock")) {
		return nil
	}
	if err := s.held(call); err != nil {
		return err
	}
	if err := s.drop(); err != nil {
		return failing("release the lock of "+s.root, err)
	}
	return nil
}

// look prints state.json in a line, then the names of open journals.
func (s store) look(call *session) error {
	state, err := readShared(s.at("state.json"))
	if err != nil && !gone(err) {
		return failing("read state.json", err)
	}
	lines := append([]string{string(state)}, s.openJournals()...)
	if _, err := io.WriteString(call.stdout, strings.Join(lines, "\n")+"\n"); err != nil {
		return failing("write the answer", err)
	}
	return nil
}

func (s store) journals() []string {
	entries, err := os.ReadDir(s.at("journal"))
	if err != nil {
		return nil
	}
	names := []string{}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".jsonl") && !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// openJournals are those of runs that have not ended.
func (s store) openJournals() []string {
	open := []string{}
	for _, name := range s.journals() {
		if !s.journalEnded(name) {
			open = append(open, name)
		}
	}
	return open
}

func (s store) journalEnded(name string) bool {
	text, err := readShared(s.at("journal/" + name))
	if err != nil {
		return false
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	return bytes.Contains(text[bytes.LastIndexByte(text, '\n')+1:], []byte(`"ended"`))
}

// append adds lines to a file: all or none.
func (s store) append(call *session) error {
	doing := "append to " + call.args[0]
	lines, err := sized(call)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(s.at(call.args[0]), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return failing(doing, err)
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return failing(doing, err)
	}
	// after a line that the disk had no room for, a new one begins
	last := []byte{'\n'}
	if size > 0 {
		if _, err := file.ReadAt(last, size-1); err != nil {
			return failing(doing, err)
		}
	}
	if last[0] != '\n' {
		lines = append([]byte{'\n'}, lines...)
	}
	if _, err = file.Write(lines); err == nil {
		err = file.Sync()
	}
	if err != nil {
		_ = file.Truncate(size)
		return failing(doing, err)
	}
	return nil
}

// read prints a file, or nothing if there is none.
func (s store) read(call *session) error {
	if err := s.inside("read", call.args); err != nil {
		return err
	}
	text, err := readShared(s.at(call.args[0]))
	if err != nil && !gone(err) {
		return failing("read "+call.args[0], err)
	}
	if _, err := call.stdout.Write(text); err != nil {
		return failing("write the answer", err)
	}
	return nil
}

// write replaces a file atomically.
func (s store) write(call *session) error {
	content, err := sized(call)
	if err != nil {
		return err
	}
	to := s.at(call.args[0])
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return failing("write "+call.args[0], err)
	}
	if err := writeWhole(to, content); err != nil {
		return failing("write "+call.args[0], err)
	}
	return nil
}

func (s store) folder(call *session) error {
	for _, given := range call.args {
		if err := os.MkdirAll(s.at(given), 0o755); err != nil {
			return failing("make "+given, err)
		}
	}
	return nil
}

func (s store) remove(call *session) error {
	for _, given := range call.args {
		if err := removeTree(s.at(given)); err != nil {
			return failing("remove "+given, err)
		}
	}
	return nil
}

// trim removes all but COUNT of the newest journals, with what their runs went back to; those of
// runs that have not ended stay.
func (s store) trim(call *session) error {
	if len(call.args) != 1 {
		return errUsage
	}
	count, err := whole(call.args[0])
	if err != nil {
		return err
	}
	names := s.journals()
	sort.Sort(sort.Reverse(sort.StringSlice(names)))
	for index, name := range names {
		if int64(index) >= count && s.journalEnded(name) {
			// the journal last: as long as it is there, the next trim finds what belongs to it
			run := strings.TrimSuffix(name, ".jsonl")
			for _, path := range []string{run + ".before.json.part", run + ".before.json", name} {
				if err := removeFile(s.at("journal/" + path)); err != nil && !gone(err) {
					return failing("remove an old journal", err)
				}
			}
		}
	}
	return nil
}
