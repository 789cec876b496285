// Package mqtt is IoT Hub's dialect of MQTT 3.1.1: devices on one side, the hub
// on the other. It is the only package that knows mochi, which decodes packets,
// keeps keep-alives and answers pings. Everything else is decided here: who may
// connect, sessions and takeover, which topics there are, what is acknowledged
// and when, and what makes IoT Hub close a connection. mochi sees neither
// sessions nor subscriptions nor messages, so none of its own rules applies.
//
// Each connection has a wire, which gathers writes; a link, which is what the
// hub can do to the device; and a session of the hub. They live as long as the
// connection.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/rs/zerolog"

	"github.com/linarite/linarite/hub"
)

// Timeouts of Options, in wall time.
const (
	DefaultConnectTimeout = 30 * time.Second
	DefaultWriteTimeout   = 20 * time.Second
)

// maxPacket is the longest packet that is read, in bytes after its first: the
// largest message, and a topic as long as MQTT has them. What is above is not
// stored; what is above the message limit only is refused by the hub.
const maxPacket = hub.MaxTelemetry + math.MaxUint16 + 64

// Options sets a Server up. Hub is needed.
type Options struct {
	Hub *hub.Hub
	Log zerolog.Logger
	// ConnectTimeout is how long a client may take from its first byte to the
	// end of its CONNECT, TLS handshake included.
	// IoT Hub: contract.md §3.5, 30 s in the MQTT 5 preview.
	ConnectTimeout time.Duration
	// WriteTimeout is how long a client may leave one write untaken before it is
	// cut off as a slow reader.
	WriteTimeout time.Duration
}

// Server speaks MQTT with devices on behalf of one hub.
type Server struct {
	hub            *hub.Hub
	log            zerolog.Logger
	connectTimeout time.Duration
	writeTimeout   time.Duration
	engine         *mochi.Server
	lender         *lender
	sequence       atomic.Uint64 // makes each connection's name unique to mochi

	closing   context.Context // ends with Close
	close     context.CancelFunc
	closeOnce sync.Once
	running   sync.WaitGroup // accept loops, connections, deliveries

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	sockets   map[net.Conn]struct{}
}

// New makes a Server that serves nobody yet.
func New(o Options) (*Server, error) {
	if o.Hub == nil {
		return nil, errors.New("mqtt: Options.Hub is missing")
	}
	s := &Server{
		hub: o.Hub, log: o.Log, connectTimeout: o.ConnectTimeout, writeTimeout: o.WriteTimeout,
		lender:    newLender(),
		listeners: map[net.Listener]struct{}{}, sockets: map[net.Conn]struct{}{},
	}
	if s.connectTimeout <= 0 {
		s.connectTimeout = DefaultConnectTimeout
	}
	if s.writeTimeout <= 0 {
		s.writeTimeout = DefaultWriteTimeout
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.engine = newEngine(o.Log)
	return s, s.engine.AddHook(&hook{}, nil)
}

// newEngine is mochi with everything off that is decided here. Its own
// listeners and housekeeping are never started: it has no sessions to expire,
// nothing retained, no delayed wills.
func newEngine(log zerolog.Logger) *mochi.Server {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumClientWritesPending = 0 // a queue that nothing is put into
	c.MaximumSessionExpiryInterval = 0
	c.MaximumPacketSize = maxPacket
	c.MinimumProtocolVersion = 4
	c.MaximumQos = 1
	c.RetainAvailable = 0
	c.SharedSubAvailable = 0
	return mochi.New(&mochi.Options{
		Capabilities:            c,
		ClientNetReadBufferSize: readBuffer,
		SysTopicResendInterval:  86400,
		Logger:                  slog.New(newEngineLog(log)),
	})
}

// Serve accepts devices on ln, which it owns from now on, until Close. It
// returns at once. With cfg nil there is no TLS.
func (s *Server) Serve(ln net.Listener, cfg *tls.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = ln.Close()
		return
	}
	s.listeners[ln] = struct{}{}
	s.running.Add(1)
	go s.accept(ln, cfg)
}

// Close ends every connection at once, those that have not sent CONNECT
// included, and waits until nothing runs any more. The wills of the devices
// still reach the hub, so it is closed after this.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.close()
		for ln := range s.listeners {
			_ = ln.Close()
		}
		for socket := range s.sockets {
			_ = socket.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return nil
}

// begin remembers a socket, so that Close ends it; false means that it is too
// late. end forgets it.
func (s *Server) begin(socket net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = socket.Close()
		return false
	}
	s.sockets[socket] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) end(socket net.Conn) {
	_ = socket.Close()
	s.mu.Lock()
	delete(s.sockets, socket)
	s.mu.Unlock()
	s.running.Done()
}
