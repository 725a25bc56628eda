package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// knock is what an HTTP or TCP probe found.
type knock struct {
	Status  int    `json:"status"`
	Problem string `json:"problem"`
	Refused bool   `json:"refused"`
}

func runProbe(call *session) error {
	kind := call.take()
	limit, err := seconds(call.args[len(call.args)-1])
	if err != nil {
		return err
	}
	switch {
	case kind == "http" && len(call.args) == 2:
		return call.answer(probeHTTP(call.args[0], limit))
	case kind == "tcp" && len(call.args) == 3:
		return call.answer(probeTCP(call.args[0], call.args[1], limit))
	}
	return errUsage
}

func probeTCP(host, port string, limit time.Duration) knock {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	connection, err := dial(ctx, net.JoinHostPort(host, port))
	if err != nil {
		return failed(err)
	}
	connection.Close()
	return knock{}
}

// probeHTTP asks once: whether the program answers counts, not what certificate it shows.
func probeHTTP(address string, limit time.Duration) knock {
	client := http.Client{
		Timeout: limit,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return dial(ctx, address)
			},
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return knock{Problem: why(err)}
	}
	request.Header.Set("User-Agent", "slipway")
	answer, err := client.Do(request)
	if err != nil {
		return failed(err)
	}
	answer.Body.Close()
	return knock{Status: answer.StatusCode}
}

func failed(err error) knock {
	return knock{Problem: why(err), Refused: errors.Is(err, connectionRefused)}
}

// dial connects; "localhost" is 127.0.0.1, then ::1, whatever the machine's hosts file says.
func dial(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(host, "localhost") {
		return dialer.DialContext(ctx, "tcp", address)
	}
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return connection, nil
	}
	connection, other := dialer.DialContext(ctx, "tcp", net.JoinHostPort("::1", port))
	if other != nil {
		return nil, err
	}
	return connection, nil
}

// why tells the innermost reason: the address is known to whoever asked.
func why(err error) string {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return systemText(err)
}
