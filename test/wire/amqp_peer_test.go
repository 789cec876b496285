package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// The traps that the project's reference (amqp.md) lists, each of which cost an
// SDK's connection, and the tests against the built binary; beside the code, `Trap`
// and its number stand before others.
//
//	 1  no zero for a field with a default      TestWhatAnAttachIsAnsweredWith
//	 2  every field, trailing nulls too         TestWhatTheHubSaysOfItself, TestAnEventOverAMQP, TestWhatAnAttachIsAnsweredWith
//	 3  replies wait for credit                 TestAReplyWaitsForCredit, TestTheReplyHasTheRequestsIDInItsType
//	 4  events come settled                     TestAnEventOverAMQP, TestSettlementModes
//	 5  no SASL at all                          TestEveryWayInOverAMQP/*/no_SASL
//	 6  batches                                 TestABatchOfTelemetry
//	 7  types of $management                    TestTheEndpointDescribesItself
//	 8  paths and sub-protocol of WebSockets    TestEveryWayInOverAMQP/WebSocket*
//	 9  forms of the selector                   TestWhereAReaderBegins, TestTheDescriptorOfASelector
//	10  forms of the audience                   TestTheAudienceOfAToken
//	11  refusal: null terminus, then detach     (*peer).attach, TestARightThatIsMissing

// Protocol headers, types of frames and performatives.
// OASIS: amqp-core-transport 2.2 to 2.7, amqp-core-security 5.3.
const (
	amqpHeader = "AMQP\x00\x01\x00\x00"
	saslHeader = "AMQP\x03\x01\x00\x00"

	amqpFrame = 0
	saslFrame = 1

	performOpen        = 0x10
	performBegin       = 0x11
	performAttach      = 0x12
	performFlow        = 0x13
	performTransfer    = 0x14
	performDisposition = 0x15
	performDetach      = 0x16
	performEnd         = 0x17
	performClose       = 0x18

	saslMechanisms = 0x40
	saslInit       = 0x41
	saslOutcome    = 0x44
)

// frame is one that came. An empty one has no code.
type frame struct {
	code    uint64
	list    list
	payload []byte
}

// at is a field of the frame, or nil: trailing ones may be missing.
func (f frame) at(i int) any {
	if i < len(f.list) {
		return f.list[i]
	}
	return nil
}

// peer is one raw AMQP connection with a hub. Its methods fail the test on
// anything that was not expected.
type peer struct {
	t    testing.TB
	hub  *harness.Hub
	conn net.Conn
	in   *bufio.Reader

	handles    uint32 // in use so far
	deliveries uint32 // sent so far
}

// dialAMQP opens a connection that has sent nothing yet. The hub's certificate is
// checked.
func dialAMQP(t testing.TB, h *harness.Hub) *peer {
	t.Helper()
	conn := tls.Client(dialRaw(t, h, harness.AMQPSPort), h.TLS())
	ctx, cancel := context.WithTimeout(context.Background(), harness.Deadline)
	defer cancel()
	require.NoError(t, conn.HandshakeContext(ctx))
	return newPeer(t, h, conn)
}

// dialAMQPWebSocket opens a WebSocket that has sent nothing yet.
func dialAMQPWebSocket(t testing.TB, h *harness.Hub, path string) *peer {
	t.Helper()
	c := dialWebSocket(t, h, path, "AMQPWSB10")
	return newPeer(t, h, c.conn)
}

func newPeer(t testing.TB, h *harness.Hub, conn net.Conn) *peer {
	return &peer{t: t, hub: h, conn: conn, in: bufio.NewReader(conn)}
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	require.NoError(p.t, p.conn.SetWriteDeadline(time.Now().Add(harness.Deadline)))
	_, err := p.conn.Write(b)
	require.NoError(p.t, err)
}

