package mqtt

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Pauses after an accept that failed, as when there are no file descriptors
// left.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// sendBuffer is the kernel's buffer for what is sent to one client, in bytes:
// without a bound, a client that does not read makes the kernel hold megabytes.
const sendBuffer = 256 << 10

// accept takes connections until ln is closed. An error does not end it.
func (s *Server) accept(ln net.Listener, cfg *tls.Config) {
	defer s.running.Done()
	pause := minPause
	for {
		raw, err := ln.Accept()
		switch {
		case err == nil:
			pause = minPause
			if s.begin(raw) {
				go s.serve(raw, cfg)
			}
		case s.closing.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			s.log.Warn().Err(err).Dur("pause", pause).Msg("no connection can be accepted")
			clock.Pause(s.closing, pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// serve speaks with one client over TCP or TLS. A handshake needs a deep stack:
// what comes after it has another goroutine, or an idle device would keep that
// stack.
func (s *Server) serve(raw net.Conn, cfg *tls.Config) {
	w, certs := s.greet(raw, cfg)
	if w == nil {
		s.end(raw)
		return
	}
	go s.attach(w, "Mqtt", certs)
}

// greet makes the wire of a client; nil when there was no handshake.
func (s *Server) greet(raw net.Conn, cfg *tls.Config) (*wire, auth.Chain) {
	defer s.survive(nil)
	tune(raw)
	// One deadline covers the handshake and the arrival of CONNECT.
	_ = raw.SetDeadline(clock.Wall().Add(s.connectTimeout))
	below := &socket{Conn: raw}
	w := newWire(below, raw, s.lender, s.writeTimeout)
	var certs auth.Chain
	if cfg != nil {
		conn := tls.Server(below, cfg)
		runtime.Gosched() // who is connected goes first
		if err := conn.Handshake(); err != nil {
			s.handshakeFailed(raw, err)
			return nil, nil
		}
		secured(raw)
		w.Conn, certs = conn, auth.TakeChain(conn.ConnectionState().PeerCertificates)
	}
	w.below, below.wire = below, w
	return w, certs
}

// secured tells the listener that the TLS handshake is over, since it bounds what a
// client may send until then.
func secured(raw net.Conn) {
	if v, ok := raw.(interface{ Secured() }); ok {
		v.Secured()
	}
}

// handshakeFailed logs a TLS handshake that came to nothing, loudly unless the
// client just went away, as port scanners and health checks do.
func (s *Server) handshakeFailed(raw net.Conn, err error) {
	e := s.log.Warn()
	if gone(err) {
		e = s.log.Debug()
	}
	e = e.Err(err).Str("op", "handshake").Str("remote", raw.RemoteAddr().String())
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "remote error" {
		e.Msg("the client broke the TLS handshake off: does it trust the CA, and is the name it uses on the certificate?")
		return
	}
	e.Msg("TLS handshake failed")
}

// attach lets mochi read from a client until the connection ends.
func (s *Server) attach(w *wire, protocol string, certs auth.Chain) {
	defer s.end(w.raw)
	l := newLink(s, w, protocol, certs)
	err := s.converse(l)
	s.engine.Clients.Delete(l.engineID) // mochi forgets it by itself, but not after a panic
	defer s.survive(l)
	l.end(err)
}

func (s *Server) converse(l *link) error {
	defer s.survive(l)
	return s.engine.EstablishConnection(l.protocol, l.wire)
}

// survive is deferred by each goroutine that serves a connection: a panic ends
// that connection, not the process. l is nil before there is a link.
func (s *Server) survive(l *link) {
	p := recover()
	if p == nil {
		return
	}
	e := s.log.Error().Interface("panic", p).Bytes("stack", debug.Stack())
	if l != nil {
		e = e.Str("device", l.id.String())
		l.Close(iot.ErrServer)
	}
	e.Msg("a fault of ours; the connection is closed")
}

// tune sets the socket below a connection up.
func tune(c net.Conn) {
	if outer, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = outer.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
}
