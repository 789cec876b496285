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

// ServeWeb serves h on ln as the server's own doors are served, but for the time
// that a body may take. It returns what ends it.
func ServeWeb(h http.Handler, ln net.Listener, log zerolog.Logger, bodyTimeout time.Duration) (end func()) {
	w := newWeb(h, log)
	w.bodyTimeout = bodyTimeout
	w.serve(ln)
	return w.close
}
