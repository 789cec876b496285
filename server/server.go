// Package server owns the sockets of a hub: it listens, terminates TLS, and
// composes the transports. Any number of servers may live in a process; they
// share nothing.
package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linarite/linarite/amqp"
	"github.com/linarite/linarite/control"
	"github.com/linarite/linarite/endpoints"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/mqtt"
	"github.com/linarite/linarite/rest"
)

// errStopping is what ails a server that drains.
var errStopping = errors.New("the hub is shutting down")

// goodbye is how long the requests that the hub's end has ended may take to be
// answered.
const goodbye = 250 * time.Millisecond

// Server is a hub on its ports.
type Server struct {
	hub      *hub.Hub
	identity identity
	doors    doors
	mqtt     *mqtt.Server
	amqp     *amqp.Server
	https    *web
	control  *web

	stopping atomic.Bool
	abort    context.CancelFunc // hurries a Shutdown that is under way
	aborted  context.Context
	once     sync.Once
	err      error
}

// Start opens the sockets and serves. The error says what is wrong and what to
// do about it; nothing that was begun is left behind then.
func Start(o Options) (*Server, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	doors, err := bind(o, net.Listen)
	if err != nil {
		return nil, err
	}
	s, err := assemble(o, doors)
	if err != nil {
		doors.close()
		return nil, err
	}
	s.serve()
	return s, nil
}

// assemble puts the parts together; none of them does anything yet.
func assemble(o Options, d doors) (*Server, error) {
	identity, err := identify(o)
	if err != nil {
		return nil, err
	}
	validations := endpoints.NewValidations("http://" + o.controlName(d.control) + "/v1/endpoints/")
	options := o.hub()
	options.OpenSink = endpoints.Opener{Folder: o.endpointFolder(), Files: o.EndpointFiles, Validations: validations}.Open
	if identity.authority != nil {
		options.CA = identity.authority.PEM()
	}
	h, err := hub.New(options)
	if err != nil {
		return nil, err
	}
	devices, err := mqtt.New(mqtt.Options{Hub: h, Log: o.Log})
	if err != nil {
		h.Close()
		return nil, err
	}
	links, err := amqp.New(amqp.Options{Hub: h, Log: o.Log, ConsumerGroups: o.ConsumerGroups})
	if err != nil {
		_ = devices.Close()
		h.Close()
		return nil, err
	}
	s := &Server{hub: h, identity: identity, doors: d.guarded(o), mqtt: devices, amqp: links}
	s.aborted, s.abort = context.WithCancel(context.Background())
	s.https = newWeb(front{rest: rest.Handler(h, o.Log), mqtt: devices.WebSocket(), amqp: links.WebSocket()}, o.Log)
	s.control = newWeb(control.Handler(control.Options{
		Hub: h, CA: identity.ca, HTTPS: d.https.Addr().String(), Hosts: o.ControlHosts, Health: s.health,
		Validate: validations.Confirm, Version: o.Version, Log: o.Log,
	}), o.Log)
	return s, nil
}

// serve lets the clients in. WebSocket needs HTTP/1.1, and so do the SDKs.
func (s *Server) serve() {
	s.mqtt.Serve(s.doors.mqtt, s.identity.tls())
	s.amqp.Serve(s.doors.amqps, s.identity.tls())
	if s.doors.amqp != nil {
		s.amqp.Serve(s.doors.amqp, nil)
	}
	s.https.serve(tlsListener{s.doors.https, s.identity.tls("http/1.1"), s.https.server.ErrorLog})
	s.control.serve(s.doors.control)
}

func (s *Server) health() error {
	if s.stopping.Load() {
		return errStopping
	}
	return nil
}

// Shutdown stops accepting, lets the requests that are under way finish as long
// as ctx lasts, then disconnects the devices. When it returns, nothing runs any
// more; the error is ctx's when requests were cut. Later calls wait for the
// first and return what it did.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(func() { s.err = s.stop(ctx) })
	return s.err
}

// Close ends everything at once, a Shutdown that is under way included.
func (s *Server) Close() error {
	s.abort()
	s.once.Do(func() { _ = s.stop(s.aborted) })
	return nil
}

func (s *Server) stop(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.aborted, cancel)()
	s.stopping.Store(true)
	_ = s.doors.mqtt.Close()
	_ = s.doors.amqps.Close()
	if s.doors.amqp != nil {
		_ = s.doors.amqp.Close()
	}
	s.control.cancel() // those who wait for events
	err := s.https.drain(ctx)
	if e := s.control.drain(ctx); err == nil {
		err = e
	}
	// Its devices' wills still go to the hub. That ends the requests that wait for
	// a device, which are to be told so.
	_ = s.mqtt.Close()
	_ = s.amqp.Close()
	s.hub.Close()
	told, cancelTold := context.WithTimeout(context.Background(), goodbye)
	defer cancelTold()
	_ = s.https.drain(told)
	s.https.close()
	s.control.close()
	s.abort()
	return err
}

// Hub is the hub that is served.
func (s *Server) Hub() *hub.Hub { return s.hub }

// CA is the certificate that clients have to trust, in PEM; empty when the
// server's was brought along without its issuer.
func (s *Server) CA() []byte { return s.identity.ca }

// CAPath is the file that CA is kept in; empty when there is none.
func (s *Server) CAPath() string { return s.identity.caPath }

// MQTTAddr is the host:port at which MQTT is reached.
func (s *Server) MQTTAddr() string { return reachable(s.doors.mqtt) }

// HTTPSAddr is the host:port at which REST and WebSocket are reached.
func (s *Server) HTTPSAddr() string { return reachable(s.doors.https) }

// AMQPSAddr is the host:port at which AMQP over TLS is reached.
func (s *Server) AMQPSAddr() string { return reachable(s.doors.amqps) }

// AMQPAddr is the host:port at which AMQP without TLS is reached; empty when it
// was not asked for.
func (s *Server) AMQPAddr() string {
	if s.doors.amqp == nil {
		return ""
	}
	return reachable(s.doors.amqp)
}

// ControlAddr is the host:port at which the control API is reached.
func (s *Server) ControlAddr() string { return reachable(s.doors.control) }

// HTTPSURL is the base URL of the service API.
func (s *Server) HTTPSURL() string { return "https://" + s.HTTPSAddr() }

// ControlURL is the base URL of the control API.
func (s *Server) ControlURL() string { return "http://" + s.ControlAddr() }

// reachable is a listener's address, with loopback in the place of all
// interfaces.
func reachable(ln net.Listener) string {
	addr, err := netip.ParseAddrPort(ln.Addr().String())
	if err != nil || !addr.Addr().IsUnspecified() {
		return ln.Addr().String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port()).String()
}
