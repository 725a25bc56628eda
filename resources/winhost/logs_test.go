package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func newLog(t *testing.T, folder string, max int64, count int) *rotatingLog {
	t.Helper()
	log, err := openLog(filepath.Join(folder, "hello.log"), max, count)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

func TestALogIsRotatedBySizeAndReadInTheOrderOfTime(t *testing.T) {
	folder := t.TempDir()
	log := newLog(t, folder, 1000, 3)
	for number := 0; number < 100; number++ {
		fmt.Fprintf(log, "line %d of a log that is rotated\n", number)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 6 { // three logs, and the times of each
		t.Fatal(entries, err)
	}
	for _, entry := range entries {
		if at, err := entry.Info(); err != nil || at.Size() > 1000 {
			t.Fatal(entry.Name(), at.Size(), err)
		}
	}
	got := expect(t, call("", "log", folder, "5"), exitDone).out
	if got != "line 95 of a log that is rotated\nline 96 of a log that is rotated\nline 97 of a log that is rotated\n"+
		"line 98 of a log that is rotated\nline 99 of a log that is rotated\n" {
		t.Fatal(got)
	}
	all := strings.Split(strings.TrimSpace(call("", "log", folder, "1000").out), "\n")
	first := 0
	if _, err := fmt.Sscanf(all[0], "line %d", &first); err != nil {
		t.Fatal(err)
	}
	for index, line := range all {
		if line != fmt.Sprintf("line %d of a log that is rotated", first+index) {
			t.Fatal(index, line)
		}
	}
	if len(all) < 60 {
		t.Fatal("too much was thrown away", len(all))
	}
}

func TestManyLinesWrittenAtOnceFillSeveralFiles(t *testing.T) {
	folder := t.TempDir()
	log := newLog(t, folder, 100, 9)
	long := strings.Repeat("x", 150) + "\n"
	given := strings.Repeat("a line of a log\n", 20) + long + "after it\n"
	if count, err := log.Write([]byte(given)); err != nil || count != len(given) {
		t.Fatal(count, err)
	}
	for _, part := range logParts(folder, 0) {
		text, err := os.ReadFile(part.path)
		if err != nil || len(text) > 100 && string(text) != long || text[len(text)-1] != '\n' {
			t.Fatal(part.path, len(text), err)
		}
	}
	if got := call("", "log", folder, "1000").out; got != given {
		t.Fatal(got)
	}
}

func TestALogOfOneFileBeginsAnew(t *testing.T) {
	folder := t.TempDir()
	log := newLog(t, folder, 100, 1)
	for number := 0; number < 20; number++ {
		fmt.Fprintf(log, "line %d\n", number)
	}
	if at, err := os.Stat(filepath.Join(folder, "hello.log")); err != nil || at.Size() > 100 {
		t.Fatal(at, err)
	}
	if got := call("", "log", folder, "1").out; got != "line 19\n" {
		t.Fatal(got)
	}
}

func TestALogIsReadSinceATime(t *testing.T) {
	folder := t.TempDir()
	log := newLog(t, folder, 1<<20, 3)
	fmt.Fprintln(log, "of yesterday")
	old := fmt.Sprintf("%d 0\n", time.Now().Add(-24*time.Hour).Unix())
	if err := os.WriteFile(filepath.Join(folder, "hello.times"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	log.begin()
	fmt.Fprintln(log, "of today")
	hourAgo := fmt.Sprint(time.Now().Add(-time.Hour).Unix())
	// the log was written a day ago and now: from the last known time before "since" on
	if got := call("", "log", folder, "10", "since", hourAgo).out; got != "of yesterday\nof today\n" {
		t.Fatal(got)
	}
	written, err := os.Stat(filepath.Join(folder, "hello.log"))
	if err != nil {
		t.Fatal(err)
	}
	just := fmt.Sprint(written.ModTime().Unix()) // not the time now: a second may have begun since
	if got := call("", "log", folder, "10", "since", just).out; got != "of today\n" {
		t.Fatal(got)
	}
	if got := call("", "log", folder, "10", "since", fmt.Sprint(time.Now().Unix()+60)).out; got != "" {
		t.Fatal(got)
	}
}

func TestNoLogIsNoFailure(t *testing.T) {
	got := expect(t, call("", "log", filepath.Join(t.TempDir(), "logs"), "10"), exitDone)
	if got.out != "" || got.err != "" {
		t.Fatal(got)
	}
	expect(t, call("", "log", "x", "many"), exitUsage)
	expect(t, call("", "log", "x", "1", "sideways"), exitUsage)
}

func TestSecretsAreHiddenInLogs(t *testing.T) {
	root := t.TempDir()
	release := filepath.Join(root, "releases", "r1")
	if err := os.MkdirAll(release, 0o700); err != nil {
		t.Fatal(err)
	}
	secrets := `{"A": "s3cret", "LONGER": "s3cret and more", "LINES": "first line\nsecond", "EMPTY": ""}`
	if err := os.WriteFile(filepath.Join(release, "secrets.json"), []byte(secrets), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := filepath.Join(root, "logs")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(newLog(t, logs, 1000, 2), "a=s3cret b=s3cret and more\nsecond first line\n")
	if got := call("", "log", logs, "10").out; got != "a=•••••• b=••••••\n•••••• ••••••\n" {
		t.Fatal(got)
	}
}

// collected is a writer that a test reads while it is written.
type collected struct {
	mutex sync.Mutex
	text  bytes.Buffer
	stop  bool
}

func (c *collected) Write(data []byte) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.stop {
		return 0, io.ErrClosedPipe
	}
	return c.text.Write(data)
}

func (c *collected) String() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.text.String()
}

func TestALogIsFollowedAcrossRotations(t *testing.T) {
	folder := t.TempDir()
	log := newLog(t, folder, 300, 4)
	fmt.Fprintln(log, "before 1")
	fmt.Fprintln(log, "before 2")
	out := &collected{}
	over := make(chan int)
	go func() {
		over <- run([]string{"log", folder, "1", "follow"}, strings.NewReader(""), out, io.Discard)
	}()
	waitFor(t, func() bool { return out.String() == "before 2\n" })
	want := "before 2\n"
	for number := 0; number < 60; number++ {
		line := fmt.Sprintf("line %d 中文\n", number)
		want += line
		fmt.Fprint(log, line)
		time.Sleep(30 * time.Millisecond)
	}
	waitFor(t, func() bool { return len(out.String()) >= len(want) })
	if out.String() != want {
		t.Fatal(out.String())
	}
	out.mutex.Lock()
	out.stop = true
	out.mutex.Unlock()
	fmt.Fprintln(log, "nobody hears this")
	if code := <-over; code != exitDone {
		t.Fatal(code)
	}
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestAProgramsOutputIsWrittenLineByLine(t *testing.T) {
	long := strings.Repeat("长", pieceBytes/3+7)
	for given, want := range map[string]string{
		"one\r\ntwo\n\nlast": "one\ntwo\n\nlast\n",
		"":                   "",
		long + "\n":          "",
	} {
		var out bytes.Buffer
		// in small pieces, through the middle of characters
		pump(&dribble{data: []byte(given)}, &out)
		if want == "" {
			want = strings.ReplaceAll(given, "\n", "")
			if got := strings.ReplaceAll(out.String(), "\n", ""); got != want {
				t.Fatal("a long line was harmed")
			}
			continue
		}
		if out.String() != want {
			t.Errorf("%q instead of %q", out.String(), want)
		}
	}
}

// dribble gives seven bytes at a time.
type dribble struct{ data []byte }

func (d *dribble) Read(to []byte) (int, error) {
	if len(d.data) == 0 {
		return 0, io.EOF
	}
	count := copy(to, d.data[:min(7, len(d.data))])
	d.data = d.data[count:]
	return count, nil
}
