package transport_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// The protocol headers.
const (
	plainHeader = "AMQP\x00\x01\x00\x00"
	saslHeader  = "AMQP\x03\x01\x00\x00"
)

// house is a handler whose nodes are set by a test.
type house struct {
	trust  bool
	proved int // identities, with trust
	sasl   func(mechanism string, response []byte) bool
	attach func(l *transport.Link) (transport.Node, *codec.Error)
}

func (h *house) SASL(_ *transport.Conn, mechanism string, response []byte) bool {
	return h.sasl == nil || h.sasl(mechanism, response)
}

func (h *house) Open(c *transport.Conn, _ *codec.Open) *codec.Error {
	if h.trust {
		c.Trust(h.proved)
	}
	return nil
}

func (h *house) Attach(l *transport.Link) (transport.Node, *codec.Error) { return h.attach(l) }

// client is the other end of a connection that Run serves.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	over chan error // what Run returned
}

// dial starts a connection; nothing has been sent yet.
func dial(t testing.TB, h transport.Handler, o transport.Options) *client {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	server, err := ln.Accept()
	require.NoError(t, err)
	c := &client{t: t, conn: conn, in: bufio.NewReader(conn), over: make(chan error, 1)}
	go func() { c.over <- transport.Run(server, func() { _ = server.Close() }, h, o) }()
	t.Cleanup(func() {
		_ = conn.Close()
		select {
		case <-c.over:
		case <-time.After(patience):
			t.Error("the connection did not end")
		}
	})
	return c
}

// enter begins a session on channel 0 with a wide window.
func enter(t testing.TB, h *house) *client {
	t.Helper()
	h.trust = true
	c := dial(t, h, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 1 << 20, ChannelMax: 10})
	c.begin(0, 1000)
	return c
}

func (c *client) open(o *codec.Open) *codec.Open {
	c.t.Helper()
	c.raw(plainHeader)
	require.Equal(c.t, plainHeader, c.header())
	c.send(0, o)
	return expect[*codec.Open](c)
}

func (c *client) begin(channel uint16, window uint32) {
	c.t.Helper()
	c.send(channel, &codec.Begin{NextOutgoingID: 0, IncomingWindow: window, OutgoingWindow: window, HandleMax: 255})
	require.Equal(c.t, channel, expect[*codec.Begin](c).RemoteChannel.Value)
}

func (c *client) raw(s string) {
	c.t.Helper()
	_, err := c.conn.Write([]byte(s))
	require.NoError(c.t, err)
}

func (c *client) header() string {
	c.t.Helper()
	var b [8]byte
	_ = c.conn.SetReadDeadline(clock.Wall().Add(patience))
	_, err := io.ReadFull(c.in, b[:])
	require.NoError(c.t, err)
	return string(b[:])
}

func frameOf(kind byte, channel uint16, body codec.Composite, payload string) []byte {
	b := []byte{0, 0, 0, 0, 2, kind, byte(channel >> 8), byte(channel)}
	if body != nil {
		b = codec.Append(b, body)
	}
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func (c *client) send(channel uint16, body codec.Composite) {
	c.raw(string(frameOf(0, channel, body, "")))
}

func (c *client) transfer(t *codec.Transfer, payload string) {
	c.raw(string(frameOf(0, 0, t, payload)))
}

// read reads a frame; its body is nil when it is empty.
func (c *client) read() (body any, payload []byte) {
	c.t.Helper()
	var h [8]byte
	_ = c.conn.SetReadDeadline(clock.Wall().Add(patience))
	_, err := io.ReadFull(c.in, h[:])
	require.NoError(c.t, err)
	b := make([]byte, binary.BigEndian.Uint32(h[:])-8)
	_, err = io.ReadFull(c.in, b)
	require.NoError(c.t, err)
	if len(b) == 0 {
		return nil, nil
	}
	body, payload, err = codec.Decode(b)
	require.NoError(c.t, err)
	return body, payload
}

// expect reads a frame of one type.
func expect[T any](c *client) T {
	c.t.Helper()
	body, _ := c.read()
	got, ok := body.(T)
	require.True(c.t, ok, "unexpected %T %+v", body, body)
	return got
}

// receiver attaches a link on which we send, and grants credit.
func (c *client) receiver(handle, credit uint32) {
	c.t.Helper()
	c.send(0, &codec.Attach{
		Name: "r", Handle: handle, Role: codec.RoleReceiver, Source: &codec.Source{Address: "q"}, Target: &codec.Target{Address: "me"},
	})
	a := expect[*codec.Attach](c)
	require.Equal(c.t, codec.RoleSender, a.Role)
	require.NotNil(c.t, a.Source)
	c.credit(handle, credit, false)
}

func (c *client) credit(handle, credit uint32, drain bool) {
	c.t.Helper()
	c.send(0, &codec.Flow{
		NextIncomingID: codec.Some(uint32(1)), IncomingWindow: 1000, OutgoingWindow: 1000, Handle: codec.Some(handle),
		DeliveryCount: codec.Some(uint32(0)), LinkCredit: codec.Some(credit), Drain: drain,
	})
}

// sender attaches a link on which the client sends, and returns its credit.
func (c *client) sender(handle uint32) uint32 {
	c.t.Helper()
	c.send(0, &codec.Attach{
		Name: "s", Handle: handle, Role: codec.RoleSender, Source: &codec.Source{Address: "me"}, Target: &codec.Target{Address: "q"},
		InitialDeliveryCount: codec.Some(uint32(0)),
	})
	require.NotNil(c.t, expect[*codec.Attach](c).Target)
	return expect[*codec.Flow](c).LinkCredit.Value
}

// end is what Run returned.
func (c *client) end() error {
	c.t.Helper()
	select {
	case err := <-c.over:
		c.over <- err
		return err
	case <-time.After(patience):
		require.Fail(c.t, "the connection did not end")
		return nil
	}
}
