// Command crashes-after-healthy crashes 3 s after it was first found healthy.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"time"
)

var version = "dev"

func main() {
	var once sync.Once
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() {
			time.AfterFunc(3*time.Second, func() { log.Fatal("out of memory") })
		})
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
