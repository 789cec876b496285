package main

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// streamer sends batches of QoS 0 messages. A PINGREQ ends each, and the next
// leaves when it is answered: by then the broker has read the whole batch.
type streamer struct {
	conn    net.Conn
	batch   []byte
	n       int64 // messages of a batch
	sent    atomic.Int64
	latency histogram // of whole batches
}

func newStreamer(conn net.Conn, topic string, payload, batch int) *streamer {
	frame := plainPacket(topic, make([]byte, payload))
	s := &streamer{conn: conn, n: int64(batch)}
	for range batch {
		s.batch = append(s.batch, frame...)
	}
	s.batch = append(s.batch, 0xc0, 0)
	return s
}

func (s *streamer) count() (int64, *histogram) { return s.sent.Load(), &s.latency }

func (s *streamer) run(measuring, stop *atomic.Bool) error {
	var pong [2]byte
	for !stop.Load() {
		began := time.Now()
		if _, err := s.conn.Write(s.batch); err != nil {
			return err
		}
		if _, err := io.ReadFull(s.conn, pong[:]); err != nil {
			return err
		}
		if pong != [2]byte{0xd0, 0} {
			return fmt.Errorf("% x is no PINGRESP", pong)
		}
		s.sent.Add(s.n)
		if measuring.Load() {
			s.latency.record(time.Since(began))
		}
	}
	return nil
}
