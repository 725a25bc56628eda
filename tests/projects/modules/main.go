// Command modules uses a third-party module, embedded files and files beside the program.
package main

import (
	"embed"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/google/uuid"
)

//go:embed web
var web embed.FS

var version = "dev"

func main() {
	path := flag.String("config", "config/app.json", "configuration file")
	flag.Parse()
	config, err := os.ReadFile(*path)
	if err != nil {
		log.Fatal(err)
	}

	id := uuid.New()
	http.Handle("/web/", http.FileServer(http.FS(web)))
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s %s %s", version, id, config)
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Printf("version %s listens on port %s", version, port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
