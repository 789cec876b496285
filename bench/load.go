package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linarite/linarite/bench/machine"
)

// load is publishing on many connections at once, each as fast as it gets
// acknowledgements.
type load struct {
	name        string
	connections int
	outstanding int           // messages without an acknowledgement, on each connection
	qos         byte          // 0: each batch of outstanding ones ends in a PINGREQ, whose answer acknowledges all
	payload     int           // bytes
	warmUp      time.Duration // not measured
	duration    time.Duration // measured
	rate, cpu   bound
}

// client is one connection of a load.
type client interface {
	// run publishes until stop is set and every message is acknowledged.
	run(measuring, stop *atomic.Bool) error
	// count is how many were acknowledged, and how long that took while measuring
	// was set; the second only after run.
	count() (int64, *histogram)
}

// rate is what came of a load.
type rate struct {
	messages int64         // acknowledged while it was measured
	elapsed  time.Duration // how long that was
	cpu      time.Duration // of the broker
	foreign  float64       // cores used by neither broker nor generator
	latency  histogram
}

func (r *rate) perSecond() float64 { return float64(r.messages) / r.elapsed.Seconds() }

// cpuPerMessage is in microseconds.
func (r *rate) cpuPerMessage() float64 {
	return float64(r.cpu.Microseconds()) / float64(max(1, r.messages))
}

// load puts a load on each broker and reports it.
func (c *contest) load(l load) error {
	f := figures{}
	err := c.compare(l.connections, func(b broker, logins []login) error {
		result, err := l.run(b, logins)
		if err != nil {
			return err
		}
		f.add("rate", b, result.perSecond())
		f.add("cpu", b, result.cpuPerMessage())
		f.add("p50", b, micro(result.latency.quantile(0.5)))
		f.add("p99", b, micro(result.latency.quantile(0.99)))
		c.report.Foreign = max(c.report.Foreign, result.foreign)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	name := fmt.Sprintf("%s, %d × %d", l.name, l.connections, l.outstanding)
	c.report.add(name, "msg/s", f["rate"], l.rate)
	c.report.add(name+", CPU of the broker", "µs/msg", f["cpu"], l.cpu)
	c.report.add(name+", p50", "µs", f["p50"], bound{})
	c.report.add(name+", p99", "µs", f["p99"], bound{})
	return nil
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// run puts the load on a broker that is started.
func (l load) run(b broker, logins []login) (*rate, error) {
	conns, err := connectAll(b, logins[:l.connections])
	if err != nil {
		return nil, err
	}
	clients := make([]client, len(conns))
	for i, conn := range conns {
		clients[i] = l.client(conn, logins[i].topic)
	}
	var measuring, stop atomic.Bool
	var running sync.WaitGroup
	failures := make([]error, len(clients))
	for i, one := range clients {
		running.Go(func() { failures[i] = one.run(&measuring, &stop) })
	}
	<-time.After(l.warmUp)
	before := sample(b.pid(), clients)
	measuring.Store(true)
	<-time.After(l.duration)
	measuring.Store(false)
	after := sample(b.pid(), clients)
	stop.Store(true)
	watchdog := time.AfterFunc(ioTimeout, func() { closeAll(conns) })
	running.Wait()
	watchdog.Stop()

	result := after.since(before)
	for _, one := range clients {
		_, latency := one.count()
		result.latency.merge(latency)
	}
	return &result, errors.Join(before.err, after.err, errors.Join(failures...), leaveAll(conns))
}

func (l load) client(conn net.Conn, topic string) client {
	if l.qos == 0 {
		return newStreamer(conn, topic, l.payload, l.outstanding)
	}
	return newPublisher(conn, topic, l.payload, l.outstanding)
}

// snapshot is a moment of a run.
type snapshot struct {
	at    time.Time
	acked int64
	cpu   machine.Usage
	err   error
}

func sample(pid int, clients []client) snapshot {
	s := snapshot{at: time.Now()}
	for _, one := range clients {
		n, _ := one.count()
		s.acked += n
	}
	s.cpu, s.err = machine.CPU(pid)
	return s
}

// since is what happened between two moments.
func (s snapshot) since(before snapshot) rate {
	elapsed := s.at.Sub(before.at)
	broker := s.cpu.Process - before.cpu.Process
	foreign := s.cpu.Machine - before.cpu.Machine - broker - (s.cpu.Generator - before.cpu.Generator)
	return rate{
		messages: s.acked - before.acked,
		elapsed:  elapsed,
		cpu:      broker,
		foreign:  max(0, foreign.Seconds()/elapsed.Seconds()),
	}
}

// connectAll connects one client for each login.
func connectAll(b broker, logins []login) ([]net.Conn, error) {
	conns := make([]net.Conn, len(logins))
	err := parallel(16, len(logins), func(i int) (err error) {
		conns[i], err = connect(b.addr(), b.tls(), logins[i])
		return err
	})
	if err != nil {
		closeAll(conns)
		return nil, err
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

func leaveAll(conns []net.Conn) error {
	var failures []error
	for _, conn := range conns {
		failures = append(failures, leave(conn))
	}
	return errors.Join(failures...)
}
