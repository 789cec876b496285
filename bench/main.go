// Bench puts load on the built hub and on Mosquitto, in turn, with the same
// generator on the same machine, and compares them. What counts is the ratio:
// both share the machine with the generator.
//
//	bench --hub bin/linarite [--json report.json] [--no-check]
//
// It exits with 1 when the hub is slower than it must be.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// Loopback addresses of the two brokers.
const (
	linariteAddress  = "127.0.0.21"
	mosquittoAddress = "127.0.0.22"
)

// settings are the command line.
type settings struct {
	hub      string
	json     string
	noCheck  bool
	duration time.Duration
	idle     int
	starts   int
}

func main() {
	var s settings
	flag.StringVar(&s.hub, "hub", "bin/linarite", "the hub's binary")
	flag.StringVar(&s.json, "json", "", "write the report as JSON to this file")
	flag.BoolVar(&s.noCheck, "no-check", false, "report only: do not fail when the hub is too slow")
	flag.DurationVar(&s.duration, "duration", 2500*time.Millisecond, "how long each of the four runs of a load is measured")
	flag.IntVar(&s.idle, "idle", 2000, "how many idle connections memory is measured with")
	flag.IntVar(&s.starts, "starts", 7, "how often each broker is started")
	flag.Parse()

	report, err := measure(s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	report.print(os.Stdout)
	if s.json != "" {
		if err := report.save(s.json); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
	if !s.noCheck && !report.good() {
		fmt.Fprintln(os.Stderr, "bench: the hub is slower than it must be")
		os.Exit(1)
	}
}

// measure runs everything and collects it.
func measure(s settings) (*report, error) {
	scratch, err := os.MkdirTemp("", "linarite-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	if err := raiseFileLimit(); err != nil {
		return nil, err
	}
	us, err := newLinarite(s.hub)
	if err != nil {
		return nil, err
	}
	them, err := newMosquitto(scratch)
	if err != nil {
		return nil, err
	}
	r := newReport()
	if err := r.starts(us, them, scratch, s.starts); err != nil {
		return nil, err
	}
	for _, l := range []load{
		{Name: "lock-step", Connections: 100, Outstanding: 1, Must: 1.0},
		{Name: "pipelined", Connections: 100, Outstanding: 10, Must: 2.5},
	} {
		l.Payload, l.WarmUp, l.Duration = 256, 500*time.Millisecond, s.duration
		if err := r.load(us, them, l); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name, err)
		}
	}
	if err := r.idle(us, them, s.idle); err != nil {
		return nil, err
	}
	return r, nil
}
