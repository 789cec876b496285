package mqtt_test

import (
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

// One test for each of mochi's pitfalls that a broker built on it has to mind.

// Both sides count packet ids from 1, and mochi keeps them in one map: an
// inbound PUBLISH made it forget an outbound one with the same id, and a
// SUBSCRIBE with it was answered with 0x91.
func TestPitfallPacketIDsOfTheTwoDirectionsAreIndependent(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listen(1)
	r.sendMessage(c2d.Message{Ack: c2d.AckFull})
	id := c.message().id
	c.send(publish(id, "devices/d/messages/events/", ""))
	c.expect(puback(id)...)
	c.send(subscribe(id, 0, "$iothub/twin/res/#"))
	c.expect(0x90, 3, 0, byte(id), 0)
	c.send(unsubscribe(id, "$iothub/twin/res/#"))
	c.expect(0xB0, 2, 0, byte(id))
	require.Empty(t, r.Feedback().History())
	c.send(puback(id))
	c.quiet()
	require.Len(t, r.Feedback().History(), 1)
}

// The goroutine of the older connection took the newer one out of mochi's map.
func TestPitfallTheOlderConnectionLeavesTheNewerAlone(t *testing.T) {
	t.Parallel()
	r := enter(t)
	r.resume(iot.Device("d"), 0).listen(1)
	var last *client
	for range 200 {
		h := hello(t, iot.Device("d"))
		h.clean = false
		last = r.dial()
		last.send(h.bytes())
		last.expect(0x20, 2, 1, 0)
	}
	r.sendText("for the newest")
	require.Equal(t, "for the newest", last.message().body)
	require.Eventually(t, func() bool {
		clients, _ := r.srv.EngineHolds()
		return clients == 1
	}, patience, time.Millisecond)
}

// Connections of one identity at once: one stays, and it works.
func TestPitfallTakeoversAtOnce(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d")).bytes()
	clients := make([]*client, 20)
	for i := range clients {
		clients[i] = r.dial()
	}
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { _, _ = c.conn.Write(h) })
	}
	all.Wait()
	survivors := make(chan *client, len(clients))
	for _, c := range clients {
		all.Go(func() {
			_, _ = c.conn.Write([]byte{0xC0, 0})
			_ = c.conn.SetReadDeadline(clock.Wall().Add(patience))
			b := make([]byte, 6) // CONNACK and PINGRESP
			for n := 0; n < len(b); {
				k, err := c.conn.Read(b[n:])
				if err != nil {
					return // replaced
				}
				n += k
			}
			survivors <- c
		})
	}
	all.Wait()
	require.NotEmpty(t, survivors, "the last one got its answers")
	require.Equal(t, 1, r.ConnectedDevices())
}

// stumbling is a listener whose first accepts fail, as without file
// descriptors.
type stumbling struct {
	net.Listener
	mu    sync.Mutex
	fails int
}

func (l *stumbling) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails > 0 {
		l.fails--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// One failed accept stopped mochi's listener for ever.
func TestPitfallAFailedAcceptIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := enter(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.srv.Serve(&stumbling{Listener: ln, fails: 3}, nil)
	r.addr = ln.Addr().String()
	r.join(iot.Device("d")).quiet()
}

// A listener that fails for good does not hold Close up.
func TestPitfallCloseDoesNotWaitForAnAcceptToBeTriedAgain(t *testing.T) {
	t.Parallel()
	r := enter(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.srv.Serve(&stumbling{Listener: ln, fails: 1 << 30}, nil)
	require.NoError(t, r.srv.Close())
}

// Half of an MQTT 5 SUBSCRIBE made mochi's decoder panic, and the process end.
func TestPitfallMQTT5IsNeverDecoded(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d"))
	h.level = 5
	c := r.dial()
	c.send(h.bytes(), []byte{0x82, 6, 0, 1, 0, 0, 1, 'a'})
	require.Equal(t, []byte{0x20, 2, 0, 1}, c.rest())
	r.join(iot.Device("d")).quiet()
}

// A panic in a hook ended the process.
func TestPitfallAPanicEndsOneConnection(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop(), Verdicts: func(o hub.Operation, id iot.Identity) hub.Verdict {
		if o == hub.OpTelemetry && id == iot.Device("e") {
			panic("of the test")
		}
		return hub.Verdict{}
	}}, mqtt.Options{Log: zerolog.Nop()})
	d, e := r.join(iot.Device("d")), r.join(iot.Device("e"))
	e.send(publish(1, "devices/e/messages/events/", ""))
	e.closed()
	require.Equal(t, iot.ErrServer.Code, r.goodbye(iot.Device("e")).Code)
	d.quiet()
	r.join(iot.Device("e")).quiet()
	require.Eventually(t, func() bool {
		clients, _ := r.srv.EngineHolds()
		return clients == 2
	}, patience, time.Millisecond)
}

