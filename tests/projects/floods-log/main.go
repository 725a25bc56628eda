// Command floods-log writes 200,000 lines at its start and 1,000 each second from then on.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"
)

var version = "dev"

func main() {
	go flood()
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, version)
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Printf("version %s listens on port %s", version, port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}

func flood() {
	for line := 1; ; line++ {
		log.Printf("line %d: nothing to see here, but a lot of it", line)
		if line > 200_000 {
			time.Sleep(time.Millisecond)
		}
	}
}
