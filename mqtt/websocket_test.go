package mqtt_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

// web serves the room's WebSocket handler and returns its URL.
func (r *room) web() string {
	r.t.Helper()
	s := httptest.NewServer(r.srv.WebSocket())
	r.t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/$iothub/websocket"
}

// upgrade connects with a sub-protocol.
func (r *room) upgrade(url, protocol string) *websocket.Conn {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{protocol}, EnableCompression: true}
	ws, response, err := d.Dial(url, nil)
	require.NoError(r.t, err)
	require.Equal(r.t, protocol, response.Header.Get("Sec-WebSocket-Protocol"), "in the client's spelling")
	require.Empty(r.t, response.Header.Get("Sec-WebSocket-Extensions"))
	r.t.Cleanup(func() { _ = ws.Close() })
	return ws
}

// stream is a client's WebSocket as a stream of bytes, each write one message.
type stream struct {
	*websocket.Conn
	rest io.Reader
}

func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.rest == nil {
			_, r, err := s.NextReader()
			if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				return 0, io.EOF
			}
			if err != nil {
				return 0, err
			}
			s.rest = r
		}
		n, err := s.rest.Read(p)
		if err != io.EOF {
			return n, err
		}
		s.rest = nil
		if n > 0 {
			return n, nil
		}
	}
}

func (s *stream) Write(p []byte) (int, error) {
	return len(p), s.WriteMessage(websocket.BinaryMessage, p)
}

func (s *stream) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

func TestMQTTOverWebSocket(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"mqtt", "MQTT", "Mqtt"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			c := newClient(t, &stream{Conn: r.upgrade(r.web()+"?iothub-no-client-cert=true", protocol)})
			c.send(hello(t, iot.Device("d")).bytes())
			c.expect(0x20, 2, 0, 0)
			require.Equal(t, "MqttWs", r.Connections()[0].Protocol)
			c.send(publish(1, "devices/d/messages/events/", strings.Repeat("x", 100000)))
			c.expect(puback(1)...)
			c.listen(1)
			r.sendText(strings.Repeat("y", 60000))
			require.Len(t, c.message().body, 60000)
			c.send(disconnect)
			c.closed() // with a WebSocket goodbye
			require.Empty(t, r.goodbye(iot.Device("d")).Reason)
		})
	}
}

func TestWebSocketMessagesMayBeCutAnyhow(t *testing.T) {
	t.Parallel()
	r := enter(t)
	s := &stream{Conn: r.upgrade(r.web(), "mqtt")}
	c := newClient(t, s)
	all := bytes.Join([][]byte{
		hello(t, iot.Device("d")).bytes(), publish(1, "devices/d/messages/events/", "one"), publish(2, "devices/d/messages/events/", "two"),
	}, nil)
	for len(all) > 0 {
		n := min(len(all), 1+len(all)%7)
		c.send(all[:n])
		all = all[n:]
	}
	require.NoError(t, s.WriteMessage(websocket.BinaryMessage, nil))
	require.NoError(t, s.WriteMessage(websocket.PingMessage, []byte("x")))
	w, err := s.NextWriter(websocket.BinaryMessage) // one message in several frames
	require.NoError(t, err)
	for _, b := range publish(3, "devices/d/messages/events/", strings.Repeat("z", 9000)) {
		_, err = w.Write([]byte{b})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	c.expect(0x20, 2, 0, 0)
	for i := uint16(1); i <= 3; i++ {
		c.expect(puback(i)...)
	}
}

func TestAnUpgradeThatIsRefused(t *testing.T) {
	t.Parallel()
	r := enter(t)
	url := r.web()
	for name, protocols := range map[string][]string{"without a sub-protocol": nil, "with another": {"AMQPWSB10", "mqttv5"}} {
		t.Run(name, func(t *testing.T) {
			d := websocket.Dialer{Subprotocols: protocols}
			_, response, err := d.Dial(url, nil)
			require.Error(t, err)
			require.Equal(t, http.StatusBadRequest, response.StatusCode)
		})
	}
	t.Run("no upgrade at all", func(t *testing.T) {
		request, err := http.NewRequest(http.MethodGet, "http"+strings.TrimPrefix(url, "ws"), nil)
		require.NoError(t, err)
		request.Header.Set("Sec-WebSocket-Protocol", "mqtt")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		http.DefaultClient.CloseIdleConnections()
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
	})
}

func TestHowAWebSocketEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end func(*testing.T, *stream)
		why string
	}{
		"a text message": {func(t *testing.T, s *stream) {
			require.NoError(t, s.WriteMessage(websocket.TextMessage, []byte{0xC0, 0}))
		}, "text, not binary"},
		"closed without DISCONNECT": {func(t *testing.T, s *stream) {
			require.NoError(t, s.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "")))
		}, "closed the WebSocket (code 1001)"},
		"cut off": {func(t *testing.T, s *stream) { require.NoError(t, s.NetConn().Close()) }, "without DISCONNECT"},
		"a packet that breaks a rule": {func(t *testing.T, s *stream) {
			_, err := s.Write(publish(1, "hello", ""))
			require.NoError(t, err)
		}, "unknown topic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			s := &stream{Conn: r.upgrade(r.web(), "mqtt")}
			cl := newClient(t, s)
			cl.send(hello(t, iot.Device("d")).bytes())
			cl.expect(0x20, 2, 0, 0)
			c.end(t, s)
			require.Contains(t, r.goodbye(iot.Device("d")).Reason, c.why)
		})
	}
}

func TestAWebSocketThatDoesNotConnect(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop()}, mqtt.Options{ConnectTimeout: 50 * time.Millisecond, Log: zerolog.Nop()})
	newClient(t, &stream{Conn: r.upgrade(r.web(), "mqtt")}).closed()
}

func TestAWebSocketEndsWithTheServer(t *testing.T) {
	t.Parallel()
	r := enter(t)
	url := r.web()
	ws := r.upgrade(url, "mqtt")
	require.NoError(t, r.srv.Close())
	require.NoError(t, ws.SetReadDeadline(clock.Wall().Add(patience)))
	_, _, err := ws.ReadMessage()
	var timeout net.Error
	require.False(t, asTimeout(err, &timeout), "it is still open")
	require.Error(t, err)
	late := websocket.Dialer{Subprotocols: []string{"mqtt"}}
	if ws, _, err := late.Dial(url, nil); err == nil {
		_, _, err = ws.ReadMessage()
		require.Error(t, err)
		_ = ws.Close()
	}
}
