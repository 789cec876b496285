package mqtt_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
	"github.com/linarite/linarite/registry"
)

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// room is a hub with devices d and e and module d/m, and a server on loopback.
type room struct {
	*hub.Hub
	t     testing.TB
	clock *clock.Clock
	srv   *mqtt.Server
	addr  string
}

func open(t testing.TB, ho hub.Options, mo mqtt.Options) *room {
	t.Helper()
	ho.Clock = clock.NewManual(clock.Wall())
	h, err := hub.New(ho)
	require.NoError(t, err)
	mo.Hub = h
	srv, err := mqtt.New(mo)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv.Serve(ln, nil)
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		h.Close()
	})
	r := &room{Hub: h, t: t, clock: ho.Clock, srv: srv, addr: ln.Addr().String()}
	r.create("d")
	r.create("e")
	_, err = h.CreateModule(registry.Module{ID: "m", DeviceID: "d", Authentication: wellKnown()})
	require.NoError(t, err)
	return r
}

// enter opens a room with nothing special about it.
func enter(t testing.TB) *room {
	return open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{Log: zerolog.Nop()})
}

func wellKnown() iot.Authentication {
	return iot.Authentication{
		Type: iot.AuthenticationSAS, PrimaryKey: auth.WellKnownKey, SecondaryKey: auth.WellKnownKey,
	}
}

func (r *room) create(id string) {
	r.t.Helper()
	_, err := r.CreateDevice(registry.Device{ID: id, Authentication: wellKnown()})
	require.NoError(r.t, err)
}

func token(t testing.TB, resource string) string {
	t.Helper()
	s, err := auth.Sign(resource, auth.WellKnownKey, "", time.Unix(4102444800, 0)) // the year 2100
	require.NoError(t, err)
	return s
}

// dial opens a connection that has sent nothing yet.
func (r *room) dial() *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	require.NoError(r.t, err)
	return newClient(r.t, conn)
}

// join connects an identity with CleanSession 1 and nothing special.
func (r *room) join(id iot.Identity) *client {
	r.t.Helper()
	return r.enter(hello(r.t, id))
}

// enter connects and expects CONNACK 0 without a session.
func (r *room) enter(h connect) *client {
	r.t.Helper()
	c := r.dial()
	c.send(h.bytes())
	c.expect(0x20, 2, 0, 0)
	return c
}

// resume connects with CleanSession 0 and expects the SESSION-PRESENT given.
func (r *room) resume(id iot.Identity, present byte) *client {
	r.t.Helper()
	h := hello(r.t, id)
	h.clean = false
	c := r.dial()
	c.send(h.bytes())
	c.expect(0x20, 2, present, 0)
	return c
}

// journal waits for n events and returns them all, in the order of their
// partitions.
func (r *room) journal(n int) []events.Event {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cursor := r.Events().Start()
	var all []events.Event
	for len(all) < n {
		require.NoError(r.t, r.Events().WaitAny(ctx, cursor))
		var some []events.Event
		some, cursor = r.Events().ReadAll(cursor, n)
		all = append(all, some...)
	}
	return all
}

// goodbye waits until the identity is no longer connected and returns why.
func (r *room) goodbye(id iot.Identity) hub.Disconnection {
	r.t.Helper()
	var last hub.Disconnection
	require.Eventually(r.t, func() bool {
		for _, c := range r.Connections() {
			if c.Identity == id && !c.Connected && c.Last != nil {
				last = *c.Last
				return true
			}
		}
		return false
	}, patience, time.Millisecond)
	return last
}

// refusal waits until it is known why c was turned away.
func (r *room) refusal(c *client) hub.Refusal {
	r.t.Helper()
	var why hub.Refusal
	require.Eventually(r.t, func() bool {
		for _, why = range r.Refusals() {
			if why.RemoteAddr == c.conn.LocalAddr().String() {
				return true
			}
		}
		return false
	}, patience, time.Millisecond)
	return why
}

func (r *room) sendMessage(m c2d.Message) {
	r.t.Helper()
	_, err := r.Send(iot.Device("d"), m)
	require.NoError(r.t, err)
}

func (r *room) sendText(body string) {
	r.t.Helper()
	r.sendMessage(c2d.Message{Message: iot.Message{Body: []byte(body)}})
}

// connect is a CONNECT packet.
type connect struct {
	name      string
	level     byte
	flags     byte // besides those that follow from the rest
	clean     bool
	keepAlive uint16
	id        string
	will      *will
	user      string
	noUser    bool
	password  string
	empty     bool // a password of no bytes
	tail      string
}

