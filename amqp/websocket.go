package amqp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// How AMQP over WebSocket is asked for.
const (
	// Subprotocol is the standard's. OASIS: amqp-wsb-v1.0; IoT Hub: sdk-wire.md 0.5.
	Subprotocol = "AMQPWSB10"
	// EventHubsSubprotocol is what the examples of Event Hubs' SDK for Go ask for.
	EventHubsSubprotocol = "amqp"
)

// Buffers and bounds of a WebSocket, in bytes. Messages are read in pieces, so
// that the bound is there for decency only.
const (
	webSocketBuffer  = 4 << 10
	webSocketMessage = 16 << 20
)

// closePatience is how long a WebSocket may take to take our goodbye.
const closePatience = time.Second

// WebSocket serves AMQP over WebSocket: binary messages, cut anyhow, no
// compression. It upgrades a request for either of the sub-protocols, in any
// case, and answers in the client's spelling; a request without it is answered
// with 400. Paths are the caller's business, and so is that the request came by
// HTTP/1.1. The handler returns while the connection goes on.
func (s *Server) WebSocket() http.Handler {
	up := &websocket.Upgrader{
		ReadBufferSize: webSocketBuffer, WriteBufferSize: webSocketBuffer, WriteBufferPool: &sync.Pool{},
		CheckOrigin: func(*http.Request) bool { return true }, // a token admits, not a page
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol, ok := subprotocol(r)
		if !ok {
			http.Error(w, "the WebSocket sub-protocol must be "+Subprotocol, http.StatusBadRequest)
			return
		}
		ws, err := up.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": {protocol}})
		if err != nil { // it has answered
			s.log.Debug().Err(err).Str("op", "upgrade").Str("remote", r.RemoteAddr).Msg("no WebSocket")
			return
		}
		s.serveWebSocket(ws, r)
	})
}

// subprotocol is the sub-protocol that the client offered and we speak.
func subprotocol(r *http.Request) (string, bool) {
	for _, p := range websocket.Subprotocols(r) {
		if strings.EqualFold(p, Subprotocol) || strings.EqualFold(p, EventHubsSubprotocol) {
			return p, true
		}
	}
	return "", false
}

// serveWebSocket speaks with one peer over a WebSocket.
func (s *Server) serveWebSocket(ws *websocket.Conn, r *http.Request) {
	raw := ws.NetConn()
	var certs auth.Chain
	if r.TLS != nil {
		certs = auth.TakeChain(r.TLS.PeerCertificates)
	}
	if secure, ok := raw.(interface{ NetConn() net.Conn }); ok {
		raw = secure.NetConn()
	}
	if !s.begin(raw) {
		return
	}
	tune(raw)
	ws.SetReadLimit(webSocketMessage)
	answerPings(ws, transport.DefaultWriteTimeout)
	go s.converse(&frames{Conn: ws}, raw, newPeer(s, overWebSocket, raw, certs))
}

// answerPings has pings answered within patience: with gorilla's own answer the
// connection is lost when this machine is too busy for a second.
func answerPings(ws *websocket.Conn, patience time.Duration) {
	ws.SetPingHandler(func(data string) error {
		err := ws.WriteControl(websocket.PongMessage, []byte(data), clock.Wall().Add(patience))
		if errors.Is(err, websocket.ErrCloseSent) {
			err = nil
		}
		return err
	})
}

// frames is a WebSocket as a stream of bytes.
type frames struct {
	*websocket.Conn
	message io.Reader // what is left of the message being read
}

var _ net.Conn = (*frames)(nil)

// Read gives what has come, across messages.
func (f *frames) Read(p []byte) (int, error) {
	for {
		if f.message == nil {
			kind, message, err := f.NextReader()
			if err != nil {
				return 0, late(err)
			}
			if kind != websocket.BinaryMessage {
				return 0, iot.ErrFormat.Because("a WebSocket message that is text, not binary")
			}
			f.message = message
		}
		n, err := f.message.Read(p)
		if errors.Is(err, io.EOF) {
			f.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, late(err)
		}
	}
}

// late is err, or the standard library's error of a deadline that has passed, of which
// gorilla leaves only that it was one.
func late(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return os.ErrDeadlineExceeded
	}
	return err
}

// Write sends p as one message.
func (f *frames) Write(p []byte) (int, error) {
	if err := f.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, late(err)
	}
	return len(p), nil
}

// SetDeadline sets both deadlines.
func (f *frames) SetDeadline(t time.Time) error {
	return errors.Join(f.SetReadDeadline(t), f.SetWriteDeadline(t))
}

// Close says goodbye and closes.
func (f *frames) Close() error {
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = f.WriteControl(websocket.CloseMessage, goodbye, clock.Wall().Add(closePatience)) // it may be gone already
	return f.Conn.Close()
}
