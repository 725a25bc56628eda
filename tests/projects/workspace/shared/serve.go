// Package shared serves what all programs of this workspace have in common.
package shared

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"example.com/workspace/shared/version"
)

// Serve answers on the port that PORT names, else on the given one.
func Serve(name, port string) {
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, name, version.Version)
	})
	if wanted := os.Getenv("PORT"); wanted != "" {
		port = wanted
	}
	log.Printf("%s %s listens on port %s", name, version.Version, port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