// frameOf is a frame; body is nil for an empty one.
func frameOf(kind byte, channel uint16, body any, payload []byte) []byte {
	b := []byte{0, 0, 0, 0, 2, kind, byte(channel >> 8), byte(channel)}
	if body != nil {
		b = encode(b, body)
	}
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// send sends a performative on channel 0.
func (p *peer) send(code uint64, values ...any) {
	p.t.Helper()
	p.write(frameOf(amqpFrame, 0, of(code, values...), nil))
}

// read reads a frame, empty ones included.
func (p *peer) read() (frame, error) {
	var head [8]byte
	if err := p.conn.SetReadDeadline(time.Now().Add(harness.Deadline)); err != nil {
		return frame{}, err
	}
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return frame{}, err
	}
	b := make([]byte, max(binary.BigEndian.Uint32(head[:]), 8)-8)
	if _, err := io.ReadFull(p.in, b); err != nil || len(b) == 0 {
		return frame{}, err
	}
	v, rest, err := decode(b)
	d, ok := v.(described)
	if err != nil || !ok {
		return frame{}, fmt.Errorf("%T is no performative: %w", v, err)
	}
	code, _ := d.descriptor.(uint64)
	values, _ := d.value.(list)
	return frame{code, values, rest}, nil
}

// next reads the next frame that says something.
func (p *peer) next() frame {
	p.t.Helper()
	for {
		f, err := p.read()
		require.NoError(p.t, err, "a frame has to come")
		if f.code != 0 {
			return f
		}
	}
}

// expect reads a frame of one kind, passing over flows.
func (p *peer) expect(code uint64) frame {
	p.t.Helper()
	for {
		f := p.next()
		if f.code == performFlow && code != performFlow {
			continue
		}
		require.Equal(p.t, code, f.code, "%#x: %v", f.code, f.list)
		return f
	}
}

// header sends a protocol header and expects it back.
func (p *peer) header(h string) {
	p.t.Helper()
	p.write([]byte(h))
	require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(harness.Deadline)))
	var b [8]byte
	_, err := io.ReadFull(p.in, b[:])
	require.NoError(p.t, err)
	require.Equal(p.t, h, string(b[:]))
}

// sasl chooses a mechanism and returns the outcome's code: 0 lets in.
func (p *peer) sasl(mechanism, response string) uint8 {
	p.t.Helper()
	p.header(saslHeader)
	offered := p.next()
	require.EqualValues(p.t, saslMechanisms, offered.code)
	p.write(frameOf(saslFrame, 0, of(saslInit, symbol(mechanism), []byte(response)), nil))
	outcome := p.next()
	require.EqualValues(p.t, saslOutcome, outcome.code)
	return outcome.at(0).(uint8)
}

// enter opens the connection and a session on channel 0.
func (p *peer) enter() *peer {
	p.t.Helper()
	p.header(amqpHeader)
	p.send(performOpen, "raw", p.hub.Address, uint32(1<<16), uint16(100))
	p.expect(performOpen)
	p.begin(1 << 16)
	return p
}

// begin begins a session on channel 0, with a window for what the hub sends.
func (p *peer) begin(window uint32) {
	p.t.Helper()
	p.send(performBegin, nil, uint32(0), window, uint32(1<<16), uint32(255))
	p.expect(performBegin)
}

// gone waits for the hub to close the connection, and returns the error of its
// close, if it sent one first.
func (p *peer) gone() *failure {
	p.t.Helper()
	var said *failure
	for {
		f, err := p.read()
		if err != nil {
			require.NotErrorIs(p.t, err, errTimeout, "the hub has to close the connection")
			return said
		}
		if f.code == performClose {
			said = failureOf(f.at(0))
		}
	}
}

// quiet says that nothing is under way: whatever the hub had to send so far has
// been read. The answer to an echo comes next, flows apart.
func (p *peer) quiet() {
	p.t.Helper()
	p.send(performFlow, uint32(1), uint32(1<<16), uint32(0), uint32(1<<16), nil, nil, nil, nil, false, true)
	for {
		f := p.next()
		require.EqualValues(p.t, performFlow, f.code, "%#x: %v", f.code, f.list)
		if f.at(4) == nil {
			return
		}
	}
}

// failure is an error of the hub's.
type failure struct {
	condition, text string
	code            int32 // of six digits, or 0
	info            dict
}

// failureOf reads an error; nil is none.
func failureOf(v any) *failure {
	d, ok := v.(described)
	if !ok {
		return nil
	}
	values := append(d.value.(list), nil, nil, nil)
	f := &failure{condition: string(values[0].(symbol))}
	f.text, _ = values[1].(string)
	f.info, _ = values[2].(dict)
	f.code, _ = f.info.get("error-code").(int32)
	return f
}

// String is the condition and, where there is one, the code.
func (f *failure) String() string {
	switch {
	case f == nil:
		return ""
	case f.code == 0:
		return f.condition
	}
	return fmt.Sprintf("%s (%d)", f.condition, f.code)
}
