package amqp_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/linarite/linarite/amqp"
	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// host is the hub's first name.
const host = "127.0.0.1"

// room is a hub with devices d and e and module d/m, and a server on loopback.
type room struct {
	*hub.Hub
	t     testing.TB
	clock *clock.Clock
	srv   *amqp.Server
	addr  string
}

func enter(t testing.TB) *room {
	return open(t, hub.Options{Log: zerolog.Nop()}, amqp.Options{Log: zerolog.Nop()})
}

func open(t testing.TB, ho hub.Options, ao amqp.Options) *room {
	t.Helper()
	ho.Clock = clock.NewManual(clock.Wall())
	h, err := hub.New(ho)
	require.NoError(t, err)
	ao.Hub = h
	srv, err := amqp.New(ao)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv.Serve(ln, nil)
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		h.Close()
	})
	r := &room{Hub: h, t: t, clock: ho.Clock, srv: srv, addr: ln.Addr().String()}
	for _, id := range []string{"d", "e"} {
		_, err = h.CreateDevice(registry.Device{ID: id, Authentication: wellKnown()})
		require.NoError(t, err)
	}
	_, err = h.CreateModule(registry.Module{ID: "m", DeviceID: "d", Authentication: wellKnown()})
	require.NoError(t, err)
	return r
}

func wellKnown() iot.Authentication {
	return iot.Authentication{
		Type: iot.AuthenticationSAS, PrimaryKey: auth.WellKnownKey, SecondaryKey: auth.WellKnownKey,
	}
}

// token is signed by a policy, or by an identity's own key when that is "".
func token(t testing.TB, resource, policy string, life time.Duration) string {
	t.Helper()
	s, err := auth.Sign(resource, auth.WellKnownKey, policy, clock.Wall().Add(life))
	require.NoError(t, err)
	return s
}

// client is a peer of the server's.
type client struct {
	t      testing.TB
	conn   net.Conn
	in     *bufio.Reader
	handle uint32 // the next one
	id     uint32 // the next delivery's
}

// dial opens a connection that has sent nothing yet.
func (r *room) dial() *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return &client{t: r.t, conn: conn, in: bufio.NewReader(conn)}
}

// stranger has a session and no token.
func (r *room) stranger() *client {
	r.t.Helper()
	c := r.dial()
	c.raw("AMQP\x00\x01\x00\x00")
	c.header()
	c.establish()
	return c
}

// join is a back end that has shown a policy's token for the whole hub.
func (r *room) join(policy string) *client {
	r.t.Helper()
	c := r.stranger()
	c.requests("$cbs")
	require.Equal(r.t, int32(200), c.putToken(host, token(r.t, host, policy, time.Hour)))
	return c
}

