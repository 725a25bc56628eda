// Command twin does on Windows what the transport tests do elsewhere with sh: one verb for each.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

var verbs = map[string]func(args []string) int{
	"streams": func([]string) int {
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
		return 3
	},
	"exit": func(args []string) int {
		var code uint32
		fmt.Sscan(args[0], &code)
		return int(code)
	},
	"arguments": func(args []string) int {
		for _, word := range args {
			fmt.Print(word, "\x00")
		}
		return 0
	},
	"slowly": func([]string) int {
		fmt.Println("first")
		fmt.Fprintln(os.Stderr, "second")
		time.Sleep(time.Second)
		fmt.Print("third\r\nrest")
		return 0
	},
	"pieces": func(args []string) int {
		for _, piece := range args {
			data, err := hex.DecodeString(piece)
			check(err)
			os.Stdout.Write(data)
			time.Sleep(300 * time.Millisecond)
		}
		return 0
	},
	"flood": func([]string) int {
		var out, err strings.Builder
		for number := 1; number <= 100_000; number++ {
			fmt.Fprintln(&out, number)
		}
		for number := 1; number <= 1000; number++ {
			fmt.Fprintln(&err, number)
		}
		os.Stdout.WriteString(out.String())
		os.Stderr.WriteString(err.String())
		return 0
	},
	"both": func([]string) int {
		_, err := io.Copy(io.MultiWriter(os.Stdout, os.Stderr), os.Stdin)
		check(err)
		return 0
	},
	"copy": func([]string) int {
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
		return 0
	},
	"checksum": func(args []string) int {
		from := io.Reader(os.Stdin)
		if len(args) > 0 {
			file, err := os.Open(args[0])
			check(err)
			from = file
		}
		hash := sha256.New()
		_, err := io.Copy(hash, from)
		check(err)
		fmt.Println(hex.EncodeToString(hash.Sum(nil)))
		return 0
	},
	"nothing": func([]string) int { return 0 },
	"secrets": func(args []string) int {
		fmt.Printf("<%s>\n", args[0])
		data, err := io.ReadAll(os.Stdin)
		check(err)
		os.Stdout.Write(data)
		os.Stderr.Write(data)
		return 0
	},
	// says its words on both streams, then hangs
	"hang": func(args []string) int {
		fmt.Println(args[0])
		fmt.Fprintln(os.Stderr, args[0])
		time.Sleep(time.Hour)
		return 0
	},
	"sleep": func([]string) int {
		time.Sleep(time.Hour)
		return 0
	},
	// hangs, with a child that does too, and does not care to be asked to end
	"stubborn": func([]string) int {
		signal.Ignore(os.Interrupt)
		check(self("sleep").Start())
		fmt.Println("ready")
		time.Sleep(time.Hour)
		return 0
	},
	"leave-behind": func([]string) int {
		check(self("sleep").Start())
		fmt.Println("done")
		return 0
	},
	"running": func(args []string) int {
		fmt.Println(running(args[0]))
		return 0
	},
	"write": func(args []string) int {
		check(os.WriteFile(args[0], []byte(args[1]), 0o644))
		return 0
	},
	"append": func(args []string) int {
		file, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		check(err)
		_, err = file.WriteString(args[1])
		check(err)
		fmt.Println("done")
		return 0
	},
	"content": func(args []string) int {
		data, err := os.ReadFile(args[0])
		check(err)
		os.Stdout.Write(data)
		return 0
	},
	"link": func(args []string) int {
		program, err := os.ReadFile(args[0])
		check(err)
		check(os.WriteFile(args[1], program, 0o755))
		return 0
	},
	"folder": func(args []string) int {
		check(os.MkdirAll(args[0], 0o755))
		return 0
	},
	"remove": func(args []string) int {
		check(os.RemoveAll(args[0]))
		return 0
	},
	// every file below a folder
	"files": func(args []string) int {
		check(filepath.WalkDir(args[0], func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				name, _ := filepath.Rel(args[0], path)
				fmt.Println(filepath.ToSlash(name))
			}
			return err
		}))
		return 0
	},
	// answers hello over HTTP at a port of its own choice, which it says
	"serve": func([]string) int {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		fmt.Println(listener.Addr().(*net.TCPAddr).Port)
		check(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "hello")
		})))
		return 0
	},
}

// self is this program with another verb and the same streams.
func self(words ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], words...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() { os.Exit(verbs[os.Args[1]](os.Args[2:])) }
