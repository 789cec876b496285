package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/linarite/linarite/bench/machine"
	"github.com/linarite/linarite/test/harness"
)

// hubPartitions is how many a hub has by default.
const hubPartitions = 4

// behind is how far behind a reader may be that keeps up.
const behind = time.Second

// readers are nuisances that must not be any.
func readers() []nuisance {
	return []nuisance{{"five readers that keep up and one that is stalled", fiveReaders}}
}

// fiveReaders is five readers that keep up, spread over the partitions, and one
// that takes nothing more once it is attached.
func fiveReaders(l *linarite, _ []login) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var all []*follower
	var stalled *amqp.Conn
	var running sync.WaitGroup
	end := func() error {
		cancel()
		running.Wait()
		failures := make([]error, 0, len(all))
		for _, f := range all {
			failures = append(failures, f.end())
		}
		if stalled != nil {
			_ = stalled.Close() // it may have been cut off
		}
		return errors.Join(failures...)
	}
	for n := range 5 {
		f, err := follow(ctx, l, n%hubPartitions)
		if err != nil {
			return nil, errors.Join(err, end())
		}
		all = append(all, f)
		running.Go(func() { f.err = f.run(ctx) })
	}
	if stalled, err = stall(ctx, l); err != nil {
		return nil, errors.Join(err, end())
	}
	return end, nil
}

// follower is a reader that follows a partition.
type follower struct {
	conn *amqp.Conn
	in   *amqp.Receiver
	last time.Time // when the hub got the event that was read last
	late time.Duration
	err  error
}

func follow(ctx context.Context, l *linarite, partition int) (*follower, error) {
	conn, session, err := dialBackEnd(ctx, l)
	if err != nil {
		return nil, err
	}
	in, err := session.NewReceiver(ctx, partitionAddress(partition), fromLatest(1000))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &follower{conn: conn, in: in}, nil
}

// fromLatest begins at the end of a partition.
func fromLatest(credit int32) *amqp.ReceiverOptions {
	return &amqp.ReceiverOptions{Credit: credit, Filters: []amqp.LinkFilter{
		amqp.NewSelectorFilter("amqp.annotation.x-opt-offset > '@latest'"),
	}}
}

func (f *follower) run(ctx context.Context) error {
	for {
		m, err := f.in.Receive(ctx, nil)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		f.last, _ = m.Annotations["x-opt-enqueued-time"].(time.Time)
		f.late = max(f.late, time.Since(f.last))
	}
}

// end is why the reader did not do what it should have.
func (f *follower) end() error {
	err := errors.Join(f.err, f.conn.Close())
	switch {
	case err != nil:
		return fmt.Errorf("a reader: %w", err)
	case f.last.IsZero():
		return errors.New("a reader has read nothing")
	case f.late > behind:
		return fmt.Errorf("a reader was %v behind", f.late)
	}
	return nil
}

// stall attaches a reader that takes nothing from then on.
func stall(ctx context.Context, l *linarite) (*amqp.Conn, error) {
	conn, err := tls.Dial("tcp", l.hub.Addr(harness.AMQPSPort), l.tls())
	if err != nil {
		return nil, err
	}
	g := &gate{Conn: conn, closed: make(chan struct{})}
	client, err := amqp.NewConn(ctx, g, &amqp.ConnOptions{
		SASLType: amqp.SASLTypePlain("iothubowner", harness.WellKnownKey), HostName: l.address,
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	session, err := client.NewSession(ctx, nil)
	if err == nil {
		_, err = session.NewReceiver(ctx, partitionAddress(0), fromLatest(1_000_000))
	}
	g.shut.Store(true)
	return client, err
}

// gate is a connection from which nothing can be read once it is shut.
type gate struct {
	net.Conn
	shut   atomic.Bool
	once   sync.Once
	closed chan struct{}
}

// Read reads as long as the gate is open.
func (g *gate) Read(b []byte) (int, error) {
	if g.shut.Load() {
		<-g.closed
		return 0, net.ErrClosed
	}
	return g.Conn.Read(b)
}

// Close closes the connection.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Conn.Close()
}

// links is connections of back ends with links that wait for feedback, of which
// there is none.
type links struct {
	connections int
	each        int // links on each
}

// links measures what the hub grows by for each link, its share of the connection
// included, in kilobytes.
func (c *contest) links(l *linarite, m links) (err error) {
	if err := l.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	grown, err := m.run(l)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("memory of an idle AMQP link, %d connections of %d", m.connections, m.each)
	c.report.addOwn(name, "kB", series{grown / 1000 / float64(m.connections*m.each)}, bound{})
	return nil
}

// run attaches all links and returns by how much the hub has grown, in bytes.
func (m links) run(l *linarite) (grown float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	before, err := machine.ResidentMemory(l.pid())
	if err != nil {
		return 0, err
	}
	conns := make([]*amqp.Conn, m.connections)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}()
	err = parallel(8, m.connections, func(i int) error {
		var session *amqp.Session
		var err error
		if conns[i], session, err = dialBackEnd(ctx, l); err != nil {
			return err
		}
		for range m.each {
			if _, err := session.NewReceiver(ctx, "/messages/serviceBound/feedback", nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	<-time.After(settle)
	after, err := machine.ResidentMemory(l.pid())
	return float64(after - before), err
}
