// Bench puts load on the built hub and on other brokers, in turn, with the same
// generator on the same machine, and compares them. What counts is the ratio:
// all share the machine with the generator.
//
//	bench --hub bin/linarite [--quick] [--only loads,fleet] [--json FILE] [--svg FILE] [--no-check]
//
// It exits with 1 when the hub is slower than it must be.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/linarite/linarite/bench/machine"
)

// Loopback addresses of the brokers.
const (
	linariteAddress  = "127.0.0.21"
	mosquittoAddress = "127.0.0.22"
	mochiAddress     = "127.0.0.27"
	crowdedAddress   = "127.0.0.28"
)

// settings are the command line.
type settings struct {
	hub, json, svg, only string
	quick, noCheck       bool
	rounds               int
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == serveCommand {
		fail(serveMochi(os.Args[2], os.Args[3], os.Args[4]))
		return
	}
	if len(os.Args) == 4 && os.Args[1] == followCommand {
		fail(followHub(os.Args[2], os.Args[3]))
		return
	}
	var s settings
	flag.StringVar(&s.hub, "hub", "bin/linarite", "the hub's binary")
	flag.BoolVar(&s.quick, "quick", false, "within a minute: fewer figures, no stock mochi")
	flag.StringVar(&s.only, "only", "", "these parts, separated by commas: "+strings.Join(names(fullParts(nil, settings{})), ", "))
	flag.IntVar(&s.rounds, "rounds", 0, "rounds of each comparison; 0 is 6, or 2 with --quick")
	flag.StringVar(&s.json, "json", "", "write the report as JSON to this file")
	flag.StringVar(&s.svg, "svg", "", "draw the ratios to this file")
	flag.BoolVar(&s.noCheck, "no-check", false, "report only: do not fail when the hub is too slow")
	flag.Parse()
	debug.SetGCPercent(400) // the generator's garbage is not what is measured

	report, err := measure(s)
	fail(err)
	fail(report.print(os.Stdout))
	if s.json != "" {
		fail(report.save(s.json))
	}
	if s.svg != "" {
		fail(report.draw(s.svg))
	}
	if !s.noCheck && !report.good() {
		fail(fmt.Errorf("the hub is slower than it must be"))
	}
}

// fail ends the program when there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure runs all parts and collects what they find.
func measure(s settings) (*report, error) {
	scratch, err := os.MkdirTemp("", "linarite-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	if err := machine.RaiseFileLimit(); err != nil {
		return nil, err
	}
	hub, err := newLinarite(s.hub)
	if err != nil {
		return nil, err
	}
	mosquitto, err := newMosquitto(scratch)
	if err != nil {
		return nil, err
	}
	c := &contest{brokers: []broker{hub, mosquitto}, rounds: s.rounds, report: newReport(), scratch: scratch}
	parts := quickParts(hub)
	if !s.quick {
		mochi, err := newMochi(scratch)
		if err != nil {
			return nil, err
		}
		c.brokers = append(c.brokers, mochi)
		parts = fullParts(hub, s)
	}
	if c.rounds == 0 {
		c.rounds = map[bool]int{true: 2, false: 6}[s.quick]
	}
	return c.report, c.run(parts, s.only)
}
