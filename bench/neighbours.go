package main

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// neighbours are some devices that send at a steady rate while others misbehave.
type neighbours struct {
	fleet
	nuisances []nuisance
	p99       bound // while others misbehave over while they do not
}

// nuisance is what others do until the function it returns is called.
type nuisance struct {
	name  string
	start func(l *linarite, logins []login) (stop func() error, err error)
}

// nuisances are what may happen to a hub.
func nuisances() []nuisance {
	return []nuisance{
		{"50 slow readers", slowReaders},
		{"2000 half-open sockets", halfOpen},
		{"a storm of reconnects", reconnects},
		{"one device flooding", flood},
	}
}

// nuisanceLogins is how many clients a nuisance has.
const nuisanceLogins = 200

// neighbours measures the p99 with and without each nuisance, by turns.
func (c *contest) neighbours(l *linarite, n neighbours) (err error) {
	if err := l.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	all, err := l.logins(n.devices + nuisanceLogins)
	if err != nil {
		return err
	}
	steady, others := all[:n.devices], all[n.devices:]
	for _, one := range n.nuisances {
		var ratios, without, with series
		for range c.rounds {
			quiet, err := n.run(l, steady)
			if err != nil {
				return err
			}
			stop, err := one.start(l, others)
			if err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			during, err := n.run(l, steady)
			if err := errors.Join(err, stop()); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			without = append(without, micro(quiet.latency.quantile(0.99))/1000)
			with = append(with, micro(during.latency.quantile(0.99))/1000)
			ratios = append(ratios, with[len(with)-1]/without[len(without)-1])
		}
		c.report.addOwn("p99 of others before "+one.name, "ms", without, bound{})
		c.report.addOwn("p99 of others during "+one.name, "ms", with, bound{})
		c.report.addOwn("the same, during over before", "×", ratios, n.p99)
	}
	return nil
}

// slowReaders ask for their twins until the hub takes no more of it, since they
// never read an answer.
func slowReaders(l *linarite, logins []login) (func() error, error) {
	devices, err := enlist(l, logins[:50])
	if err != nil {
		return nil, err
	}
	err = parallel(len(devices), len(devices), func(i int) error {
		for {
			if err := devices[i].conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
				return err
			}
			if devices[i].publish("$iothub/twin/GET/?$rid=1", nil) != nil {
				return nil
			}
		}
	})
	return func() error {
		for _, d := range devices {
			_ = d.conn.Close()
		}
		return nil
	}, err
}

// halfOpen are connections that say nothing.
func halfOpen(l *linarite, _ []login) (func() error, error) {
	conns := make([]net.Conn, 2000)
	err := parallel(16, len(conns), func(i int) (err error) {
		conns[i], err = net.Dial("tcp", l.addr())
		return err
	})
	return func() error { closeAll(conns); return nil }, err
}

// reconnects are clients that connect and leave without a pause.
func reconnects(l *linarite, logins []login) (func() error, error) {
	var stop atomic.Bool
	ended := make(chan error, 1)
	go func() {
		_, err := storm{workers: 1, stop: &stop}.run(l, logins)
		ended <- err
	}()
	return func() error { stop.Store(true); return <-ended }, nil
}

// flood is one device that sends as fast as it can.
func flood(l *linarite, logins []login) (func() error, error) {
	conns, err := connectAll(l, logins[:1])
	if err != nil {
		return nil, err
	}
	var measuring, stop atomic.Bool
	ended := make(chan error, 1)
	go func() { ended <- newPublisher(conns[0], logins[0].topic, 256, 100).run(&measuring, &stop) }()
	return func() error {
		stop.Store(true)
		return errors.Join(<-ended, leaveAll(conns))
	}, nil
}
