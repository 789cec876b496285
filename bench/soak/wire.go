package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/linarite/linarite/test/harness"
)

// patience is how long the hub may take for anything.
const patience = 30 * time.Second

// errSilent is what ails a hub that does not answer.
var errSilent = errors.New("the hub does not answer")

// wire is a device's connection with the hub. Its methods are called by one
// goroutine; they return an error when the hub refuses, does not answer, or has
// ended the connection.
type wire interface {
	// send sends telemetry. With QoS 1 it returns once that is acknowledged; again
	// says that it was sent before.
	send(c content, again bool) error
	// start sends telemetry of QoS 1 and does not wait.
	start(c content) error
	// report reports properties and returns their version.
	report(patch string) (version int64, err error)
	// twin asks for the device's twin, which the device is told.
	twin() error
	// renew shows a fresh token, where that can be done on a connection.
	renew(token string) error
	// goodbye ends the connection as it should be, reset as a failure of the network
	// does.
	goodbye() error
	reset()
	// over is closed when the connection has ended; then reason says why.
	over() <-chan struct{}
	reason() error
}

// device is whom a wire tells of what comes from the hub.
type device interface {
	name() string
	message(got *arrival)
	// changed and read are told in the order in which the hub says so.
	changed(version int64, patch []byte)
	read(view []byte)
	// call answers a direct method.
	call(method string, payload []byte) (status int, answer []byte)
}

// path is a way to the hub: over TLS to a port of its own, or over WebSocket.
type path struct {
	port        string
	subprotocol string // of the WebSocket; "": none
	url         string // its path
}

// The ways to the hub.
var (
	mqttTLS       = path{port: harness.MQTTPort}
	mqttWebSocket = path{harness.HTTPSPort, "mqtt", "/$iothub/websocket"}
	amqpTLS       = path{port: harness.AMQPSPort}
	amqpWebSocket = path{harness.HTTPSPort, "AMQPWSB10", "/$iothub/websocket"}
)

// socket is an open way to the hub, and the TCP connection below it.
type socket struct {
	net.Conn
	tcp    *net.TCPConn
	closed atomic.Bool // by us
}

// Read says what any connection says that its reader's own side has closed: a
// WebSocket has other words for it.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err != nil && s.closed.Load() {
		err = net.ErrClosed
	}
	return n, err
}

// Close ends the connection as it should be.
func (s *socket) Close() error {
	s.closed.Store(true)
	return s.Conn.Close()
}

// reset ends the connection without a word.
func (s *socket) reset() {
	_ = s.tcp.SetLinger(0)
	_ = s.tcp.Close()
}

// dial opens a way to the hub.
func dial(hub *harness.Hub, way path) (*socket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &socket{}
	secure := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&tls.Dialer{Config: hub.TLS()}).DialContext(ctx, "tcp", hub.Addr(way.port))
		if err == nil {
			s.tcp = conn.(*tls.Conn).NetConn().(*net.TCPConn)
		}
		return conn, err
	}
	var err error
	if way.subprotocol == "" {
		s.Conn, err = secure(ctx, "", "")
		return s, err
	}
	transport := &http.Transport{DialTLSContext: secure}
	defer transport.CloseIdleConnections()
	ws, answer, err := websocket.Dial(ctx, "wss://"+hub.Addr(way.port)+way.url, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{way.subprotocol},
	})
	if err != nil {
		return nil, err
	}
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	s.Conn = websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
	return s, nil
}
