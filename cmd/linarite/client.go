package main

import (
	"bytes"
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

const (
	maxAnswer   = 64 << 20        // the longest answer of a hub that is read, in bytes
	answersIn   = 5 * time.Second // how long a hub may take to answer
	contentJSON = "application/json; charset=utf-8"
)

// errNoHub says that nobody listens at the control address.
var errNoHub = errors.New("no hub answers")

// client asks a running hub through its control API.
type client struct {
	host string // at which the hub is reached
	base string
	http http.Client
}

// newClient reaches the hub whose control API listens at address. An address of
// all interfaces is reached through loopback, so that a container's own setting
// serves its health check. It may be written as the URL that the log has.
func newClient(address string) (*client, error) {
	address = strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/")
	if err := (server.Options{Control: address}).Check(); err != nil {
		return nil, usage{err}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usage{errors.New("--control must not be empty")}
	}
	if everywhere(host) {
		host = "127.0.0.1"
	}
	return &client{
		host: host,
		base: "http://" + net.JoinHostPort(host, port),
		http: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // and no proxy
	}, nil
}

// everywhere says whether host stands for all interfaces.
func everywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// get reads a document. The error wraps errNoHub when nobody listens.
func (c *client) get(ctx context.Context, path string) (status int, body []byte, err error) {
	return c.ask(ctx, http.MethodGet, path, nil)
}

// ask makes a request, which may take as long as ctx says, or else a moment. The
// error wraps errNoHub when nobody listens.
func (c *client) ask(ctx context.Context, method, path string, doc []byte) (status int, body []byte, err error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answersIn)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(doc))
	if err != nil {
		return 0, nil, err
	}
	if doc != nil {
		req.Header.Set("Content-Type", contentJSON)
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
	return c.exchange(ctx, http.MethodGet, path, nil, into)
}

// exchange is document for a request that may carry one itself.
func (c *client) exchange(ctx context.Context, method, path string, doc []byte, into any) error {
	status, body, err := c.ask(ctx, method, path, doc)
	if err != nil {
		return err
	}
	if status/100 != 2 {
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
