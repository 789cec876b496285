// Soak has devices do everything they can for a long time, beside back ends and
// readers, and keeps account: whatever the hub has accepted has to arrive, once
// and as it was sent, and the hub must not grow.
//
//	soak --hub bin/linarite [--duration 30m] [--json FILE] [--svg FILE]
//
// Devices come over MQTT and AMQP, over TLS and WebSocket. They send telemetry of
// both QoS, take messages, calls and desired properties, report, renew tokens, and
// connect anew all the time: after a goodbye, a reset, a takeover, or when their
// token has run out. Back ends send messages over AMQP and take the feedback,
// change twins, call methods, and make and delete identities. Every event is read
// twice: with the SDK of Event Hubs, and over the control API.
//
// The hub has its default flags. Its event log is bounded by 256 MiB, which the
// default devices fill in less than the third of half an hour that passes before
// the reference is taken; for shorter runs, --config gives it a short retention.
//
// Where the machine stands still for seconds, deadlines of the hub and of clients
// pass, and connections are lost: such errors are counted apart. What is lost is
// lost all the same.
//
// It exits with 1 when anything was lost, when anything else went wrong, or when
// memory, goroutines or descriptors at the end are not within 5 % of the
// reference.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/linarite/linarite/bench/machine"
)

func main() {
	// Feedback waits for fifteen seconds without any before its batch is closed.
	o := options{settling: time.Minute, out: os.Stderr}
	flag.StringVar(&o.hub, "hub", "bin/linarite", "the hub's binary")
	flag.StringVar(&o.config, "config", "", "a seed file for the hub; default: none")
	flag.DurationVar(&o.duration, "duration", 30*time.Minute, "how long; the reference is taken after a third")
	flag.DurationVar(&o.every, "every", 0, "between two samples; default: 180 samples")
	flag.IntVar(&o.devices, "devices", 2000, "how many devices")
	flag.DurationVar(&o.interval, "interval", 4*time.Second, "between two things that a device does, on average")
	flag.DurationVar(&o.spell, "spell", 2*time.Minute, "how long a connection lasts, on average")
	flag.Float64Var(&o.tolerance, "tolerance", 0.05, "how far memory, goroutines and descriptors may be at the end from the reference, as a share")
	flag.StringVar(&o.json, "json", "", "write the report as JSON to this file")
	flag.StringVar(&o.svg, "svg", "", "draw the curve into this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := soakHub(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// soakHub runs, reports, and says what is wrong.
func soakHub(ctx context.Context, o options) error {
	if o.every <= 0 {
		o.every = o.duration / 180
	}
	if o.every > o.duration/(2*windowShare) {
		return fmt.Errorf("--every %s: must be at most %s, so that there are samples to compare", o.every, o.duration/(2*windowShare))
	}
	binary, err := filepath.Abs(o.hub)
	if err != nil {
		return err
	}
	if err := os.Setenv("LINARITE_BIN", binary); err != nil {
		return err
	}
	if err := machine.RaiseFileLimit(); err != nil {
		return err
	}
	r, err := run(ctx, o)
	if err != nil {
		return err
	}
	r.print(os.Stdout)
	if o.json != "" {
		if err := r.save(o.json); err != nil {
			return err
		}
	}
	if o.svg != "" {
		if err := r.draw(o.svg); err != nil {
			return err
		}
	}
	if !r.good() {
		return fmt.Errorf("the hub has failed")
	}
	return nil
}
