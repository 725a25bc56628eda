package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := writer.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAFileIsReceivedWhole(t *testing.T) {
	data := bytes.Repeat([]byte("\x00\r\n\xff中文"), 100_000)
	for _, how := range []string{"plain", "gzip", "replaced"} {
		folder := t.TempDir()
		part, dest := filepath.Join(folder, "it's .part"), filepath.Join(folder, "程序 x.exe")
		words := []string{"receive", "take", part, fmt.Sprint(len(data)), strings.ToUpper(sum(data)), dest}
		sent := data
		switch how {
		case "gzip":
			sent, words = zipped(t, data), append(words, "gzip")
		case "replaced":
			if err := os.WriteFile(dest, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, call(string(sent), words...), exitDone)
		if found, err := os.ReadFile(dest); err != nil || !bytes.Equal(found, data) {
			t.Fatal(how, err)
		}
		if isFile(part) {
			t.Fatal("the part file is still there")
		}
	}
}

func TestWhatIsNotWholeIsNotReceived(t *testing.T) {
	data := bytes.Repeat([]byte("half of something "), 1000)
	packed := string(zipped(t, data))
	broken := []byte(packed)
	broken[len(broken)/2] ^= 0x55
	size, digest := fmt.Sprint(len(data)), sum(data)
	for name, one := range map[string]struct {
		stdin, part, dest, size, digest, mode string
		code                                  int
	}{
		"short":            {string(data[:50]), "part", "dest", size, digest, "", exitNotAll},
		"nothing":          {"", "part", "dest", size, digest, "", exitNotAll},
		"long":             {string(data) + "x", "part", "dest", size, digest, "", exitDamaged},
		"other":            {string(data), "part", "dest", size, sum([]byte("x")), "", exitDamaged},
		"gzip cut":         {packed[:len(packed)/2], "part", "dest", size, digest, "gzip", exitNotAll},
		"gzip cut at end":  {packed[:len(packed)-2], "part", "dest", size, digest, "gzip", exitNotAll},
		"gzip nothing":     {"", "part", "dest", size, digest, "gzip", exitNotAll},
		"gzip broken":      {string(broken), "part", "dest", size, digest, "gzip", exitDamaged},
		"no gzip":          {string(data), "part", "dest", size, digest, "gzip", exitDamaged},
		"gzip of too much": {string(zipped(t, append(data, data...))), "part", "dest", size, digest, "gzip", exitDamaged},
		"no folder":        {string(data), "missing/part", "missing/dest", size, digest, "", exitMissing},
		"onto a folder":    {string(data), "part", "folder", size, digest, "", exitNotWritable},
		"no number":        {string(data), "part", "dest", "many", digest, "", exitUsage},
	} {
		place := t.TempDir()
		if err := os.Mkdir(filepath.Join(place, "folder"), 0o755); err != nil {
			t.Fatal(err)
		}
		words := []string{
			"receive", "take", filepath.Join(place, one.part), one.size, one.digest, filepath.Join(place, one.dest),
		}
		if one.mode != "" {
			words = append(words, one.mode)
		}
		got := call(one.stdin, words...)
		if got.code != one.code || !strings.Contains(got.err, `"error"`) {
			t.Fatalf("%s: %+v", name, got)
		}
		if entries, err := os.ReadDir(place); err != nil || len(entries) != 1 {
			t.Fatal(name, "left something behind", entries)
		}
	}
}

func TestAPartFileIsDropped(t *testing.T) {
	part := filepath.Join(t.TempDir(), "part")
	if err := os.WriteFile(part, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range "ab" {
		expect(t, call("", "receive", "drop", part), exitDone)
		if isFile(part) {
			t.Fatal("still there")
		}
	}
}
