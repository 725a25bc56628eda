package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestItSaysWhoItIs(t *testing.T) {
	var answer struct {
		ID       string
		Protocol int
		Arch     string
	}
	got := expect(t, call("", "version"), exitDone)
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || answer.ID != id || answer.Protocol != 1 || answer.Arch == "" {
		t.Fatal(got, err)
	}
}

func TestARequestComesOnStdin(t *testing.T) {
	root := heldRoot(t)
	words, err := json.Marshal(map[string]any{
		"argv": []string{"store", "write", root, "one", "状态 %PATH%.json"}, "announce": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := expect(t, call(string(words)+"\n"+sizedText("line\nother"), "-"), exitDone)
	if got.err != `{"process":"`+identity()+`"}`+"\n" {
		t.Fatal(got)
	}
	if content(t, root, "状态 %PATH%.json") != "line\nother" {
		t.Fatal("not written")
	}
}

func TestAWrongRequestIsRefused(t *testing.T) {
	for _, one := range []struct {
		stdin string
		words []string
	}{
		{"", nil}, {"", []string{"-"}}, {"{", []string{"-"}}, {"{}\n", []string{"-"}},
		{"", []string{"nonsense"}}, {"", []string{"version", "x"}}, {"", []string{"store"}},
		{"", []string{"probe", "http", "x", "many"}}, {"", []string{"probe", "tcp", "x", "1"}},
		{"", []string{"receive", "give", "x"}}, {"", []string{"receive", "take", "x"}},
	} {
		got := expect(t, call(one.stdin, one.words...), exitUsage)
		if errorOf(t, got)["system"] == "" {
			t.Fatal(got)
		}
	}
}

// errorOf reads the error that ends stderr.
func errorOf(t *testing.T, got said) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(got.err), "\n")
	var found struct{ Error map[string]any }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &found); err != nil {
		t.Fatal(got.err, err)
	}
	return found.Error
}

func TestErrorsHaveACauseAndARemedy(t *testing.T) {
	var known map[string]map[string]string
	if err := json.Unmarshal(errorsJSON, &known); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{
		"2", "3", "5", "32", "87", "112", "193", "216", "740", "1051", "1053", "1056", "1057", "1058", "1060",
		"1062", "1066", "1067", "1069", "1072", "1073", "1326", "1380", "1385",
	} {
		if known[number]["cause"] == "" || known[number]["remedy"] == "" || len(known[number]) != 2 {
			t.Error(number, known[number])
		}
	}
	line := (&failure{code: 1053, doing: "start", system: "it <said> “no”"}).line()
	if !strings.Contains(line, known["1053"]["cause"]) || !strings.Contains(line, "<said> “no”") {
		t.Fatal(line)
	}
}

func probed(t *testing.T, words ...string) knock {
	t.Helper()
	var found knock
	got := expect(t, call("", append([]string{"probe"}, words...)...), exitDone)
	if err := json.Unmarshal([]byte(got.out), &found); err != nil {
		t.Fatal(got, err)
	}
	return found
}

func TestAServerIsProbed(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/slow":
			time.Sleep(3 * time.Second)
		}
	}
	plain := httptest.NewServer(http.HandlerFunc(answer))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(answer))
	defer secure.Close()
	port := strconv.Itoa(plain.Listener.Addr().(*net.TCPAddr).Port)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	for url, status := range map[string]int{
		plain.URL: 200, "http://localhost:" + port + "/?a=b%20c": 200, plain.URL + "/moved": 302, secure.URL: 200,
	} {
		if found := probed(t, "http", url, "5"); found.Status != status || found.Problem != "" {
			t.Error(url, found)
		}
	}
	if found := probed(t, "http", plain.URL+"/slow", "0.3"); found.Status != 0 || found.Problem != "no answer in time" {
		t.Error(found)
	}
	if found := probed(t, "tcp", "localhost", port, "5"); found.Problem != "" {
		t.Error(found)
	}
}

func TestNobodyAnswersAProbe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	for _, words := range [][]string{
		{"http", "http://localhost:" + port, "5"}, {"tcp", "127.0.0.1", port, "5"}, {"http", "no://url", "5"},
	} {
		if found := probed(t, words...); found.Problem == "" || found.Refused != (words[1] != "no://url") || found.Status != 0 {
			t.Error(words, found)
		}
	}
}
