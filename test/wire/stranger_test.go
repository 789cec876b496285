package wire_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func TestAnotherProtocolLevelIsAnsweredWithOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		protocol string
		level    byte
	}{
		"MQTT 3.1":                   {"MQIsdp", 3},
		"MQTT 3.1 under the name":    {"MQTT", 3},
		"MQTT 3.1.1 under the older": {"MQIsdp", 4},
		"MQTT 5":                     {"MQTT", 5},
		"a level of the future":      {"MQTT", 6},
		"level 255":                  {"MQTT", 255},
		"a bridge's level":           {"MQTT", 0x84},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hello := newDevice(t).hello()
			hello.protocol, hello.level = c.protocol, c.level
			stranger := dial(t, hub)
			stranger.send(hello.bytes())
			stranger.turnedAway(wrongLevel, 400001, "only MQTT 3.1.1")
		})
	}
	t.Run("MQTT 5 with its properties", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		stranger := dial(t, hub)
		stranger.send(packetOf(0x10, text("MQTT"), 5, 0xC2, 0, 60, 5, 0x11, 0, 0, 0, 30,
			text(d.DeviceID), text(d.UserName()), text(d.Token(time.Hour))))
		stranger.turnedAway(wrongLevel, 400001, "level 5")
	})
}

// malformedConnects are first packets that MQTT has closed without an answer.
var malformedConnects = map[string]struct {
	sent []byte
	why  string
}{
	"PINGREQ":                         {pingreq, "not a CONNECT"},
	"PUBLISH":                         {publish(0, "devices/d/messages/events/", "x"), "not a CONNECT"},
	"SUBSCRIBE":                       {subscribe(1, 0, twinAnswers), "not a CONNECT"},
	"DISCONNECT":                      {disconnect, "not a CONNECT"},
	"CONNACK":                         {accepted, "not a CONNECT"},
	"PUBACK":                          {puback(1), "not a CONNECT"},
	"a packet of type 0":              {[]byte{0, 0}, "not a CONNECT"},
	"an HTTP request":                 {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "not a CONNECT"},
	"flags in the fixed header":       {packetOf(0x11, text("MQTT"), 4, 2, 0, 60, text("d")), "not a CONNECT"},
	"another protocol's name":         {packetOf(0x10, text("HTTP"), 4, 2, 0, 60, text("d")), "not called MQTT"},
	"the name in lower case":          {packetOf(0x10, text("mqtt"), 4, 2, 0, 60, text("d")), "not called MQTT"},
	"a name that is too long":         {packetOf(0x10, text("MQTTT"), 4, 2, 0, 60, text("d")), "not called MQTT"},
	"an empty packet":                 {[]byte{0x10, 0}, "alformed"},
	"the reserved flag":               {packetOf(0x10, text("MQTT"), 4, 3, 0, 60, text("d")), "reserved"},
	"a password without a user":       {packetOf(0x10, text("MQTT"), 4, 0x42, 0, 60, text("d"), text("x")), "password without a user name"},
	"will flags without a will":       {packetOf(0x10, text("MQTT"), 4, 0x0A, 0, 60, text("d")), "will flags without a will"},
	"will retain without a will":      {packetOf(0x10, text("MQTT"), 4, 0x22, 0, 60, text("d")), "will flags without a will"},
	"a will with QoS 3":               {packetOf(0x10, text("MQTT"), 4, 0x1E, 0, 60, text("d"), text("t"), text("")), "QoS 3"},
	"a missing client id":             {packetOf(0x10, text("MQTT"), 4, 2, 0, 60), "client identifier"},
	"a missing user name":             {packetOf(0x10, text("MQTT"), 4, 0x82, 0, 60, text("d")), "username"},
	"a client id that is cut":         {packetOf(0x10, text("MQTT"), 4, 2, 0, 60, 0, 9, "d"), "client identifier"},
	"bytes after its end":             {packetOf(0x10, text("MQTT"), 4, 2, 0, 60, text("d"), "more"), "after its payload"},
	"a length of five bytes":          {[]byte{0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}, "CONNECT"},
	"a client id that is not UTF-8":   {packetOf(0x10, text("MQTT"), 4, 2, 0, 60, text("d\xff")), "client identifier"},
	"a client id with a NUL":          {packetOf(0x10, text("MQTT"), 4, 2, 0, 60, text("d\x00")), "client identifier"},
	"the header of 200 KB":            {[]byte{0x10, 0x80, 0xB5, 0x0C}, "longer than"},
	"the header of 256 MB":            {[]byte{0x10, 0xFF, 0xFF, 0xFF, 0x7F}, "longer than"},
	"a protocol name of 65,535 bytes": {[]byte{0x10, 0x0F, 0xFF, 0xFF, 'M', 'Q', 'T', 'T'}, "not called MQTT"},
}

func TestAMalformedConnectIsNotAnswered(t *testing.T) {
	t.Parallel()
	for name, c := range malformedConnects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stranger := dial(t, hub)
			stranger.send(c.sent)
			stranger.turnedAway(nil, 400006, c.why)
		})
	}
}

