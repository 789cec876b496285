package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/linarite/linarite/bench/machine"
)

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
