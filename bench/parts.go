package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// warmUp is how long a load runs before it is measured.
const warmUp = 300 * time.Millisecond

// part is some figures that are measured together.
type part struct {
	name string
	run  func(*contest) error
}

func names(of []part) []string {
	var all []string
	for _, p := range of {
		all = append(all, p.name)
	}
	return all
}

// run measures the parts that only names, or all.
func (c *contest) run(parts []part, only string) error {
	wanted := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	for _, name := range wanted {
		if !slices.Contains(names(parts), name) {
			return fmt.Errorf("there is no part %q", name)
		}
	}
	for _, p := range parts {
		if len(wanted) > 0 && !slices.Contains(wanted, p.name) {
			continue
		}
		began := time.Now()
		if err := p.run(c); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %.0f s\n", p.name, time.Since(began).Seconds())
	}
	return nil
}

// quickParts are what fits into a minute.
func quickParts(hub *linarite) []part {
	parts := []part{
		{"start", func(c *contest) error { return c.starts(7, bound{must: 50, absolute: true, ceiling: true}) }},
		{"loads", func(c *contest) error {
			return c.loads(2500*time.Millisecond,
				load{name: "lock-step", connections: 100, outstanding: 1, rate: bound{must: 1.0}},
				load{name: "pipelined", connections: 100, outstanding: 10, rate: bound{must: 2.5}},
			)
		}},
		{"memory", func(c *contest) error { return c.memory(memory{devices: 2000}) }},
	}
	return append(parts, amqpParts(hub, 150_000, 75, links{connections: 20, each: 200})...)
}

// amqpParts are those of AMQP: events to be read, periods of 20 ms beside readers,
// and idle links.
func amqpParts(hub *linarite, events, periods int, idle ...links) []part {
	return []part{
		{"events", func(c *contest) error {
			return c.reading(hub, reading{events: events, rate: bound{must: 100_000, absolute: true}})
		}},
		{"links", func(c *contest) error {
			for _, m := range idle {
				if err := c.links(hub, m); err != nil {
					return err
				}
			}
			return nil
		}},
		{"readers", func(c *contest) error {
			return c.neighbours(hub, neighbours{
				fleet: fleet{devices: 100, period: 20 * time.Millisecond, periods: periods}, nuisances: readers(),
				p99: bound{must: 1.1, absolute: true, ceiling: true},
			})
		}},
	}
}

// loads puts QoS 1 loads on all brokers.
func (c *contest) loads(duration time.Duration, all ...load) error {
	for _, l := range all {
		l.qos, l.payload, l.warmUp, l.duration = 1, 256, warmUp, duration
		if err := c.load(l); err != nil {
			return err
		}
	}
	return nil
}
