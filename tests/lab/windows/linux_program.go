// git.exe and ssh-keygen.exe of the lab's desktop: the Linux programs beneath Wine, on its files.
//
// Wine starts Linux programs, but gives them no pipes, and us no handle to wait for them: files
// tell what they said and how they ended. They get no input.
package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const script = `"$0" "$@" </dev/null >"$TOLD/out" 2>"$TOLD/err"
echo $? >"$TOLD/part"
mv "$TOLD/part" "$TOLD/end"
`

const poll = 5 * time.Millisecond

var getUnixFileName = syscall.NewLazyDLL("kernel32.dll").NewProc("wine_get_unix_file_name")

func main() {
	os.Exit(run())
}

// run runs the Linux program of our own name with our arguments and returns its exit code.
func run() int {
	told, err := os.MkdirTemp("", "linux")
	check(err)
	defer os.RemoveAll(told)
	check(os.Setenv("TOLD", linuxPath(told)))
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	words := []string{"sh", "-c", script, "/usr/bin/" + name}
	for _, word := range os.Args[1:] {
		words = append(words, linuxWord(word))
	}
	start(`Z:\bin\sh`, words)
	end := filepath.Join(told, "end")
	for {
		if _, err := os.Stat(end); err == nil {
			break
		}
		time.Sleep(poll)
	}
	os.Stdout.Write(read(told, "out"))
	os.Stderr.Write(read(told, "err"))
	code, err := strconv.Atoi(strings.TrimSpace(string(read(told, "end"))))
	check(err)
	return code
}

// start starts a program as it is: os/exec would want to wait for it.
func start(program string, words []string) {
	for i, word := range words {
		words[i] = syscall.EscapeArg(word)
	}
	file, err := syscall.UTF16PtrFromString(program)
	check(err)
	line, err := syscall.UTF16PtrFromString(strings.Join(words, " "))
	check(err)
	var startup syscall.StartupInfo
	var process syscall.ProcessInformation
	check(syscall.CreateProcess(file, line, nil, nil, false, 0, nil, nil, &startup, &process))
}

// linuxWord returns an argument as the Linux program wants it: paths on a drive are its own.
func linuxWord(word string) string {
	if filepath.VolumeName(word) == "" {
		return word
	}
	return linuxPath(word)
}

// linuxPath returns where a path on a drive lies on the Linux beneath, which minds capital letters.
func linuxPath(path string) string {
	wide, err := syscall.UTF16PtrFromString(path)
	check(err)
	found, _, err := getUnixFileName.Call(uintptr(unsafe.Pointer(wide)))
	if found == 0 {
		panic(path + ": " + err.Error())
	}
	text := []byte{}
	for at := (*byte)(unsafe.Pointer(found)); *at != 0; at = (*byte)(unsafe.Add(unsafe.Pointer(at), 1)) {
		text = append(text, *at)
	}
	return string(text)
}

func read(folder, name string) []byte {
	content, err := os.ReadFile(filepath.Join(folder, name))
	check(err)
	return content
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
