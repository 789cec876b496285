package hostile_test

import (
	"errors"
	"fmt"
	"time"
)

// groupsOfReaders are consumer groups: a partition has five readers in each, and
// those that do not read would be too many for one.
var groupsOfReaders = []string{"unread", "unread-ws", "shut", "shut-ws"}

// patientAMQP are inputs that the hub lets go of when a deadline of its own has
// passed, over one of the ways to AMQP.
func patientAMQP(way string, open opening) map[string]input {
	suffix := ""
	if way != "" {
		suffix = "-ws"
	}
	device, backEnd := enters(open, asDevice), enters(open, asBackEnd)
	inputs := map[string]input{
		"an AMQP client that says nothing":            waits(open, nil),
		"half a header of AMQP":                       waits(open, saslHeader[:4]),
		"half a frame of SASL":                        waits(open, bytesOf(saslHeader, amqpFrame(1, long(100))[:50])),
		"no choice of a mechanism":                    waits(open, saslHeader),
		"no open after SASL":                          waits(open, bytesOf(saslHeader, saslInit("ANONYMOUS", ""), amqpHeader)),
		"half an open":                                waits(open, bytesOf(amqpHeader, amqpFrame(0, performative(amqpOpen, 1, words("a")))[:20])),
		"an open and no token":                        waits(open, opened),
		"heartbeats and no token":                     dribbles(open, opened, amqpFrame(0)),
		"sessions and no token":                       dribbles(open, opened, bytesOf(begin(), end())),
		"a header of AMQP, byte by byte":              dribbles(open, nil, []byte("A")),
		"half a token":                                waits(open, bytesOf(opened, begin(), sendsOn(0, "c", "$cbs"), carries(0, 0, true, long(1000)))),
		"half a frame of a device's":                  waits(device, amqpFrame(0, long(1000))[:500]),
		"half the length of a frame":                  waits(device, []byte{0, 0}),
		"a device's frame without an end":             dribbles(device, []byte{0, 0, 0xFF, 0, 2, 0, 0, 0}, []byte("x")),
		"a back end's frame without an end":           dribbles(backEnd, []byte{0, 0, 0xFF, 0, 2, 0, 0, 0}, []byte("x")),
		"a device that does not take its messages":    deafOver(open, sendMessages),
		"a device that does not take desired changes": deafOver(open, changeDesired),
		"a device that does not take calls":           deafOver(open, callMethods),
		"a device that does not take twin answers":    deafOver(open, askForTwinOver),
		"a reader that does not read its events":      unreadEvents(backEnd, "unread"+suffix),
		"a reader whose window is shut":               shutWindow(backEnd, "shut"+suffix),
	}
	all := map[string]input{}
	for name, in := range inputs {
		all[name+", over AMQP"+way] = in
	}
	return all
}

// enters is a way to AMQP with a login at its end.
func enters(open opening, login func(a *attacker) []byte) opening {
	return func(a *attacker) (*peer, error) {
		p, err := open(a)
		if err != nil {
			return nil, err
		}
		p.send(login(a))
		return p, p.began(0)
	}
}

// deafOver is deaf over AMQP: a device with all its links, and credit on them.
func deafOver(open opening, provoke func(a *attacker, p *peer) error) input {
	return func(a *attacker) error {
		p, err := enters(open, asDevice)(a)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(takesOn(0, "in", own(a, "/messages/devicebound")), grants(0, 1000),
			sendsOn(1, "ask", own(a, "/twin")), takesOn(2, "told", own(a, "/twin")), grants(2, 10000),
			takesOn(3, "calls", own(a, "/methods/devicebound")), grants(3, 1000),
			carries(1, 0, false, twinRequest("PUT", "/notifications/twin/properties/desired", "")))
		if _, err := p.performed(amqpTransfer, 0); err != nil { // the answer to the last
			return err
		}
		if err := provoke(a, p); err != nil {
			return err
		}
		return a.cutOff()
	}
}

// askForTwinOver asks for the twin a hundred times.
func askForTwinOver(_ *attacker, p *peer) error {
	p.send(numbered(100, func(i uint32) []byte { return carries(1, 1+i, false, twinRequest("GET", "", "")) }))
	return nil
}

// reads attaches a reader to each partition, from the first event on.
func reads(group string, credit uint32) []byte {
	return numbered(4, func(i uint32) []byte {
		return bytesOf(takesOn(i, fmt.Sprint(i), fmt.Sprintf("linarite/ConsumerGroups/%s/Partitions/%d", group, i)), grants(i, credit))
	})
}

// unreadEvents reads no event that it has asked for, and goes on with heartbeats
// until the hub has ended the connection.
func unreadEvents(open opening, group string) input {
	return func(a *attacker) error {
		p, err := open(a)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(reads(group, 1<<20))
		tick, deadline := time.NewTicker(100*time.Millisecond), time.After(a.patience())
		defer tick.Stop()
		for {
			_ = p.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := p.Write(amqpFrame(0)); err != nil {
				return nil
			}
			select {
			case <-tick.C:
			case <-deadline:
				return errors.New("the hub does not cut the reader off")
			}
		}
	}
}

// shutWindow asks for events and does not let them come. That is no reason to end
// the connection, but must not cost more than any other.
func shutWindow(open opening, group string) input {
	return func(a *attacker) error {
		p, err := open(a)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(amqpFrame(0, performative(amqpFlow, 4, uint0, uint0, uint0, uint0)), reads(group, 0))
		for i := range uint32(4) {
			p.send(amqpFrame(0, performative(amqpFlow, 7, uint0, uint0, uint0, uint0, number(i), uint0, number(1<<20))))
		}
		tick, deadline := time.NewTicker(time.Second), time.After(most)
		defer tick.Stop()
		for {
			p.send(amqpFrame(0))
			select {
			case <-tick.C:
			case <-deadline:
				return conversing(p)
			}
		}
	}
}