type will struct {
	topic, body string
	qos         byte
	retain      bool
}

// hello is the CONNECT that an SDK would send.
func hello(t testing.TB, id iot.Identity) connect {
	t.Helper()
	return connect{
		name: "MQTT", level: 4, clean: true, keepAlive: 60, id: id.String(),
		user:     "127.0.0.1/" + id.String() + "/?api-version=2021-04-12&DeviceClientType=raw",
		password: token(t, "127.0.0.1/"+id.Path()),
	}
}

func (c connect) bytes() []byte {
	flags := c.flags
	if c.clean {
		flags |= 1 << 1
	}
	if c.will != nil {
		flags |= 1<<2 | c.will.qos<<3
		if c.will.retain {
			flags |= 1 << 5
		}
	}
	if c.password != "" || c.empty {
		flags |= 1 << 6
	}
	if !c.noUser {
		flags |= 1 << 7
	}
	b := text(nil, c.name)
	b = append(b, c.level, flags, byte(c.keepAlive>>8), byte(c.keepAlive))
	if c.level == 5 {
		b = append(b, 0)
	}
	b = text(b, c.id)
	if c.will != nil {
		b = text(text(b, c.will.topic), c.will.body)
	}
	if !c.noUser {
		b = text(b, c.user)
	}
	if c.password != "" || c.empty {
		b = text(b, c.password)
	}
	return packet(0x10, append(b, c.tail...))
}

func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// packet puts a fixed header before a body.
func packet(head byte, body []byte) []byte {
	b := []byte{head}
	n := len(body)
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), body...)
}

// publish is a PUBLISH; id 0 is QoS 0.
func publish(id uint16, topic, body string) []byte {
	if id == 0 {
		return packet(0x30, append(text(nil, topic), body...))
	}
	return packet(0x32, append(binary.BigEndian.AppendUint16(text(nil, topic), id), body...))
}

// subscribe asks for filters, each at the QoS given.
func subscribe(id uint16, qos byte, filters ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	for _, f := range filters {
		b = append(text(b, f), qos)
	}
	return packet(0x82, b)
}

func unsubscribe(id uint16, filters ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	for _, f := range filters {
		b = text(b, f)
	}
	return packet(0xA2, b)
}

func puback(id uint16) []byte { return []byte{0x40, 2, byte(id >> 8), byte(id)} }

var disconnect = []byte{0xE0, 0}

// client is the other end of a connection.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (c *client) send(packets ...[]byte) {
	c.t.Helper()
	_, err := c.conn.Write(bytes.Join(packets, nil))
	require.NoError(c.t, err)
}

// packet reads the next packet.
func (c *client) packet() (head byte, body []byte) {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(clock.Wall().Add(patience)))
	head, err := c.r.ReadByte()
	require.NoError(c.t, err)
	n, err := binary.ReadUvarint(c.r)
	require.NoError(c.t, err)
	body = make([]byte, n)
	_, err = io.ReadFull(c.r, body)
	require.NoError(c.t, err)
	return head, body
}

// expect reads the next packet and compares it.
func (c *client) expect(want ...byte) {
	c.t.Helper()
	head, body := c.packet()
	require.Equal(c.t, want, packet(head, body))
}

// message is a PUBLISH that came.
type message struct {
	topic, body string
	qos         byte
	id          uint16
	dup         bool
}

func (c *client) message() message {
	c.t.Helper()
	head, body := c.packet()
	require.Equal(c.t, byte(0x30), head&0xF1, "a PUBLISH without RETAIN")
	m := message{qos: head >> 1 & 3, dup: head&8 != 0}
	n := binary.BigEndian.Uint16(body)
	m.topic, body = string(body[2:2+n]), body[2+n:]
	if m.qos > 0 {
		m.id, body = binary.BigEndian.Uint16(body), body[2:]
	}
	m.body = string(body)
	return m
}

// quiet makes sure that nothing has been sent besides what was read: a PINGREQ
// is answered next.
func (c *client) quiet() {
	c.t.Helper()
	c.send([]byte{0xC0, 0})
	c.expect(0xD0, 0)
}

// closed makes sure that the connection ends with nothing more on the wire.
func (c *client) closed() {
	c.t.Helper()
	require.Empty(c.t, c.rest())
}

// rest is everything up to the end of the connection.
func (c *client) rest() []byte {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(clock.Wall().Add(patience)))
	b, err := io.ReadAll(c.r)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		require.Fail(c.t, "the connection is still open")
	}
	return b
}
