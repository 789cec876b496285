package amqp_test

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
)

// BenchmarkRead is one reader of one partition, from the log to the client's
// socket: an operation is an event of 300 bytes. The events come in portions, of which
// the log drops nothing.
func BenchmarkRead(b *testing.B) {
	r := one(b)
	origin := &iot.Origin{Identity: iot.Device("d"), GenerationID: "1", AuthMethod: `{"scope":"device"}`}
	body := []byte(strings.Repeat("x", 300))
	const portion = 50_000
	write := func(n int) {
		for range min(portion, b.N-n) {
			r.Events().Append("d", events.Event{Source: "Telemetry", Origin: origin, Message: iot.Message{Body: body}})
		}
	}
	write(0)
	c := r.join("service")
	link := c.receive(partition("$Default", 0), 0)
	b.SetBytes(300)
	b.ReportAllocs()
	b.ResetTimer()
	c.grant(link, 1<<30)
	for n := 0; n < b.N; {
		if !c.skip() {
			continue
		}
		n++
		if n%1000 == 0 { // the session's window
			c.send(&codec.Flow{
				NextIncomingID: codec.Some(uint32(n + 2)), IncomingWindow: 1 << 16, OutgoingWindow: 1 << 16,
			})
		}
		if n%portion == 0 {
			b.StopTimer()
			write(n)
			b.StartTimer()
		}
	}
}

// BenchmarkFollow is one reader that waits for each event: an operation is an event
// of 300 bytes, from the log to the client's socket.
func BenchmarkFollow(b *testing.B) {
	r := one(b)
	c := r.join("service")
	c.receive(partition("$Default", 0), 1<<30)
	e := events.Event{
		Source: "Telemetry", Origin: &iot.Origin{Identity: iot.Device("d"), GenerationID: "1", AuthMethod: `{"scope":"device"}`},
		Message: iot.Message{Body: []byte(strings.Repeat("x", 300))},
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		r.Events().Append("d", e)
		for !c.skip() {
		}
		if n%1000 == 0 { // the session's window
			c.send(&codec.Flow{
				NextIncomingID: codec.Some(uint32(n + 2)), IncomingWindow: 1 << 16, OutgoingWindow: 1 << 16,
			})
		}
	}
}

// skip reads a frame without looking into it, and says whether it is a transfer.
func (c *client) skip() bool {
	c.t.Helper()
	head, err := c.in.Peek(11)
	require.NoError(c.t, err)
	transfer := head[10] == 0x14
	_, err = c.in.Discard(int(binary.BigEndian.Uint32(head)))
	require.NoError(c.t, err)
	return transfer
}

// BenchmarkIdleLink is the memory that a back end's link takes on our side while
// it waits: an operation is a link.
func BenchmarkIdleLink(b *testing.B) {
	r := enter(b)
	before := inUse()
	var c *client
	for i := range b.N {
		if i%200 == 0 {
			c = r.join("service")
		}
		c.receive(feedback, 1)
	}
	b.ReportMetric(float64(inUse()-before)/float64(b.N), "B/link")
}

// inUse is the memory of heap and stacks.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
