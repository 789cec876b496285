// Package amqp is IoT Hub's AMQP 1.0: back ends, which send to devices, hear what
// became of it and read events from the Event-Hubs-compatible endpoint, and
// devices. The protocol itself is in the packages below: codec is its bytes,
// transport its connections. Here are the nodes that links are attached to, and
// who may attach to them.
//
// Each connection has a peer, which holds the tokens it has shown; each link has
// a node.
package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/hub"
)

// DefaultGroup is the consumer group that every hub has.
// IoT Hub: iot-hub-devguide-messages-read-builtin.md.
const DefaultGroup = "$Default"

// Options sets a Server up. Hub is needed.
type Options struct {
	Hub *hub.Hub
	Log zerolog.Logger
	// ConsumerGroups are those that may read events, besides DefaultGroup. They
	// compare without regard to case.
	ConsumerGroups []string
	// Timeouts bounds connections in wall time.
	Timeouts transport.Options
}

// Server speaks AMQP on behalf of one hub.
type Server struct {
	hub      *hub.Hub
	log      zerolog.Logger
	groups   map[string]struct{} // in lower case
	timeouts transport.Options
	created  time.Time // of the event endpoint, as it is told
	owners   *owners

	closing   context.Context // ends with Close
	close     context.CancelFunc
	closeOnce sync.Once
	running   sync.WaitGroup // accept loops, connections, pumps

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	sockets   map[net.Conn]struct{}
}

// New makes a Server that serves nobody yet.
func New(o Options) (*Server, error) {
	if o.Hub == nil {
		return nil, errors.New("amqp: Options.Hub is missing")
	}
	s := &Server{
		hub: o.Hub, log: o.Log, timeouts: o.Timeouts, created: o.Hub.Clock().Now(), owners: newOwners(),
		groups:    map[string]struct{}{strings.ToLower(DefaultGroup): {}},
		listeners: map[net.Listener]struct{}{}, sockets: map[net.Conn]struct{}{},
	}
	for _, g := range o.ConsumerGroups {
		s.groups[strings.ToLower(g)] = struct{}{}
	}
	if s.timeouts.ConnectTimeout <= 0 {
		s.timeouts.ConnectTimeout = transport.DefaultConnectTimeout
	}
	s.timeouts.Buffers = &transport.Buffers{}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Serve accepts connections on ln, which it owns from now on, until Close. It
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

// Close ends every connection at once and waits until nothing runs any more.
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
