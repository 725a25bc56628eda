// Command wrong-port listens on port 9999, whatever PORT says.
package main

import (
	"fmt"
	"log"
	"net/http"
)

var version = "dev"

func main() {
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, version)
	})
	log.Printf("version %s listens on port 9999", version)
	log.Fatal(http.ListenAndServe(":9999", nil))
}
