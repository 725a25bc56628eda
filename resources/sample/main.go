// Harbour is a little web server that shows which version of it is running.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// version is set when the program is built: -ldflags "-X main.version=v1".
var version = "dev"

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

type harbour struct {
	Version  string
	Host     string
	Platform string
	Go       string
	began    time.Time
}

// Up says for how long the program has been running, in whole seconds.
func (h harbour) Up() time.Duration {
	return time.Since(h.began).Truncate(time.Second)
}

func (h harbour) show(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := page.Execute(w, h); err != nil {
		log.Print(err)
	}
}

func health(w http.ResponseWriter, _ *http.Request) {
	if err := ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func main() {
	address := net.JoinHostPort(os.Getenv("HOST"), port())
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	h := harbour{version, host, runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(), time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("/", h.show)
	mux.HandleFunc("/health", health)
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}

	ended, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ended.Done()
		log.Print("shutting down")
		patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(patience); err != nil {
			log.Print(err)
		}
	}()
	log.Printf("harbour %s listens on %s", version, address)
	if err := ready(); err != nil {
		log.Printf("not healthy: %v", err)
	}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func port() string {
	if port := os.Getenv("PORT"); port != "" {
		return port
	}
	return "8080"
}
