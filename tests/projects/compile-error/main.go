// Command compile-error does not compile: an undefined name and a wrong type.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

var version = "dev"

func main() {
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, helth)
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, version)
	})
	var retries int = "three"
	log.Print(retries)
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Printf("version %s listens on port %s", version, port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
