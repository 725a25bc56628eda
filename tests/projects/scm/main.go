// Command scm talks to the Windows service control manager itself.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
)

var version = "dev"

func main() {
	if handled, err := runAsService(); handled {
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	serve()
}

func serve() {
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"version": version, "greeting": os.Getenv("GREETING"), "args": os.Args[1:],
		})
	})
	// under the service control manager of some systems a service gets no environment of its own
	port := os.Getenv("PORT")
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	if port == "" {
		port = "8080"
	}
	log.Printf("version %s listens on port %s", version, port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
