package wire_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// client is one raw connection with a hub. Its methods fail the test on anything
// that was not expected, and on a DISCONNECT above all: an MQTT 3.1.1 server has
// none to send.
type client struct {
	t    testing.TB
	hub  *harness.Hub
	conn net.Conn // TLS, or WebSocket on top of TLS
	in   *bufio.Reader
}

// sources counts the clients, since each comes from a loopback address of its
// own: the hub's log and its list of refusals know a stranger by nothing else.
var sources atomic.Uint32

// errTimeout is what a read says whose deadline has passed.
var errTimeout = os.ErrDeadlineExceeded

// dialRaw opens a TCP connection with one of the hub's ports.
func dialRaw(t testing.TB, h *harness.Hub, port string) net.Conn {
	t.Helper()
	n := sources.Add(1)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 90, byte(n>>8), byte(n))}}
	ctx, cancel := context.WithTimeout(context.Background(), harness.Deadline)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", h.Addr(port))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// dial opens a connection that has sent nothing yet. The hub's certificate is
// checked.
func dial(t testing.TB, h *harness.Hub) *client {
	t.Helper()
	conn := tls.Client(dialRaw(t, h, harness.MQTTPort), h.TLS())
	ctx, cancel := context.WithTimeout(context.Background(), harness.Deadline)
	defer cancel()
	require.NoError(t, conn.HandshakeContext(ctx))
	return newClient(t, h, conn)
}

func newClient(t testing.TB, h *harness.Hub, conn net.Conn) *client {
	return &client{t: t, hub: h, conn: conn, in: bufio.NewReader(conn)}
}

// remote is the client's address as the hub sees it.
func (c *client) remote() string { return c.conn.LocalAddr().String() }

// send writes packets, in one piece.
func (c *client) send(packets ...[]byte) {
	c.t.Helper()
	var all []byte
	for _, p := range packets {
		all = append(all, p...)
	}
	require.NoError(c.t, c.conn.SetWriteDeadline(time.Now().Add(harness.Deadline)))
	_, err := c.conn.Write(all)
	require.NoError(c.t, err)
}

// trySend is send to a hub that may be closing the connection.
func (c *client) trySend(b []byte) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(harness.Deadline))
	_, _ = c.conn.Write(b)
}

// packet reads the next packet, whole.
func (c *client) packet() []byte {
	c.t.Helper()
	p, err := c.read(harness.Deadline)
	require.NoError(c.t, err, "a packet has to come")
	require.NotEqual(c.t, byte(0xE0), p[0]&0xF0, "a server sends no DISCONNECT")
	return p
}

func (c *client) read(patience time.Duration) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	first, err := c.in.ReadByte()
	if err != nil {
		return nil, err
	}
	raw, length := []byte{first}, 0
	for shift := 0; ; shift += 7 {
		b, err := c.in.ReadByte()
		if err != nil {
			return nil, err
		}
		raw = append(raw, b)
		length |= int(b&0x7F) << shift
		if b < 0x80 {
			break
		}
	}
	start := len(raw)
	raw = append(raw, make([]byte, length)...)
	_, err = io.ReadFull(c.in, raw[start:])
	return raw, err
}

// expect reads packets and compares them byte by byte.
func (c *client) expect(packets ...[]byte) {
	c.t.Helper()
	for _, want := range packets {
		require.Equal(c.t, want, c.packet())
	}
}

// ping says that nothing is under way: whatever the hub had to answer so far has
// been read.
func (c *client) ping() {
	c.t.Helper()
	c.send(pingreq)
	c.expect(pingresp)
}

// closed waits for the hub to close the connection, having sent nothing more.
func (c *client) closed() {
	c.t.Helper()
	c.closedWithin(harness.Deadline)
}

func (c *client) closedWithin(patience time.Duration) {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	rest, err := io.ReadAll(c.in)
	require.NotErrorIs(c.t, err, errTimeout, "the hub has to close the connection")
	require.Empty(c.t, rest, "the hub sends nothing before it closes the connection")
}

// vanish ends the connection without a goodbye.
func (c *client) vanish() { _ = c.conn.Close() }

// leave sends DISCONNECT and waits for the hub to close.
func (c *client) leave() {
	c.t.Helper()
	c.send(disconnect)
	c.closed()
}

// subscribe subscribes and checks the SUBACK: a code for each filter, QoS 2
// granted as 1.
func (c *client) subscribe(qos byte, filters ...string) {
	c.t.Helper()
	const id = 0x5B5B
	c.send(subscribe(id, qos, filters...))
	granted := bytesOf(uint16(id))
	for range filters {
		granted = append(granted, min(qos, 1))
	}
	c.expect(packetOf(0x90, granted))
}

// publication is a PUBLISH from the hub.
type publication struct {
	topic, body string
	qos         byte
	dup, retain bool
	id          uint16 // 0 with QoS 0
}

// publication reads the next packet, which has to be a PUBLISH.
func (c *client) publication() publication {
	c.t.Helper()
	raw := c.packet()
	require.Equal(c.t, byte(0x30), raw[0]&0xF0, "a PUBLISH, not % x", raw)
	p := publication{qos: raw[0] >> 1 & 3, dup: raw[0]&8 != 0, retain: raw[0]&1 != 0}
	rest := raw[1:]
	for rest[0] >= 0x80 { // the length
		rest = rest[1:]
	}
	rest = rest[1:]
	length := int(binary.BigEndian.Uint16(rest))
	p.topic, rest = string(rest[2:2+length]), rest[2+length:]
	if p.qos > 0 {
		p.id, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	p.body = string(rest)
	return p
}
