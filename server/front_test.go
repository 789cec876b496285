package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/server"
)

// upgrade asks for a WebSocket as a client writes it, and returns the answer and
// the connection.
func (s *site) upgrade(path, more string) (*http.Response, *tls.Conn) {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.HTTPSAddr(), trusting(s.t, s.CA()))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = c.Close() })
	require.NoError(s.t, c.SetDeadline(clock.Wall().Add(10*time.Second)))
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", path, more)
	require.NoError(s.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(s.t, err)
	_ = resp.Body.Close()
	return resp, c
}

func TestWebSocketUpgrades(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	for name, c := range map[string]struct{ path, header, protocol string }{
		"as Node and Python ask":       {"/$iothub/websocket", "Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"},
		"as Java asks":                 {"/$iothub/websocket?iothub-no-client-cert=true", "Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"},
		"as C asks":                    {"/$iothub/websocket", "Sec-WebSocket-Protocol: MQTT\r\n", "MQTT"},
		"AMQP, as IoT Hub's SDKs ask":  {"/$iothub/websocket", "Sec-WebSocket-Protocol: AMQPWSB10\r\n", "AMQPWSB10"},
		"AMQP, as Event Hubs' ask":     {"/$servicebus/websocket", "Sec-WebSocket-Protocol: AMQPWSB10\r\n", "AMQPWSB10"},
		"AMQP, as uamqp asks":          {"/$servicebus/websocket/", "Sec-WebSocket-Protocol: AMQPWSB10\r\n", "AMQPWSB10"},
		"AMQP, as Go's examples ask":   {"/$servicebus/websocket", "Sec-WebSocket-Protocol: amqp\r\n", "amqp"},
		"with a slash at the end":      {"/$iothub/websocket/", "Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"},
		"with the dollar encoded":      {"/%24iothub/websocket", "Sec-WebSocket-Protocol: mqtt\r\n", "mqtt"},
		"among other protocols":        {"/$iothub/websocket", "Sec-WebSocket-Protocol: chat, mqtt\r\n", "mqtt"},
		"with compression offered":     {"/$iothub/websocket", "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Extensions: permessage-deflate\r\n", "mqtt"},
		"from a page, a token decides": {"/$iothub/websocket", "Sec-WebSocket-Protocol: mqtt\r\nOrigin: https://app.example\r\n", "mqtt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, _ := s.upgrade(c.path, c.header)
			assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
			assert.Equal(t, c.protocol, resp.Header.Get("Sec-Websocket-Protocol"))
			assert.Empty(t, resp.Header.Get("Sec-Websocket-Extensions"))
		})
	}
}

func TestHTTP10HasNoWebSocket(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	c, err := tls.Dial("tcp", s.HTTPSAddr(), trusting(t, s.CA()))
	require.NoError(t, err)
	defer c.Close()
	_, err = fmt.Fprint(c, "GET /$iothub/websocket HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

func TestUpgradesThatAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	const mqtt = "Sec-WebSocket-Protocol: mqtt\r\n"
	for name, c := range map[string]struct {
		path, header string
		status       int
	}{
		"MQTT at Event Hubs'":     {"/$servicebus/websocket", mqtt, http.StatusBadRequest},
		"no sub-protocol":         {"/$iothub/websocket", "", http.StatusBadRequest},
		"an empty sub-protocol":   {"/$iothub/websocket", "Sec-WebSocket-Protocol: \r\n", http.StatusBadRequest},
		"another sub-protocol":    {"/$iothub/websocket", "Sec-WebSocket-Protocol: mqttv5\r\n", http.StatusBadRequest},
		"the root":                {"/", mqtt, http.StatusNotFound},
		"another path":            {"/mqtt", mqtt, http.StatusNotFound},
		"a path below":            {"/$iothub/websocket/x", mqtt, http.StatusNotFound},
		"a path with two slashes": {"//$iothub/websocket", mqtt, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, _ := s.upgrade(c.path, c.header)
			assert.Equal(t, c.status, resp.StatusCode)
		})
	}
	t.Run("not an upgrade at all", func(t *testing.T) {
		t.Parallel()
		status, _, err := s.ask("GET", "/$iothub/websocket", "")
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, status)
	})
}

func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTPSURL()+"/devices", nil)
	require.NoError(t, err)
	for range 20 {
		r.Header.Add("X-Large", fmt.Sprintf("%04096d", 1))
	}
	resp, err := s.http.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
}
