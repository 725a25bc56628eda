package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// said is how a call ended.
type said struct {
	code     int
	out, err string
}

func call(stdin string, words ...string) said {
	var out, problems bytes.Buffer
	code := run(words, strings.NewReader(stdin), &out, &problems)
	return said{code, out.String(), problems.String()}
}

func sizedText(text string) string { return fmt.Sprintf("%d\n%s", len(text), text) }

func owner(token string) string { return `{"token": "` + token + `", "run": "run", "who": "a@b"}` }

// heldRoot is a service's folder whose lock is held by "one".
func heldRoot(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "srv 服务", "hello")
	expect(t, call(sizedText(owner("one")), "store", "lock", root, "one"), exitDone)
	return root
}

func expect(t *testing.T, got said, code int) said {
	t.Helper()
	if got.code != code {
		t.Fatalf("exit code %d instead of %d: %s%s", got.code, code, got.out, got.err)
	}
	return got
}

func content(t *testing.T, root, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheLockIsHeldByOneAndNamesHim(t *testing.T) {
	root := heldRoot(t)
	second := expect(t, call(sizedText(owner("two")), "store", "lock", root, "two"), exitLocked)
	if second.out != owner("one") || second.err != "" {
		t.Fatal(second)
	}
	expect(t, call(sizedText(owner("one")), "store", "lock", root, "one"), exitDone)
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 4 {
		t.Fatal("something was left behind", entries, err)
	}
}

func TestOnlyTheHolderReleasesTheLock(t *testing.T) {
	root := heldRoot(t)
	expect(t, call("", "store", "unlock", root, "two"), exitLocked)
	expect(t, call("", "store", "unlock", root, "one"), exitDone)
	expect(t, call("", "store", "unlock", root, "one"), exitDone)
	expect(t, call(sizedText(owner("two")), "store", "lock", root, "two"), exitDone)
}

func TestWhoLostTheLockChangesNothing(t *testing.T) {
	root := heldRoot(t)
	expect(t, call(sizedText("{}"), "store", "write", root, "one", "state.json"), exitDone)
	expect(t, call(sizedText(owner("two")), "store", "lock", root, "two", "one"), exitDone)
	for _, words := range [][]string{
		{"write", "state.json"}, {"append", "journal/x.jsonl"}, {"remove", "state.json"},
		{"folder", "releases/x"}, {"beat"}, {"look"}, {"unlock"}, {"lock"}, {"trim", "0"},
	} {
		given := append([]string{"store", words[0], root, "one"}, words[1:]...)
		expect(t, call(sizedText(`{"mine": 1}`), given...), exitLocked)
	}
	if found := call("", "store", "read", root, "one", "state.json").out; found != "{}" {
		t.Fatal(found)
	}
	expect(t, call("", "store", "beat", root, "two"), exitDone)
}

func TestALockIsTakenOverOnlyFromWhomItWasShown(t *testing.T) {
	root := heldRoot(t)
	expect(t, call(sizedText(owner("three")), "store", "lock", root, "three", "two"), exitLocked)
	expect(t, call("", "store", "beat", root, "one"), exitDone)
}

func TestAnOwnerCutShortTakesNoLock(t *testing.T) {
	root := filepath.Join(t.TempDir(), "hello")
	expect(t, call("999\n{", "store", "lock", root, "one"), exitNotAll)
	expect(t, call("", "store", "lock", root, "one"), exitNotAll)
	expect(t, call(sizedText(owner("two")), "store", "lock", root, "two"), exitDone)
}

func TestALockWhoseOwnerWasNeverWrittenCanBeBroken(t *testing.T) {
	root := heldRoot(t)
	if err := os.Remove(filepath.Join(root, "lock", "owner.json")); err != nil {
		t.Fatal(err)
	}
	expect(t, call("", "store", "beat", root, "one"), exitLocked)
	expect(t, call("", "store", "unlock", root, ""), exitDone)
}

func TestOfManyAtOnceOneGetsTheLock(t *testing.T) {
	root := filepath.Join(t.TempDir(), "hello")
	codes := make([]int, 8)
	var all sync.WaitGroup
	for index := range codes {
		all.Add(1)
		go func(index int) {
			defer all.Done()
			token := fmt.Sprintf("t%d", index)
			codes[index] = call(sizedText(owner(token)), "store", "lock", root, token).code
		}(index)
	}
	all.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[exitDone] != 1 || count[exitLocked] != 7 {
		t.Fatal(codes)
	}
}

func TestWhatARunNeedsToKnowBeforeItBegins(t *testing.T) {
	root := heldRoot(t)
	expect(t, call(sizedText(`{"current": "r"}`), "store", "write", root, "one", "state.json"), exitDone)
	expect(t, call(sizedText("{\"run\": \"x\"}\n"), "store", "append", root, "one", "journal/open.jsonl"), exitDone)
	expect(t, call(sizedText("{\"ended\": \"succeeded\"}\n"), "store", "append", root, "one", "journal/over.jsonl"), exitDone)
	if got := call("", "store", "look", root, "one").out; got != "{\"current\": \"r\"}\nopen.jsonl\n" {
		t.Fatalf("%q", got)
	}
	facts := store{root: root}.facts()
	if facts.State != `{"current": "r"}` || len(facts.Journals) != 1 || facts.Journals["open.jsonl"][0] != `{"run": "x"}` {
		t.Fatal(facts)
	}
	if facts.Lock == nil || facts.Lock.Owner != owner("one") || facts.Lock.Age > 60 || !facts.Readable {
		t.Fatal(facts.Lock)
	}
}

func TestAfterHalfALineANewOneBegins(t *testing.T) {
	root := heldRoot(t)
	if err := os.WriteFile(filepath.Join(root, "journal", "x.jsonl"), []byte(`{"step": 3, "bef`), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, call(sizedText("{\"undoing\": true}\n"), "store", "append", root, "one", `journal\x.jsonl`), exitDone)
	if got := content(t, root, "journal/x.jsonl"); got != "{\"step\": 3, \"bef\n{\"undoing\": true}\n" {
		t.Fatalf("%q", got)
	}
}

func TestWhatIsCutShortIsNotWritten(t *testing.T) {
	root := heldRoot(t)
	text := `{"version": "中文 \"quoted\" %PATH% $HOME"}`
	expect(t, call(sizedText(text), "store", "write", root, "one", "a/state.json"), exitDone)
	expect(t, call("99\nx", "store", "write", root, "one", "a/state.json"), exitNotAll)
	expect(t, call("9\n{\"a\"", "store", "append", root, "one", "a/state.json"), exitNotAll)
	expect(t, call("2\nxyz", "store", "append", root, "one", "a/state.json"), exitNotAll)
	if got := call("", "store", "read", root, "one", `a\state.json`).out; got != text {
		t.Fatal(got)
	}
	if got := expect(t, call("", "store", "read", root, "one", "nothing"), exitDone); got.out != "" {
		t.Fatal(got)
	}
}

func TestPathsThatLeaveTheRootAreRefused(t *testing.T) {
	root := heldRoot(t)
	outside := filepath.Join(filepath.Dir(root), "outside")
	if err := os.WriteFile(outside, []byte("stays"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"../outside", "/etc/x", "a/../../outside", "..", "", ".", `..\outside`, `a\..\..\outside`,
		`C:\Windows`, "C:x", `\\host\share`, "a/..", "file:stream",
	} {
		for _, verb := range []string{"write", "remove", "folder", "read", "append"} {
			expect(t, call(sizedText("x"), "store", verb, root, "one", path), exitUsage)
		}
	}
	expect(t, call(sizedText("x"), "store", "lock", root, `a\b`), exitUsage)
	expect(t, call("", "store", "nonsense", root, "one"), exitUsage)
	if content(t, filepath.Dir(root), "outside") != "stays" || !isFolder(root) {
		t.Fatal("changed outside")
	}
}

func TestTrimKeepsTheNewestEndedAndEveryOpenJournal(t *testing.T) {
	root := heldRoot(t)
	for number := 0; number < 6; number++ {
		lines := "{\"run\": \"x\"}\n"
		if number != 0 {
			lines += "{\"ended\": \"succeeded\"}\n"
		}
		expect(t, call(sizedText(lines), "store", "append", root, "one", fmt.Sprintf("journal/2026%d.jsonl", number)), exitDone)
	}
	expect(t, call("", "store", "trim", root, "one", "2"), exitDone)
	if left := (store{root: root}).journals(); strings.Join(left, " ") != "20260.jsonl 20264.jsonl 20265.jsonl" {
		t.Fatal(left)
	}
}

func TestTrimRemovesWhatARunWentBackToWithItsJournalAndNeverBefore(t *testing.T) {
	root := heldRoot(t)
	for run, last := range map[string]string{"20261": "{\"step\": 3}\n", "20262": "{\"ended\": \"succeeded\"}\n", "20263": "{\"ended\": \"succeeded\"}\n"} {
		expect(t, call(sizedText(last), "store", "append", root, "one", "journal/"+run+".jsonl"), exitDone)
		for _, name := range []string{".before.json", ".before.json.part"} {
			if err := os.WriteFile(filepath.Join(root, "journal", run+name), []byte("null"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	expect(t, call("", "store", "trim", root, "one", "1"), exitDone)
	for run, stays := range map[string]bool{"20261": true, "20262": false, "20263": true} {
		for _, name := range []string{".jsonl", ".before.json", ".before.json.part"} {
			if isFile(filepath.Join(root, "journal", run+name)) != stays {
				t.Errorf("%s%s", run, name)
			}
		}
	}
	if open := (store{root: root}).openJournals(); strings.Join(open, " ") != "20261.jsonl" {
		t.Fatal(open)
	}
}

func TestASignOfLifeIsTheHeartbeatsTime(t *testing.T) {
	root := heldRoot(t)
	old := time.Now().Add(-time.Hour)
	beat := filepath.Join(root, "lock", "heartbeat")
	if err := os.Chtimes(beat, old, old); err != nil {
		t.Fatal(err)
	}
	if age := (store{root: root}).lockFacts().Age; age < 3500 {
		t.Fatal(age)
	}
	expect(t, call("", "store", "beat", root, "one"), exitDone)
	if age := (store{root: root}).lockFacts().Age; age > 60 {
		t.Fatal(age)
	}
}

func TestFoldersAndReleasesAreMadeAndRemoved(t *testing.T) {
	root := heldRoot(t)
	expect(t, call("", "store", "folder", root, "one", "releases/a/b", `releases\c`), exitDone)
	expect(t, call(sizedText(`{"id": "a"}`), "store", "write", root, "one", "releases/a/release.json"), exitDone)
	if releases := (store{root: root}).facts().Releases; len(releases) != 1 || releases[0] != `{"id": "a"}` {
		t.Fatal(releases)
	}
	expect(t, call("", "store", "remove", root, "one", "releases/a", "releases/never"), exitDone)
	if isFolder(filepath.Join(root, "releases", "a")) || !isFolder(filepath.Join(root, "releases", "c")) {
		t.Fatal("not removed")
	}
}
