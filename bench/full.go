package main

import (
	"os"
	"time"
)

// fullParts are every figure there is, with what each must be.
func fullParts(hub *linarite, s settings) []part {
	const duration = 1500 * time.Millisecond
	most := func(must, goal float64) bound { return bound{must: must, goal: goal, absolute: true, ceiling: true} }
	parts := []part{
		{"size", func(c *contest) error {
			file, err := os.Stat(s.hub)
			if err == nil {
				c.report.addOwn("binary", "MB", series{float64(file.Size()) / 1e6}, most(20, 14))
			}
			return err
		}},
		{"start", func(c *contest) error { return c.starts(15, most(30, 10)) }},
		{"loads", func(c *contest) error {
			cpu := bound{goal: 1.1, ceiling: true}
			return c.loads(duration,
				load{name: "QoS 1 pipelined", connections: 100, outstanding: 10, rate: bound{must: 3, goal: 4.5}},
				load{name: "QoS 1 lock-step", connections: 100, outstanding: 1, rate: bound{must: 1.1, goal: 1.4}, cpu: cpu},
				load{name: "QoS 1 lock-step", connections: 1000, outstanding: 1, rate: bound{must: 0.95, goal: 1.1}, cpu: cpu},
			)
		}},
		{"qos0", func(c *contest) error {
			return c.load(load{
				name: "QoS 0", connections: 1000, outstanding: 50, payload: 256,
				warmUp: warmUp, duration: duration, rate: bound{must: 0.8, goal: 1.1},
			})
		}},
		{"connects", func(c *contest) error {
			return c.storm(storm{workers: 16, duration: duration, rate: bound{must: 1, goal: 1.3}})
		}},
		{"memory", func(c *contest) error {
			return c.memory(memory{devices: 10000, waves: 3, settled: most(42, 34), revived: most(55, 44)})
		}},
		{"roundtrips", func(c *contest) error {
			return c.roundtrips(hub, roundtrips{
				devices: 5000, rounds: 5, calls: 2000,
				twinP50: most(100, 50), twinP99: most(400, 150),
				methodP50: most(500, 250), methodP99: most(2000, 1000),
			})
		}},
		{"c2d", func(c *contest) error {
			return c.fanIn(hub, fanIn{backEnds: 8, devices: 100, messages: 4000})
		}},
		{"fleet", func(c *contest) error {
			return c.fleet(hub, fleet{devices: 15000, few: 100, period: 5 * time.Second, periods: 2, p99: most(50, 10), cpu: most(2, 1.4)})
		}},
		{"registry", func(c *contest) error {
			return c.registry(hub, registry{
				twins: 100_000, queries: 20, beside: 10 * time.Second,
				heap: most(6, 4), page: most(100, 50), scan: most(150, 75), group: most(300, 75), p99: most(2, 0),
			})
		}},
		{"crowd", func(c *contest) error {
			return c.crowd(hub, 100_000, duration, bound{must: 0.95})
		}},
		{"neighbours", func(c *contest) error {
			return c.neighbours(hub, neighbours{
				fleet: fleet{devices: 20, period: 20 * time.Millisecond, periods: 75}, nuisances: nuisances(), p99: most(2, 0),
			})
		}},
	}
	return append(parts, amqpParts(hub, 300_000, 150, links{connections: 1000, each: 1}, links{connections: 50, each: 200})...)
}
