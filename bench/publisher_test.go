package main

import (
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestAPublisherKeepsItsMessagesOutstanding(t *testing.T) {
	t.Parallel()
	const outstanding, rounds = 3, 30_000 // the packet ids go round
	client, server := net.Pipe()
	defer func() { _ = server.Close() }()
	p := newPublisher(client, "topic", 10, outstanding)
	var measuring, stop atomic.Bool
	measuring.Store(true)
	ended := make(chan error, 1)
	go func() { ended <- p.run(&measuring, &stop) }()

	batch := make([]byte, outstanding*p.frame)
	id := uint16(1)
	for round := range rounds {
		if err := readFull(server, batch); err != nil {
			t.Fatal(err)
		}
		var acks []byte
		for range outstanding {
			acks = binary.BigEndian.AppendUint16(append(acks, 0x40, 2), id)
			id = following(id)
		}
		stop.Store(round == rounds-1)
		if _, err := server.Write(acks); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := p.acked.Load(); got != outstanding*rounds || p.latency.total != outstanding*rounds {
		t.Errorf("%d messages were acknowledged", got)
	}
}

func TestAPublisherRefusesWrongAcknowledgements(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ acks, want string }{
		"another packet":  {"\x30\x02\x00\x01", "no PUBACK"},
		"another message": {"\x40\x02\x00\x02", "out of order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPublisher(nil, "t", 1, 10)
			err := p.acknowledged([]byte(c.acks), false)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func readFull(conn net.Conn, into []byte) error {
	if err := conn.SetReadDeadline(time.Now().Add(ioTimeout)); err != nil {
		return err
	}
	for n := 0; n < len(into); {
		m, err := conn.Read(into[n:])
		if err != nil {
			return err
		}
		n += m
	}
	return nil
}
