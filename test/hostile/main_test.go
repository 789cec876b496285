// Package hostile_test sends the built hub what no honest client sends, before
// and after authentication, on every port, and checks what it does to the hub
// and to others:
//
//   - the hub answers /health, and serves on;
//   - an input costs at most 1 MB of resident memory while it lasts, and nothing
//     afterwards: see vitals;
//   - it costs at most 30 seconds;
//   - a neighbour, a device that sends telemetry meanwhile, hardly notices: see
//     neighbour;
//   - no secret is in the log, at no level.
//
// An input is a row of a table, and many attackers send it at once. The tables are
// strangers (MQTT before CONNACK), members (MQTT after it), tlsInputs,
// certificateInputs, webSocket, service, httpsDevices and control; amqpStrangers,
// amqpDevices and amqpBackEnds (AMQP before and after a login), which are sent over
// TLS and over WebSocket; patient and patientAMQP are inputs that wait for a deadline
// of the hub's, floods those that are sent over and over, and indiscreet and
// indiscreetAMQP those that put secrets where they do not belong.
package hostile_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/linarite/linarite/test/harness"
)

// The suite's own addresses.
const (
	address          = "127.0.0.31" // of the hub that is attacked input by input
	patientAddress   = "127.0.0.32" // of the hub whose deadlines are waited for
	tracedAddress    = "127.0.0.33" // of the hub that logs all it can
	floodedAddress   = "127.0.0.34" // of the hub that is attacked as fast as can be
	crowdedAddress   = "127.0.0.35" // of the hub that has strangers by the thousand
	keyAddress       = "127.0.0.36" // of the hub whose files are looked at
	stalledAddress   = "127.0.0.37" // of the hub whose events are not read
	strangersAddress = "127.0.0.38" // of the hub that knows few strangers
	crowdAddress     = "127.0.0.39" // of the hub that has few places for an address
	showOffAddress   = "127.0.0.40" // of the hub that strangers show certificates
	silentAddress    = "127.0.0.79" // of the hub whose peers fall silent
)

func TestMain(m *testing.M) {
	if asNeighbour() {
		os.Exit(neighbourMain())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	// The attackers would be elsewhere. Here they share two processors with the
	// hub and the neighbour, so they get one.
	runtime.GOMAXPROCS(1)
	// The hub's collector does not let garbage lie while there is little of it: what
	// an input costs is what the hub holds.
	if err := os.Setenv("GOGC", "50"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The patient inputs wait and do nothing else.
	if err := flag.Set("test.parallel", "64"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("%d inputs, %d attackers\n", count(), attackers)
	return m.Run()
}

// start runs a hub for one test, at an address of its own. In the end the hub
// must stop as it should, and its log must be clean.
func start(t *testing.T, address string, args ...string) *victim {
	t.Helper()
	hub, err := harness.Launch(harness.Options{Address: address, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(hub.Stop(), clean(hub.Log())); err != nil {
			t.Error(err)
		}
	})
	return newVictim(t, hub)
}

// clean checks the log of a hub that was sent everything there is: no token is
// in it, and no fault of the hub's own.
func clean(log string) error {
	for line := range strings.Lines(log) {
		for _, bad := range []string{"sig=", "panic", `"level":"error"`, "fatal error", "DATA RACE"} {
			if strings.Contains(line, bad) {
				return fmt.Errorf("the log must not have %q: %s", bad, line)
			}
		}
	}
	return nil
}
