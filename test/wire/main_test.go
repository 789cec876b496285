// Package wire_test speaks raw MQTT and AMQP with the built hub: each rule and
// refusal as it looks on the wire, and what the SDKs that are not run here put on
// it.
//
// It reads and writes bytes over TLS sockets and WebSockets, on the ports that
// the SDKs insist on, and checks the hub's certificate. There is no library of
// either protocol between a test and the wire. Section numbers (§) are those of
// the project's reference, contract.md.
package wire_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linarite/linarite/test/harness"
)

// The suite's own addresses.
const (
	address       = "127.0.0.23" // of the hub that tests share
	clockAddress  = "127.0.0.24" // of the hub whose clock is moved
	graceAddress  = "127.0.0.25" // of the hub without grace for tokens
	resetAddress  = "127.0.0.26" // of the hub that is reset
	readOnAddress = "127.0.0.78" // of the hub that is reset under a reader
	routeAddress  = "127.0.0.27" // of the hub whose routes are changed

	amqpClockAddress  = "127.0.0.41" // of the hub whose clock AMQP's tests move
	categoriesAddress = "127.0.0.47" // of the hub whose operations of all kinds are watched
	outputAddress     = "127.0.0.77" // of the hub whose resource log is its output
	operationsAddress = "127.0.0.46" // of the hub whose operations are watched
	endpointAddress   = "127.0.0.70" // of the hub that tells endpoints of everything
	healthAddress     = "127.0.0.71" // of the hub whose endpoint dies
	overflowAddress   = "127.0.0.72" // of the hub whose endpoint's log is full
	reloadAddress     = "127.0.0.74" // of the hub whose routes change under load
	slowAddress       = "127.0.0.73" // of the hub whose endpoint is down
	validationAddress = "127.0.0.75" // of the hub whose webhooks are shy
	countAddress      = "127.0.0.76" // of the hub whose routing is counted
	webhookAddress    = "127.0.0.43" // of the hub with a webhook, and of that
	migrationAddress  = "127.0.0.42" // of the hub with which both protocols are compared

	shutdownAddress = "127.0.0.44" // of the hub that ends in the middle of everything
	restartAddress  = "127.0.0.45" // of the hub that is killed
)

// hub is shared by all tests that do not move its clock. Each test registers
// devices of its own.
var hub *harness.Hub

func TestMain(m *testing.M) {
	if addr := os.Getenv(receiverVariable); addr != "" {
		fmt.Fprintln(os.Stderr, receive(addr))
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	// The tests wait far more than they work: as many at once as there are
	// processors would take minutes.
	if err := flag.Set("test.parallel", "32"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "linarite-wire-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	config := filepath.Join(dir, "linarite.yaml")
	if err = os.WriteFile(config, []byte("consumerGroups: ["+strings.Join(groups, ", ")+"]\n"), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if hub, err = harness.Launch(harness.Options{Address: address, Args: []string{"--config", config}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := errors.Join(hub.Stop(), clean(hub.Log())); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// clean checks the log of a hub that was sent everything there is: no token is
// in it, and no fault of the hub's own.
func clean(log string) error {
	for line := range strings.Lines(log) {
		for _, bad := range []string{"sig=", "panic", quoted("level", "error")} {
			if strings.Contains(line, bad) {
				return fmt.Errorf("the log must not have %q: %s", bad, line)
			}
		}
	}
	return nil
}
