// Command kardianos is a Windows service by way of github.com/kardianos/service.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"

	"github.com/kardianos/service"
)

var version = "dev"

type program struct{}

func (program) Start(service.Service) error {
	go serve()
	return nil
}

func (program) Stop(service.Service) error { return nil }

func main() {
	running, err := service.New(program{}, &service.Config{Name: "kardianos"})
	if err != nil {
		log.Fatal(err)
	}
	if err := running.Run(); err != nil {
		log.Fatal(err)
	}
}

func serve() {
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
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
