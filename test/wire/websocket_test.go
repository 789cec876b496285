package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// webSocketPath is where MQTT over WebSocket is.
const webSocketPath = "/$iothub/websocket"

// upgrade asks for a WebSocket with sub-protocols.
func upgrade(t testing.TB, h *harness.Hub, path string, protocols ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{
		Subprotocols:     protocols,
		TLSClientConfig:  h.TLS(),
		HandshakeTimeout: harness.Deadline,
		NetDialContext: func(context.Context, string, string) (net.Conn, error) {
			return dialRaw(t, h, harness.HTTPSPort), nil
		},
	}
	ws, response, err := dialer.Dial("wss://"+h.Address+path, nil)
	if response != nil {
		_ = response.Body.Close()
	}
	return ws, response, err
}

// dialWebSocket opens a WebSocket that has sent nothing yet.
func dialWebSocket(t testing.TB, h *harness.Hub, path string, protocols ...string) *client {
	t.Helper()
	ws, _, err := upgrade(t, h, path, protocols...)
	require.NoError(t, err)
	return newClient(t, h, &stream{Conn: ws})
}

// stream is a WebSocket as a stream of bytes. What is written is one message.
type stream struct {
	*websocket.Conn
	message io.Reader // what is left of the message being read
}

// Read reads across messages, which have to be binary.
func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.NextReader()
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				return 0, errTimeout
			}
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("a message that is not binary")
			}
			s.message = message
		}
		n, err := s.message.Read(p)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (s *stream) Write(p []byte) (int, error) {
	return len(p), s.WriteMessage(websocket.BinaryMessage, p)
}

// SetDeadline makes it a net.Conn.
func (s *stream) SetDeadline(at time.Time) error {
	return errors.Join(s.SetReadDeadline(at), s.SetWriteDeadline(at))
}

// webSocket is the WebSocket below a client.
func (c *client) webSocket() *websocket.Conn { return c.conn.(*stream).Conn }

func TestTheSubProtocolIsEchoedInTheClientsSpelling(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path      string
		protocols []string
		want      string
	}{
		"as Node and Python ask":       {webSocketPath, []string{"mqtt"}, "mqtt"},
		"as Java asks":                 {webSocketPath + "?iothub-no-client-cert=true", []string{"mqtt"}, "mqtt"},
		"as the C SDK asks":            {webSocketPath, []string{"MQTT"}, "MQTT"},
		"in mixed case":                {webSocketPath, []string{"Mqtt"}, "Mqtt"},
		"after another":                {webSocketPath, []string{"mqttv3.1", "mqtt"}, "mqtt"},
		"with the dollar sign encoded": {"/%24iothub/websocket", []string{"mqtt"}, "mqtt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			c2 := dialWebSocket(t, hub, c.path, c.protocols...)
			require.Equal(t, c.want, c2.webSocket().Subprotocol())
			c2.send(d.hello().bytes())
			c2.expect(accepted)
			c2.ping()
			require.Equal(t, "MqttWs", d.connection(t).Protocol)
		})
	}
}

func TestAnUpgradeThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path      string
		protocols []string
		status    int
	}{
		"no sub-protocol":          {webSocketPath, nil, 400},
		"no sub-protocol, as Java": {webSocketPath + "?iothub-no-client-cert=true", nil, 400},
		"another sub-protocol":     {webSocketPath, []string{"chat"}, 400},
		"MQTT 3.1's sub-protocol":  {webSocketPath, []string{"mqttv3.1"}, 400},
		"the root":                 {"/", []string{"mqtt"}, 404},
		"other brokers' path":      {"/mqtt", []string{"mqtt"}, 404},
		"the path in another case": {"/$IoTHub/WebSocket", []string{"mqtt"}, 404},
		"a path below":             {webSocketPath + "/mqtt", []string{"mqtt"}, 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, response, err := upgrade(t, hub, c.path, c.protocols...)
			require.ErrorIs(t, err, websocket.ErrBadHandshake)
			require.Equal(t, c.status, response.StatusCode)
		})
	}
	t.Run("a GET that asks for no upgrade", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, 400, hub.REST(t, "GET", webSocketPath, nil, "Sec-WebSocket-Protocol", "mqtt").Status)
	})
}

