package server

import (
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// Bind opens the sockets of o through listen and returns their addresses.
func Bind(o Options, listen func(network, address string) (net.Listener, error)) ([]string, error) {
	d, err := bind(o, listen)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return []string{d.mqtt.Addr().String(), d.https.Addr().String(), d.amqps.Addr().String(), d.control.Addr().String()}, nil
}

// Names are the names that o gives a hub.
func Names(o Options) []string { return o.names() }

// Bounds are what the options let through a gate.
func Bounds(o Options) (perAddress, strangers int) {
	b := o.bounds()
	return b.perAddress, b.strangers
}

// Visitor is a connection that came through a gate.
type Visitor interface {
	net.Conn
	Admit()
	Secured()
}

// GateShaking is how many bytes strangers may send through Gates to establish TLS,
// each and all together.
const GateShaking = 1000

// Gates puts a gate before each listener; they share a crowd.
func Gates(perAddress, strangers int, courtesy time.Duration, log zerolog.Logger, lns ...net.Listener) []net.Listener {
	c := newCrowd()
	gates := make([]net.Listener, len(lns))
	for i, ln := range lns {
		g := newGate(ln, "test", bounds{perAddress, strangers, GateShaking, courtesy}, c, log)
		g.handshake = GateShaking
		gates[i] = g
	}
	return gates
}

// AddressOf is where a connection is counted as coming from.
func AddressOf(remote net.Addr) string { return addressOf(from{remote}).String() }

// from is a connection from somewhere.
type from struct{ remote net.Addr }

func (f from) RemoteAddr() net.Addr { return f.remote }

// ServeWeb serves h on ln as the server's own doors are served, but for the time
// that a body and an answer may take. It returns what ends it.
func ServeWeb(h http.Handler, ln net.Listener, log zerolog.Logger, timeout time.Duration) (end func()) {
	w := newWeb(h, log)
	w.bodyTimeout, w.answerTimeout = timeout, timeout
	w.serve(ln)
	return w.close
}

// Respell gives the properties in a request's header the names they have in what
// was read.
func Respell(r *http.Request, read []byte) { _ = respell(r, read) }
