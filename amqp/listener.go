package amqp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/linarite/linarite/amqp/transport"
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

// sendBuffer is the kernel's buffer for what is sent to one peer, in bytes:
// without a bound, a peer that does not read makes the kernel hold megabytes.
const sendBuffer = 256 << 10

// The names of the protocol, as connections are listed under them.
const (
	overTCP       = "Amqp"
	overWebSocket = "AmqpWs"
)

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

// serve speaks with one peer over TCP or TLS. A handshake needs a deep stack: what
// comes after it has another goroutine, or an idle peer would keep that stack.
func (s *Server) serve(raw net.Conn, cfg *tls.Config) {
	conn, certs := s.greet(raw, cfg)
	if conn == nil {
		s.end(raw)
		return
	}
	go s.converse(conn, raw, newPeer(s, overTCP, raw, certs))
}

// greet returns what to speak with a peer over; nil when there was no handshake.
func (s *Server) greet(raw net.Conn, cfg *tls.Config) (net.Conn, auth.Chain) {
	defer s.survive(nil)
	tune(raw)
	if cfg == nil {
		return raw, nil
	}
	conn := tls.Server(raw, cfg)
	_ = raw.SetDeadline(clock.Wall().Add(s.timeouts.ConnectTimeout)) // fails on a closed connection, as the handshake then does
	if err := conn.Handshake(); err != nil {
		s.handshakeFailed(raw, err)
		return nil, nil
	}
	if v, ok := raw.(interface{ Secured() }); ok {
		v.Secured() // the listener bounds what a peer may send until then
	}
	return conn, auth.TakeChain(conn.ConnectionState().PeerCertificates)
}

// handshakeFailed logs a TLS handshake that came to nothing, loudly unless the
// peer just went away, as port scanners and health checks do.
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

// converse speaks with a peer over conn, which ends in raw, until one of them
// ends the connection.
func (s *Server) converse(conn, raw net.Conn, p *peer) {
	defer s.end(raw)
	defer p.leave()
	defer s.survive(nil)
	err := transport.Run(conn, func() { _ = raw.Close() }, p, s.timeouts)
	e := s.log.Debug()
	if err != nil && !gone(err) {
		e = s.log.Info().Str("reason", iot.Masked(err.Error()))
	}
	e.Str("op", "disconnect").Str("protocol", p.protocol).Str("remote", p.remote).Msg("AMQP connection over")
}

// gone says whether a peer just went away.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// survive is deferred by each goroutine that serves a connection: a panic ends
// that connection, not the process.
func (s *Server) survive(c *transport.Conn) {
	if p := recover(); p != nil {
		s.log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a fault of ours; the connection is closed")
		if c != nil {
			c.Close(errors.New("a fault of ours"))
		}
	}
}

// pump runs f for a link, until it returns.
func (s *Server) pump(l *transport.Link, f func()) {
	s.running.Add(1) // the connection itself still runs
	go func() {
		defer s.running.Done()
		defer s.survive(l.Conn())
		f()
	}()
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
