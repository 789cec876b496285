package main

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// load is publishing on many connections at once.
type load struct {
	Name        string
	Connections int
	Outstanding int           // messages without an acknowledgement, on each connection
	Payload     int           // bytes
	WarmUp      time.Duration // not measured
	Duration    time.Duration // measured
	Must        float64       // the least ratio of the hub's rate to the other broker's
}

// rate is what came of a load.
type rate struct {
	Messages int64         // acknowledged while it was measured
	Elapsed  time.Duration // how long that was
	CPU      time.Duration // of the broker
	Foreign  float64       // cores used by neither broker nor generator
	latency  histogram
}

// add puts two runs of the same load together.
func (r *rate) add(other rate) {
	r.Messages += other.Messages
	r.Elapsed += other.Elapsed
	r.CPU += other.CPU
	r.Foreign = max(r.Foreign, other.Foreign)
	r.latency.merge(&other.latency)
}

func (r *rate) perSecond() float64 { return float64(r.Messages) / r.Elapsed.Seconds() }

// cpuPerMessage is in microseconds.
func (r *rate) cpuPerMessage() float64 {
	return float64(r.CPU.Microseconds()) / float64(max(1, r.Messages))
}

// run puts the load on a broker that is started.
func (l load) run(b broker, logins []login) (rate, error) {
	conns, err := connectAll(b, logins[:l.Connections])
	if err != nil {
		return rate{}, err
	}
	publishers := make([]*publisher, len(conns))
	for i, conn := range conns {
		publishers[i] = newPublisher(conn, logins[i].topic, l.Payload, l.Outstanding)
	}
	var measuring, stop atomic.Bool
	var running sync.WaitGroup
	failures := make([]error, len(publishers))
	for i, p := range publishers {
		running.Go(func() { failures[i] = p.run(&measuring, &stop) })
	}
	<-time.After(l.WarmUp)
	before := sample(b.pid(), publishers)
	measuring.Store(true)
	<-time.After(l.Duration)
	measuring.Store(false)
	after := sample(b.pid(), publishers)
	stop.Store(true)
	watchdog := time.AfterFunc(ioTimeout, func() { closeAll(conns) })
	running.Wait()
	watchdog.Stop()

	result := after.since(before)
	for _, p := range publishers {
		result.latency.merge(&p.latency)
	}
	return result, errors.Join(errors.Join(failures...), leaveAll(conns))
}

// snapshot is a moment of a run.
type snapshot struct {
	at    time.Time
	acked int64
	cpu   usage
	err   error
}

func sample(pid int, publishers []*publisher) snapshot {
	s := snapshot{at: time.Now()}
	for _, p := range publishers {
		s.acked += p.acked.Load()
	}
	s.cpu, s.err = cpuUsage(pid)
	return s
}

// since is what happened between two moments.
func (s snapshot) since(before snapshot) rate {
	elapsed := s.at.Sub(before.at)
	broker := s.cpu.process - before.cpu.process
	foreign := s.cpu.machine - before.cpu.machine - broker - (s.cpu.generator - before.cpu.generator)
	return rate{
		Messages: s.acked - before.acked,
		Elapsed:  elapsed,
		CPU:      broker,
		Foreign:  max(0, foreign.Seconds()/elapsed.Seconds()),
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
