package main

import (
	"fmt"
	"time"
)

// crowd compares the hub with few devices and with many in its registry, under
// the same load. What is looked for is small beside what a machine does meanwhile:
// many short rounds.
func (c *contest) crowd(l *linarite, devices int, duration time.Duration, b bound) error {
	full := &linarite{label: "crowded", address: crowdedAddress, crowd: devices}
	two := &contest{brokers: []broker{full, l}, rounds: 4 * c.rounds, report: c.report}
	pipelined := load{connections: 100, outstanding: 10, qos: 1, payload: 256, warmUp: warmUp / 2, duration: duration / 3}
	f := figures{}
	err := two.compare(pipelined.connections, func(b broker, logins []login) error {
		result, err := pipelined.run(b, logins)
		if err != nil {
			return err
		}
		f.add("rate", b, result.perSecond())
		return nil
	})
	rates := f["rate"]
	c.report.addOwn(fmt.Sprintf("telemetry with %d devices registered over with 100", devices), "×",
		rates[full.label].over(rates[l.label]), b)
	return err
}
