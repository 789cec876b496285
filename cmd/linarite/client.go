package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/linarite/linarite/server"
)

// maxAnswer is the longest answer of a hub that is read, in bytes.
const maxAnswer = 64 << 20

// errNoHub says that nobody listens at the control address.
var errNoHub = errors.New("no hub answers")

// client asks a running hub through its control API.
type client struct {
	base string
	http http.Client
}

// newClient reaches the hub whose control API listens at address. An address of
// all interfaces is reached through loopback, so that a container's own setting
// serves its health check. It may be written as the URL that the log has.
func newClient(address string) (*client, error) {
	address = strings.TrimPrefix(address, "http://")
	if err := (server.Options{Control: address}).Check(); err != nil {
		return nil, usage{err}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usage{errors.New("--control must not be empty")}
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return &client{
		base: "http://" + net.JoinHostPort(host, port),
		http: http.Client{
			Timeout:   5 * time.Second,
			Transport: &http.Transport{DisableKeepAlives: true}, // and no proxy
		},
	}, nil
}

// get reads a document. The error wraps errNoHub when nobody listens.
func (c *client) get(ctx context.Context, path string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.http.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return 0, nil, fmt.Errorf("%w at %s: start one with \"linarite serve\", or say where it is with --control", errNoHub, c.base)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("%w at %s: %w", errNoHub, c.base, err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, body, err
}

// document reads a document into a value; a refusal is an error with the hub's
// text.
func (c *client) document(ctx context.Context, path string, into any) error {
	status, body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return refusal(status, body)
	}
	return json.Unmarshal(body, into)
}

func refusal(status int, body []byte) error {
	var doc struct {
		Error struct{ Message string }
	}
	if json.Unmarshal(body, &doc) == nil && doc.Error.Message != "" {
		return errors.New(doc.Error.Message)
	}
	return fmt.Errorf("the hub answered %d: %s", status, strings.TrimSpace(string(body)))
}
