package amqp_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp"
	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

func TestAServerNeedsAHub(t *testing.T) {
	t.Parallel()
	_, err := amqp.New(amqp.Options{})
	require.Error(t, err)
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	r := enter(t)
	clients := []*client{r.dial(), r.stranger(), r.join("service"), r.device(d)}
	clients[2].receive(partition("$Default", 0), 1)
	clients[2].receive(feedback, 1)
	clients[3].sender(address(d, "messages/events"))
	require.NoError(t, r.srv.Close())
	assert.False(t, r.connected(d))
	for _, c := range clients {
		for {
			if _, err := c.in.ReadByte(); err != nil {
				break
			}
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.srv.Serve(ln, nil) // too late
	_, err = net.Dial("tcp", ln.Addr().String())
	require.Error(t, err)
}

// lines is a log that may be written by many.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAPanicEndsItsConnectionOnly(t *testing.T) {
	t.Parallel()
	log := &lines{}
	r := open(t, hub.Options{Verdicts: func(o hub.Operation, id iot.Identity) hub.Verdict {
		if o == hub.OpTelemetry && id == d {
			panic("a fault")
		}
		return hub.Verdict{}
	}}, amqp.Options{Log: zerolog.New(log)})
	bad, good := r.device(d), r.device(e)
	link := good.sender(address(e, "messages/events"))
	bad.transfer(bad.sender(address(d, "messages/events")), &codec.Message{})
	r.awaitGone(d)
	assert.Equal(t, &codec.Accepted{}, good.deliver(link, &codec.Message{Data: [][]byte{{1}}}))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "a fault of ours") }, patience, time.Millisecond)
}

func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	log := &lines{}
	r := open(t, hub.Options{Log: zerolog.New(log)}, amqp.Options{Log: zerolog.New(log)})
	c := r.stranger()
	c.requests("$cbs")
	bad := token(t, "example.com", "service", 0)
	require.Equal(t, int32(401), c.putToken(host, bad))
	_, sig, _ := strings.Cut(bad, "sig=")
	sig, _, _ = strings.Cut(sig, "&")
	assert.Contains(t, log.String(), "put-token")
	assert.NotContains(t, log.String(), sig)
}

// Trap 8: AMQP over WebSocket.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	r := enter(t)
	web := httptest.NewServer(r.srv.WebSocket())
	t.Cleanup(web.Close)
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/$servicebus/websocket/"
	for _, protocol := range []string{"AMQPWSB10", "amqpwsb10", "amqp"} {
		dialer := websocket.Dialer{Subprotocols: []string{protocol}}
		ws, answer, err := dialer.Dial(url, nil)
		require.NoError(t, err)
		assert.Equal(t, protocol, answer.Header.Get("Sec-Websocket-Protocol"), "in the client's spelling")
		for _, part := range []string{"AMQP\x00", "\x01\x00\x00", frameOf(0, &codec.Open{ContainerID: "c"}, nil)} {
			require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte(part)))
		}
		_, header, err := ws.ReadMessage()
		require.NoError(t, err)
		assert.Equal(t, "AMQP\x00\x01\x00\x00", string(header))
		_, frame, err := ws.ReadMessage()
		require.NoError(t, err)
		body, _, err := codec.Decode(frame[8:])
		require.NoError(t, err)
		assert.IsType(t, &codec.Open{}, body)
		require.NoError(t, ws.Close())
	}
	dialer := websocket.Dialer{Subprotocols: []string{"mqtt"}}
	_, answer, err := dialer.Dial(url, nil)
	require.Error(t, err)
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
}

// The deadlines of a connection mean over WebSocket what they mean without.
func TestASilentWebSocketIsToldWhyItEnds(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{}, amqp.Options{Timeouts: transport.Options{TrustTimeout: 200 * time.Millisecond}})
	web := httptest.NewServer(r.srv.WebSocket())
	t.Cleanup(web.Close)
	dialer := websocket.Dialer{Subprotocols: []string{amqp.Subprotocol}}
	ws, _, err := dialer.Dial("ws"+strings.TrimPrefix(web.URL, "http"), nil)
	require.NoError(t, err)
	defer ws.Close()
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, []byte("AMQP\x00\x01\x00\x00"+frameOf(0, &codec.Open{ContainerID: "c"}, nil))))
	for {
		_, frame, err := ws.ReadMessage()
		require.NoError(t, err)
		body, _, err := codec.Decode(frame[8:])
		if end, ok := body.(*codec.Close); ok && err == nil {
			assert.Equal(t, "amqp:unauthorized-access", string(end.Error.Condition))
			return
		}
	}
}