func TestAnEmptyWillAndAnEmptyPasswordAreWellFormed(t *testing.T) {
	t.Parallel()
	t.Run("a will without a payload is let in", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		hello := d.hello()
		hello.will = &will{topic: d.events()}
		d.enter(t, hello, accepted).ping()
	})
	t.Run("an empty password is answered, not dropped", func(t *testing.T) {
		t.Parallel()
		hello := newDevice(t).hello()
		hello.password = ""
		stranger := dial(t, hub)
		stranger.send(hello.bytes())
		stranger.turnedAway(notAuthorized, 401003, "no token")
	})
}

func TestAStrangerWhoLeavesIsNotHeld(t *testing.T) {
	t.Parallel()
	stranger := dial(t, hub)
	stranger.send(newDevice(t).hello().bytes()[:20])
	stranger.vanish()
	line := hub.WaitLog(t, quoted("remote", stranger.remote()), "refused: ")
	require.Contains(t, line, "404104")
}

// TestTheArrivalDeadline waits for the hub's own 30 seconds, which no flag
// changes.
func TestTheArrivalDeadline(t *testing.T) {
	t.Parallel()
	const limit, atMost = 30 * time.Second, 45 * time.Second
	began := time.Now()
	part := newDevice(t).hello().bytes()[:20]

	halfTCP := dialRaw(t, hub, harness.MQTTPort)
	halfTLS := dialRaw(t, hub, harness.MQTTPort)
	_, err := halfTLS.Write([]byte{0x16, 3, 1, 1, 0, 1}) // the beginning of a ClientHello
	require.NoError(t, err)
	silent := dial(t, hub)
	halfway := dial(t, hub)
	halfway.send(part)
	overWebSocket := dialWebSocket(t, hub, webSocketPath, "mqtt")
	overWebSocket.send(part)
	dribbling := dial(t, hub)
	go dribble(t.Context(), dribbling)

	for name, conn := range map[string]net.Conn{"TCP": halfTCP, "TLS": halfTLS} {
		require.NoError(t, conn.SetReadDeadline(began.Add(atMost)))
		_, err := io.ReadAll(conn)
		require.NotErrorIs(t, err, errTimeout, "a half-open %s connection is closed", name)
		require.GreaterOrEqual(t, time.Since(began), limit-time.Second)
	}
	for _, c := range []*client{silent, halfway, overWebSocket, dribbling} {
		c.closedWithin(atMost)
		require.GreaterOrEqual(t, time.Since(began), limit-time.Second)
	}
	for _, c := range []*client{halfway, dribbling, overWebSocket} {
		c.turnedAway(nil, 404104, "no CONNECT within 30s")
	}
	_, refused := hub.Connections(t)
	for _, r := range refused {
		require.NotEqual(t, silent.remote(), r.RemoteAddress, "who never said a word is not worth an entry")
	}
}

// dribble sends a CONNECT that never ends, a byte a second.
func dribble(ctx context.Context, c *client) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	c.trySend([]byte{0x10, 0xFF, 0x7F, 0, 4, 'M', 'Q', 'T', 'T', 4, 2})
	for {
		select {
		case <-tick.C:
			c.trySend([]byte{0})
		case <-ctx.Done():
			return
		}
	}
}

func TestTheMQTTPortSpeaksTLSOnly(t *testing.T) {
	t.Parallel()
	t.Run("plain MQTT is not answered with MQTT", func(t *testing.T) {
		t.Parallel()
		conn := dialRaw(t, hub, harness.MQTTPort)
		_, err := conn.Write(newDevice(t).hello().bytes())
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(harness.Deadline)))
		answer, err := io.ReadAll(conn)
		require.NotErrorIs(t, err, errTimeout)
		require.False(t, strings.HasPrefix(string(answer), "\x20\x02"), "% x", answer)
		line := hub.WaitLog(t, quoted("remote", conn.LocalAddr().String()), "handshake")
		require.Contains(t, line, "TLS handshake failed")
	})
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name+" is spoken", func(t *testing.T) {
			t.Parallel()
			cfg := hub.TLS()
			cfg.MinVersion, cfg.MaxVersion = version, version
			conn := tls.Client(dialRaw(t, hub, harness.MQTTPort), cfg)
			require.NoError(t, conn.HandshakeContext(t.Context()))
			c, d := newClient(t, hub, conn), newDevice(t)
			c.send(d.hello().bytes())
			c.expect(accepted)
		})
	}
	t.Run("TLS 1.1 is not", func(t *testing.T) {
		t.Parallel()
		cfg := hub.TLS()
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
		require.Error(t, tls.Client(dialRaw(t, hub, harness.MQTTPort), cfg).HandshakeContext(t.Context()))
	})
	t.Run("a client that does not trust the CA is told so by its own check", func(t *testing.T) {
		t.Parallel()
		cfg := &tls.Config{ServerName: hub.Address, MinVersion: tls.VersionTLS12}
		require.ErrorContains(t, tls.Client(dialRaw(t, hub, harness.MQTTPort), cfg).HandshakeContext(t.Context()), "certificate")
	})
}