func TestCompressionIsDeclined(t *testing.T) {
	t.Parallel()
	dialer := websocket.Dialer{
		Subprotocols: []string{"mqtt"}, TLSClientConfig: hub.TLS(), EnableCompression: true, HandshakeTimeout: harness.Deadline,
	}
	ws, response, err := dialer.Dial("wss://"+hub.Address+webSocketPath, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	require.Empty(t, response.Header.Get("Sec-Websocket-Extensions"))
}

func TestPacketsMayBeCutAnyhowIntoMessages(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dialWebSocket(t, hub, webSocketPath, "mqtt")
	hello := d.hello().bytes()
	c.send(hello[:1])
	c.send(hello[1:10])
	c.send(nil) // an empty message
	c.send(hello[10:])
	c.expect(accepted)

	c.send(publish(1, d.events(), "a"), publish(2, d.events(), "b"), pingreq[:1])
	c.expect(puback(1), puback(2))
	require.NoError(t, c.webSocket().WriteControl(websocket.PingMessage, []byte("?"), time.Now().Add(harness.Deadline)))
	c.send(pingreq[1:])
	c.expect(pingresp)

	// One message in several frames.
	w, err := c.webSocket().NextWriter(websocket.BinaryMessage)
	require.NoError(t, err)
	for _, b := range publish(3, d.events(), "c") {
		_, err = w.Write([]byte{b})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	c.expect(puback(3))
	require.Len(t, hub.WaitEvents(t, 3, harness.Filter{Device: d.DeviceID}), 3)
}

func TestTheLargestMessagesOverWebSocket(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dialWebSocket(t, hub, webSocketPath, "mqtt")
	c.send(d.hello().bytes())
	c.expect(accepted)
	c.send(publish(1, d.events(), strings.Repeat("x", 256*1024)))
	c.expect(puback(1))
	require.Len(t, d.theEvent(t).Body, 256*1024)
	c.subscribe(1, d.deviceBound())
	d.tell(t, strings.Repeat("y", 60*1024))
	require.Len(t, c.publication().body, 60*1024)
	c.trySend(publish(2, d.events(), strings.Repeat("x", 256*1024+1)))
	d.cutOff(c, 413001, "262144 are allowed")
}

func TestAWebSocketPingIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dialWebSocket(t, hub, webSocketPath, "mqtt")
	c.send(d.hello().bytes())
	c.expect(accepted)
	answer := make(chan string, 1)
	c.webSocket().SetPongHandler(func(data string) error { answer <- data; return nil })
	require.NoError(t, c.webSocket().WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(harness.Deadline)))
	c.ping() // reads, and so sees the pong
	require.Len(t, answer, 1)
	require.Equal(t, "hello", <-answer)
}

func TestAWebSocketRefusesAsTLSDoes(t *testing.T) {
	t.Parallel()
	enter := func(t *testing.T) (*client, identity) {
		d := newDevice(t)
		c := dialWebSocket(t, hub, webSocketPath, "mqtt")
		c.send(d.hello().bytes())
		c.expect(accepted)
		return c, d
	}
	t.Run("a wrong key", func(t *testing.T) {
		t.Parallel()
		hello := newDevice(t).hello()
		hello.password = newDevice(t).Token(time.Hour)
		c := dialWebSocket(t, hub, webSocketPath, "mqtt")
		c.send(hello.bytes())
		c.turnedAway(notAuthorized, 401003, "signature")
	})
	t.Run("MQTT 5", func(t *testing.T) {
		t.Parallel()
		hello := newDevice(t).hello()
		hello.level = 5
		c := dialWebSocket(t, hub, webSocketPath, "mqtt")
		c.send(hello.bytes())
		c.turnedAway(wrongLevel, 400001, "level 5")
	})
	t.Run("an unknown topic", func(t *testing.T) {
		t.Parallel()
		c, d := enter(t)
		c.send(publish(1, "a/b", "x"))
		d.cutOff(c, 400003, `unknown topic "a/b"`)
	})
	t.Run("a message that is text", func(t *testing.T) {
		t.Parallel()
		c, d := enter(t)
		require.NoError(t, c.webSocket().WriteMessage(websocket.TextMessage, pingreq))
		d.cutOff(c, 400006, "text, not binary")
	})
	t.Run("closing the WebSocket is no goodbye", func(t *testing.T) {
		t.Parallel()
		c, d := enter(t)
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		require.NoError(t, c.webSocket().WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(harness.Deadline)))
		d.cutOff(c, 404104, "without DISCONNECT")
	})
	t.Run("the newer connection wins, whatever the transport", func(t *testing.T) {
		t.Parallel()
		c, d := enter(t)
		d.join(t).ping()
		c.closed()
	})
}
