// Package harness runs the built hub for the black-box suites and speaks to it
// as anybody could: through its control API and its REST API. It shares no code
// with the hub.
//
// A suite picks a loopback address of its own, so that suites can run beside
// one another on the ports that the SDKs insist on:
//
//	func TestTelemetry(t *testing.T) {
//		hub := harness.Start(t, harness.Options{Address: "127.0.0.14"})
//		device := hub.CreateDevice(t, "d1")
//		…
//		events := hub.WaitEvents(t, 1, harness.Filter{Device: "d1"})
//	}
package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Deadline is how long anything may take before a test fails.
const Deadline = 20 * time.Second

// Ports are the ones that the SDKs hard-code, and the control port's default.
const (
	MQTTPort    = "8883"
	HTTPSPort   = "443"
	AMQPSPort   = "5671"
	ControlPort = "8080"
)

// Options say how to run a hub.
type Options struct {
	Address string   // loopback address of the suite's own, such as 127.0.0.14
	Data    string   // --data; "" is a folder of the hub's own, removed by Stop
	Args    []string // further flags of `linarite serve`
}

// Hub is a running process.
type Hub struct {
	Address string         // what it listens on, and its only --hostname
	CAPEM   []byte         // the certificate to trust
	CA      *x509.CertPool // the same, for tls.Config

	log     *journal
	process *exec.Cmd
	exited  chan struct{} // closed when the process is gone
	exit    error         // what Wait said; read it after exited
	ended   bool          // Stop or Kill was called
	data    string        // folder to remove, or ""
	http    *http.Client  // for both ports of the hub
}

// Start runs a hub for one test and stops it at the end, which must be clean.
func Start(tb testing.TB, o Options) *Hub {
	tb.Helper()
	h, err := Launch(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return h
}

// Launch runs a hub and returns when it is healthy; it is for TestMain, where
// one hub serves a whole suite. Whoever launches stops.
func Launch(o Options) (*Hub, error) {
	h := &Hub{Address: o.Address, CA: x509.NewCertPool(), log: newJournal(), exited: make(chan struct{})}
	h.http = &http.Client{
		Timeout:   Deadline + 10*time.Second,
		Transport: recorded(&http.Transport{TLSClientConfig: h.TLS(), MaxIdleConnsPerHost: 8}),
	}
	if err := h.run(o); err != nil {
		return nil, err
	}
	if err := h.ready(); err != nil {
		_ = h.Kill()
		return nil, fmt.Errorf("the hub on %s did not start: %w\n%s", o.Address, err, h.Log())
	}
	return h, nil
}

// Stop ends the hub as a user would, with SIGTERM. It is an error when the hub
// does not then exit with code 0. Stopping twice does nothing.
func (h *Hub) Stop() error {
	defer h.clean()
	if h.ended {
		return nil
	}
	return h.end(syscall.SIGTERM)
}

// Kill ends the hub at once, as a crash would.
func (h *Hub) Kill() error {
	defer h.clean()
	err := h.end(syscall.SIGKILL)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return nil // that is what was asked for
	}
	return err
}

// Addr is the hub's address with one of the ports.
func (h *Hub) Addr(port string) string { return net.JoinHostPort(h.Address, port) }

// PID is the hub's process id.
func (h *Hub) PID() int { return h.process.Process.Pid }

// TLS is a client's configuration that trusts the hub's CA and nobody else.
func (h *Hub) TLS() *tls.Config {
	return &tls.Config{RootCAs: h.CA, ServerName: h.Address, MinVersion: tls.VersionTLS12}
}

// Log is all that the hub has written so far.
func (h *Hub) Log() string { return h.log.String() }

// WaitLog waits for a line of the log that contains all the texts and returns
// it.
func (h *Hub) WaitLog(tb testing.TB, texts ...string) string {
	tb.Helper()
	line, ok := h.log.wait(Deadline, texts)
	if !ok {
		tb.Fatalf("the log has no line with %q:\n%s", texts, h.Log())
	}
	return line
}

// Command is the process that Launch starts, for callers that start it
// themselves. Data must be given.
func Command(o Options) (*exec.Cmd, error) {
	binary, err := Binary()
	if err != nil {
		return nil, err
	}
	args := []string{
		"serve",
		"--hostname", o.Address,
		"--mqtt", net.JoinHostPort(o.Address, MQTTPort),
		"--https", net.JoinHostPort(o.Address, HTTPSPort),
		"--amqps", net.JoinHostPort(o.Address, AMQPSPort),
		"--control", net.JoinHostPort(o.Address, ControlPort),
		"--data", o.Data,
		"--log-format", "json",
	}
	command := exec.Command(binary, append(args, o.Args...)...)
	// The hub refuses variables of its prefix that it does not know.
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LINARITE_") })
	return command, nil
}

// run starts the process.
func (h *Hub) run(o Options) error {
	var err error
	if o.Data == "" {
		if h.data, err = os.MkdirTemp("", "linarite-test-"); err != nil {
			return err
		}
		o.Data = filepath.Join(h.data, "data")
	}
	if h.process, err = Command(o); err != nil {
		return err
	}
	h.process.Stdout, h.process.Stderr = h.log, h.log
	if err := h.process.Start(); err != nil {
		return err
	}
	go func() {
		h.exit = h.process.Wait()
		close(h.exited)
	}()
	return nil
}

// ready asks the control port for the hub's health until it is well, and then
// for its CA.
func (h *Hub) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := h.Call(http.MethodGet, "/health", nil); err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-h.exited:
			return fmt.Errorf("it ended: %s", h.process.ProcessState)
		case <-ctx.Done():
			return errors.New("it is not healthy in time")
		}
	}
	pem, err := h.Call(http.MethodGet, "/v1/ca.pem", nil)
	if err != nil {
		return err
	}
	h.CAPEM = bytes.TrimSpace(pem)
	if !h.CA.AppendCertsFromPEM(h.CAPEM) {
		return errors.New("/v1/ca.pem holds no certificate")
	}
	return nil
}

// Terminate asks the hub to end, as Stop does, and does not wait; Ended does.
func (h *Hub) Terminate() error {
	h.ended = true
	return h.signal(syscall.SIGTERM)
}

// Ended waits for the hub to end. It is an error when it does not, or not with exit
// code 0.
func (h *Hub) Ended() error { return h.wait() }

// end signals the process and waits for it.
func (h *Hub) end(signal os.Signal) error {
	h.ended = true
	h.http.CloseIdleConnections()
	if err := h.signal(signal); err != nil {
		return err
	}
	return h.wait()
}

func (h *Hub) signal(signal os.Signal) error {
	err := h.process.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return err
}

func (h *Hub) wait() error {
	select {
	case <-h.exited:
	case <-time.After(Deadline):
		_ = h.process.Process.Kill()
		<-h.exited
		return fmt.Errorf("the hub on %s does not stop:\n%s", h.Address, h.Log())
	}
	if h.exit != nil {
		return fmt.Errorf("the hub on %s ended badly: %w\n%s", h.Address, h.exit, h.Log())
	}
	return nil
}

func (h *Hub) clean() {
	if h.data != "" {
		_ = os.RemoveAll(h.data)
	}
}
