package server

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
)

// tlsListener terminates TLS for an http.Server. Unlike tls.NewListener's, its
// connections remember how their requests were spelled.
type tlsListener struct {
	net.Listener
	config *tls.Config
	log    *log.Logger // of the http.Server
}

// Accept waits for the next connection. Its handshake comes later.
func (l tlsListener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &secured{Conn: tls.Server(raw, l.config), raw: raw, log: l.log}, nil
}

// secured is a connection under TLS as http.Server sees it. What is not a
// *tls.Conn it asks for its ConnectionState before it reads, which is when the
// handshake is done.
type secured struct {
	*tls.Conn
	raw    net.Conn
	log    *log.Logger
	shaken sync.Once
	spelling
}

// ConnectionState is what the handshake led to. The first call does it; where it
// fails, reading fails as well.
func (c *secured) ConnectionState() tls.ConnectionState {
	c.shaken.Do(c.shake)
	return c.Conn.ConnectionState()
}

// Read reads what the client sent.
func (c *secured) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.note(p[:n])
	return n, err
}

func (c *secured) shake() {
	deadline := clock.Wall().Add(headerTimeout)
	err := errors.Join(c.SetDeadline(deadline), c.Handshake(), c.SetDeadline(time.Time{}))
	if v, ok := c.raw.(*visitor); ok {
		v.Secured()
	}
	if err == nil {
		auth.ThinChain(c.Conn.ConnectionState().PeerCertificates)
		return
	}
	reason := err.Error()
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && speaksHTTP(plain) {
		_, _ = io.WriteString(c.raw, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		reason = "client sent an HTTP request to an HTTPS server"
	}
	c.log.Printf("http: TLS handshake error from %s: %s", c.RemoteAddr(), reason)
}

// speaksHTTP says whether the start of what should be a TLS record is that of an
// HTTP request: a method, perhaps the beginning of a path.
func speaksHTTP(err tls.RecordHeaderError) bool {
	return strings.Trim(string(err.RecordHeader[:]), "ABCDEFGHIJKLMNOPQRSTUVWXYZ /") == ""
}