// mochi kept expired sessions in its topics, and clients for 136 years.
func TestPitfallNothingOfASessionStaysInTheEngine(t *testing.T) {
	t.Parallel()
	r := enter(t)
	r.resume(iot.Device("d"), 0).listenTwin().send(disconnect)
	for range 20 {
		r.resume(iot.Device("d"), 1).send(disconnect)
	}
	require.Eventually(t, func() bool {
		clients, topics := r.srv.EngineHolds()
		return clients == 0 && topics == 0
	}, patience, time.Millisecond)
}

// Answers sent through a filter that all share go to everybody.
func TestPitfallOnlyWhoAskedIsAnswered(t *testing.T) {
	t.Parallel()
	r := enter(t)
	d, e := r.join(iot.Device("d")).listenTwin(), r.join(iot.Device("e")).listenTwin()
	d.send(publish(0, "$iothub/twin/GET/?$rid=1", ""))
	d.message()
	e.quiet()
}

// An error of the publish hook was acknowledged and forwarded all the same.
func TestPitfallARefusedMessageIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop(), Verdicts: func(o hub.Operation, _ iot.Identity) hub.Verdict {
		if o == hub.OpTelemetry {
			return hub.Verdict{Action: hub.Refuse, Err: iot.ErrThrottled}
		}
		return hub.Verdict{}
	}}, mqtt.Options{Log: zerolog.Nop()})
	c := r.join(iot.Device("d"))
	c.send(publish(1, "devices/d/messages/events/", ""))
	c.closed()
	require.Equal(t, iot.ErrThrottled.Code, r.goodbye(iot.Device("d")).Code)
	all, _ := r.Events().ReadAll(r.Events().Start(), 1)
	require.Empty(t, all)
}

// mochi sends DISCONNECT to 3.1.1 clients when it closes, and hangs as long as
// one connection has not sent CONNECT; a second Close panicked.
func TestPitfallClose(t *testing.T) {
	t.Parallel()
	r := enter(t)
	silent, half, live := r.dial(), r.dial(), r.resume(iot.Device("d"), 0).listen(1)
	half.send([]byte{0x10})
	r.sendText("pending")
	live.message()
	start := clock.Wall()
	require.NoError(t, r.srv.Close())
	require.NoError(t, r.srv.Close())
	require.Less(t, clock.Wall().Sub(start), time.Second)
	for _, c := range []*client{silent, half, live} {
		c.closed()
	}
	require.Equal(t, iot.ErrClosedRemotely.Code, r.goodbye(iot.Device("d")).Code)

	_, err := net.Dial("tcp", r.addr)
	require.Error(t, err, "and nobody listens any more")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.srv.Serve(ln, nil) // too late
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// 65,535 bytes are more than mochi's own fields can say of a packet's size.
func TestPitfallALongTopic(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	topic := "devices/d/messages/events/a="
	for len(topic) < 65535 {
		topic += "x"
	}
	c.send(publish(1, topic, ""))
	c.expect(puback(1)...)
}

// mochi knows reasons that MQTT 3.1.1 has no CONNACK code for, and would send a
// DISCONNECT to a 3.1.1 client. As it is used here it does neither of itself.
func TestPitfallWhatOnlyMQTT5HasIsNotSent(t *testing.T) {
	t.Parallel()
	connack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}}
	for code, want := range map[byte]byte{0x87: 5, 0x85: 5, 4: 5, 3: 5, 1: 1} {
		connack.ReasonCode = code
		require.Equal(t, want, mqtt.Encoded(connack).ReasonCode)
	}
	goodbye := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}}
	require.Equal(t, packets.Reserved, mqtt.Encoded(goodbye).FixedHeader.Type)
}

// mochi's in-flight list locks itself recursively when it looks for what to send
// next, and a burst of SUBSCRIBEs deepens the stacks of its readers for good. It
// is given neither deliveries nor subscriptions.
func TestPitfallMochiIsGivenNoDeliveriesAndNoSubscriptions(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(subscribe(7, 1, "devices/d/messages/devicebound/#", "$iothub/twin/res/#",
		"$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#"))
	c.expect(0x90, 6, 0, 7, 1, 1, 1, 1)
	for range 3 {
		r.sendMessage(c2d.Message{})
		c.message()
	}
	inflight, subscriptions := r.srv.EngineSends()
	require.Zero(t, inflight, "three deliveries wait for their PUBACK")
	require.Zero(t, subscriptions)
}
