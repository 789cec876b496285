package mqtt_test

import (
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

func TestAPacketWithoutAMessageIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent []byte
		kind string
	}{
		"SUBSCRIBE":   {packet(0x82, make([]byte, 4097)), "SUBSCRIBE"},
		"UNSUBSCRIBE": {packet(0xA2, make([]byte, 300<<10)), "UNSUBSCRIBE"},
		"PUBACK":      {packet(0x40, make([]byte, 5000)), "PUBACK"},
		"PINGREQ":     {packet(0xC0, make([]byte, 5000)), "PINGREQ"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			cl := r.join(iot.Device("d"))
			cl.send(publish(1, "devices/d/messages/events/", strings.Repeat("x", 5000)), c.sent[:10])
			cl.expect(puback(1)...) // what came before is done
			cl.closed()
			last := r.goodbye(iot.Device("d"))
			require.Contains(t, last.Reason, "a "+c.kind+" of more than 4096 bytes")
			require.Equal(t, iot.ErrMessageTooLarge.Code, last.Code)
		})
	}
}

func TestAllFiltersFitIntoOneSubscribe(t *testing.T) {
	t.Parallel()
	long := iot.Module(strings.Repeat("d", 128), strings.Repeat("m", 128))
	filters := []string{
		long.Path() + "/#", long.Path() + "/inputs/#", long.Path() + "/messages/devicebound/#",
		"$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#",
	}
	require.Less(t, len(subscribe(1, 1, filters...)), 2048)
	came, err := mqtt.Sort(false, 512, subscribe(1, 1, filters...))
	require.NoError(t, err)
	require.Equal(t, []string{string(subscribe(1, 1, filters...))}, came)
}

func TestAPatchOfTooManyValuesIsRefused(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listenTwin()
	c.send(publish(0, "$iothub/twin/PATCH/properties/reported/?$rid=1", `{"a":[`+strings.Repeat("[],", 10_000)+`[]]}`))
	c.refused("$iothub/twin/res/413/?$rid=1", iot.ErrEntityTooLarge.Code, "more than 10000 values")
	c.send(publish(0, "$iothub/twin/PATCH/properties/reported/?$rid=2", `{"a":"`+strings.Repeat(`[,\"`, 1000)+`"}`))
	require.Equal(t, "$iothub/twin/res/204/?$rid=2&$version=2", c.message().topic, "brackets in a string are no values")
}

func TestAnAgentIsNoPlaceForAToken(t *testing.T) {
	t.Parallel()
	r := enter(t)
	h := hello(t, iot.Device("d"))
	h.user = "127.0.0.1/d/?api-version=2021-04-12&DeviceClientType=" + strings.ReplaceAll(h.password, "&", "%26")
	r.enter(h).quiet()
	require.Equal(t, "(a token)", r.Connections()[0].Agent)
}

// guests is a listener that is told who has shown who they are.
type guests struct {
	net.Listener
	admitted chan string
}

func (g *guests) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guest{conn, g}, nil
}

type guest struct {
	net.Conn
	of *guests
}

func (g *guest) NetConn() net.Conn { return g.Conn }
func (g *guest) Admit()            { g.of.admitted <- g.RemoteAddr().String() }

func TestAListenerIsToldWhoIsAdmitted(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{Log: zerolog.Nop()})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &guests{ln, make(chan string, 10)}
	r.srv.Serve(g, nil)
	r.addr = ln.Addr().String()

	stranger := hello(t, iot.Device("d"))
	stranger.password = "x"
	c := r.dial()
	c.send(stranger.bytes())
	c.expect(0x20, 2, 0, 5)
	c.closed()
	require.Empty(t, g.admitted)

	known := r.join(iot.Device("d"))
	require.Equal(t, known.conn.LocalAddr().String(), <-g.admitted)
}