func (c *client) establish() {
	c.t.Helper()
	c.send(&codec.Open{ContainerID: "c", Hostname: codec.Some(host), MaxFrameSize: 1 << 16, ChannelMax: 10})
	expect[*codec.Open](c)
	c.send(&codec.Begin{IncomingWindow: 1 << 16, OutgoingWindow: 1 << 16, HandleMax: 255})
	expect[*codec.Begin](c)
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

func frameOf(kind byte, body codec.Composite, payload []byte) string {
	b := codec.Append([]byte{0, 0, 0, 0, 2, kind, 0, 0}, body)
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return string(b)
}

func (c *client) send(body codec.Composite) {
	c.t.Helper()
	c.raw(frameOf(0, body, nil))
}

func (c *client) read() (body any, payload []byte) {
	c.t.Helper()
	var h [8]byte
	_ = c.conn.SetReadDeadline(clock.Wall().Add(patience))
	_, err := io.ReadFull(c.in, h[:])
	require.NoError(c.t, err)
	b := make([]byte, binary.BigEndian.Uint32(h[:])-8)
	_, err = io.ReadFull(c.in, b)
	require.NoError(c.t, err)
	body, payload, err = codec.Decode(b)
	require.NoError(c.t, err)
	return body, payload
}

// expect reads a frame of one type, passing over flows.
func expect[T any](c *client) T {
	c.t.Helper()
	for {
		body, _ := c.read()
		if got, ok := body.(T); ok {
			return got
		}
		_, flow := body.(*codec.Flow)
		require.True(c.t, flow, "unexpected %T %+v", body, body)
	}
}

// attach attaches a link without looking at the answer.
func (c *client) attach(a *codec.Attach) (handle uint32) {
	c.t.Helper()
	a.Handle = c.handle
	c.handle++
	if a.Name == "" {
		a.Name = fmt.Sprint("link-", a.Handle)
	}
	c.send(a)
	return a.Handle
}

// receive attaches a link to read from an address, and grants credit.
func (c *client) receive(address string, credit uint32) uint32 {
	c.t.Helper()
	return c.receiveWith(&codec.Attach{Source: &codec.Source{Address: address}}, credit)
}

func (c *client) receiveWith(a *codec.Attach, credit uint32) uint32 {
	c.t.Helper()
	a.Role, a.Target = codec.RoleReceiver, &codec.Target{Address: "me"}
	handle := c.attach(a)
	require.NotNil(c.t, expect[*codec.Attach](c).Source, "refused")
	c.grant(handle, credit)
	return handle
}

func (c *client) grant(handle, credit uint32) {
	c.t.Helper()
	c.send(&codec.Flow{
		IncomingWindow: 1 << 16, OutgoingWindow: 1 << 16, Handle: codec.Some(handle),
		DeliveryCount: codec.Some(uint32(0)), LinkCredit: codec.Some(credit),
	})
}

// sender attaches a link to send to an address.
func (c *client) sender(address string) uint32 {
	c.t.Helper()
	handle := c.attach(&codec.Attach{
		Source: &codec.Source{Address: "me"}, Target: &codec.Target{Address: address}, InitialDeliveryCount: codec.Some(uint32(0)),
	})
	require.NotNil(c.t, expect[*codec.Attach](c).Target, "refused")
	return handle
}

// refused attaches a link and returns why it was refused.
func (c *client) refused(role codec.Role, address string) *codec.Error {
	c.t.Helper()
	return c.refusedWith(&codec.Attach{
		Role: role, Source: &codec.Source{Address: address}, Target: &codec.Target{Address: address},
	})
}

func (c *client) refusedWith(a *codec.Attach) *codec.Error {
	c.t.Helper()
	c.attach(a)
	expect[*codec.Attach](c)
	return expect[*codec.Detach](c).Error
}

// transfer sends a message and returns its delivery id.
func (c *client) transfer(handle uint32, m *codec.Message) uint32 {
	c.t.Helper()
	id := c.id
	c.id++
	encoded := m.Append(nil)
	for first := true; first || len(encoded) > 0; first = false {
		part := encoded[:min(len(encoded), 50_000)]
		encoded = encoded[len(part):]
		c.raw(frameOf(0, &codec.Transfer{
			Handle: handle, DeliveryID: codec.Some(id), DeliveryTag: []byte{byte(id)}, MessageFormat: codec.Some(uint32(0)),
			More: len(encoded) > 0,
		}, part))
	}
	return id
}

// deliver sends a message and returns its outcome.
func (c *client) deliver(handle uint32, m *codec.Message) any {
	c.t.Helper()
	id := c.transfer(handle, m)
	d := expect[*codec.Disposition](c)
	require.Equal(c.t, id, d.First)
	require.True(c.t, d.Settled)
	return d.State
}

// message reads the next message, and its first transfer.
func (c *client) message() (first *codec.Transfer, m *codec.Message) {
	c.t.Helper()
	var whole []byte
	for {
		body, payload := c.read()
		tr, ok := body.(*codec.Transfer)
		if !ok {
			_, flow := body.(*codec.Flow)
			require.True(c.t, flow, "unexpected %T %+v", body, body)
			continue
		}
		if first == nil {
			first = tr
		}
		whole = append(whole, payload...)
		if tr.More {
			continue
		}
		m, err := codec.DecodeMessage(whole)
		require.NoError(c.t, err)
		return first, m
	}
}

// quiet checks that nothing is on its way but flows: the answer to one, which is
// for no link, comes next.
func (c *client) quiet() {
	c.t.Helper()
	c.send(&codec.Flow{IncomingWindow: 1 << 16, OutgoingWindow: 1 << 16, Echo: true})
	for {
		body, _ := c.read()
		f, ok := body.(*codec.Flow)
		require.True(c.t, ok, "unexpected %T %+v", body, body)
		if !f.Handle.OK {
			return
		}
	}
}

// closed checks that the hub has ended the connection.
func (c *client) closed() {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(clock.Wall().Add(patience)))
	_, err := io.Copy(io.Discard, c.in)
	require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded)
}

// requests opens the two links of request and reply.
func (c *client) requests(node string) (sender uint32) {
	c.t.Helper()
	c.receive(node, 10_000)
	return c.sender(node)
}

// ask sends a request on the latest link and returns the reply.
func (c *client) ask(id any, application codec.Map, body any) *codec.Message {
	c.t.Helper()
	m := &codec.Message{
		Properties: &codec.Properties{MessageID: id, ReplyTo: "me"}, Application: application, Value: body, HasValue: true,
	}
	c.deliver(c.handle-1, m)
	_, reply := c.message()
	return reply
}

// putToken shows a token and returns the status.
func (c *client) putToken(audience, token string) int32 {
	c.t.Helper()
	reply := c.ask("t", codec.Map{
		{Key: "operation", Value: "put-token"}, {Key: "type", Value: "servicebus.windows.net:sastoken"}, {Key: "name", Value: audience},
	}, token)
	return reply.Application.Get("status-code").(int32)
}
