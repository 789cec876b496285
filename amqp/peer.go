package amqp

import (
	"net"
	"sync"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

// peer is whoever is at the other end of a connection.
type peer struct {
	srv      *Server
	protocol string
	remote   string
	raw      net.Conn   // the TCP connection
	chain    auth.Chain // of the TLS client, or empty
	claims   *claims

	// The reader's own.
	host    string // the hub's name that the peer used
	replies []*reply

	mu      sync.Mutex
	devices map[iot.Identity]*device
}

// newPeer is a peer that showed certificates, or none. Links may be attached at
// any time, so that the chain stays as long as the connection does.
func newPeer(s *Server, protocol string, raw net.Conn, shown auth.Chain) *peer {
	return &peer{
		srv: s, protocol: protocol, remote: raw.RemoteAddr().String(), raw: raw, chain: shown,
		claims: newClaims(s.hub), host: s.hub.Hostnames()[0], devices: map[iot.Identity]*device{},
	}
}

// leave is called when the connection is over.
func (p *peer) leave() { p.claims.clear() }

// SASL judges a peer's credentials. Only PLAIN has any, and EXTERNAL needs a
// certificate, which is judged when a device attaches its first link: with the
// other mechanisms a token follows at $cbs. transport.Handler.
func (p *peer) SASL(c *transport.Conn, mechanism string, response []byte) bool {
	switch {
	case mechanism == "EXTERNAL" && len(p.chain) == 0:
		p.refused("SASL EXTERNAL", iot.ErrUnauthorized.Because("the client showed no certificate"))
		return false
	case mechanism != "PLAIN":
		return true
	}
	if path, err := p.plain(response); err != nil {
		p.turnedAway("SASL PLAIN", path, err)
		return false
	}
	p.trust(c)
	return true
}

// visitor is a connection whose listener is told when the client has shown who it
// is, because it bounds those of clients that have not.
type visitor interface{ Admit() }

// trust notes that the peer has shown who it is.
func (p *peer) trust(c *transport.Conn) {
	p.mu.Lock()
	connected := len(p.devices) // perhaps by certificate
	p.mu.Unlock()
	c.Trust(max(connected, p.claims.identities()))
	if v, ok := p.raw.(visitor); ok {
		v.Admit()
	}
}

// Open judges which hub a peer wants. transport.Handler.
func (p *peer) Open(_ *transport.Conn, o *codec.Open) *codec.Error {
	if !o.Hostname.OK || o.Hostname.Value == "" {
		return nil
	}
	if !p.srv.hub.IsHostname(o.Hostname.Value) {
		err := iot.ErrNotFound.Because("%s is not one of this hub's names", iot.Printable(o.Hostname.Value))
		p.refused("open", err)
		return failure(err)
	}
	p.host = o.Hostname.Value
	return nil
}

// Attach says what a link is attached to. transport.Handler.
//
// IoT Hub: contract.md §18, sdk-wire.md 0.6.
func (p *peer) Attach(l *transport.Link) (transport.Node, *codec.Error) {
	node, refusal := p.node(l, parseAddress(l.Address()))
	if refusal != nil && refusal.Condition != conditionRedirect {
		p.srv.log.Warn().Str("op", "attach").Str("remote", p.remote).Str("protocol", p.protocol).
			Str("address", iot.Printable(l.Address())).Msg("refused: " + iot.Masked(refusal.Error()))
	}
	return node, refusal
}

// maxShown is how much of an address that is refused is told, in bytes.
const maxShown = 256

// shown is a link's address, or the beginning of a long one.
func shown(l *transport.Link) string {
	address := l.Address()
	if len(address) > maxShown {
		address = address[:maxShown] + "…"
	}
	return wellFormed(address)
}

// node finds the node of an address.
func (p *peer) node(l *transport.Link, a place) (transport.Node, *codec.Error) {
	if a.host != "" && !p.srv.hub.IsHostname(a.host) {
		return noSuch(l, "")
	}
	switch {
	case a.is("$cbs"):
		return p.cbs(l)
	case a.is("$management"):
		return p.management(l)
	case a.is("messages/devicebound"):
		return p.deviceBound(l, a.path)
	case a.is("messages/servicebound/feedback"):
		return p.feedback(l, a.path)
	case a.is("messages/servicebound/filenotifications"), a.is("messages/servicebound/fileuploadnotifications"):
		return p.fileNotifications(l, a.path)
	}
	if id, rest, ok := parseIdentity(a.path); ok {
		return p.device(l, id, place{path: rest})
	}
	if e, rest, ok := p.srv.entity(a); ok {
		return p.events(l, a, e, rest)
	}
	return noSuch(l, "")
}

// noSuch refuses a link to something that is not there. @azure/event-hubs takes
// an error for final when it is worded so.
func noSuch(l *transport.Link, why string) (transport.Node, *codec.Error) {
	return transport.Node{}, failure(iot.ErrAddressNotFound.Because(
		"The messaging entity '%s' could not be found%s.", shown(l), why))
}

// refused logs what a peer was denied.
func (p *peer) refused(op string, err error) {
	p.srv.log.Warn().Str("op", op).Str("remote", p.remote).Str("protocol", p.protocol).Msg("refused: " + iot.Masked(err.Error()))
}

// turnedAway logs that a token for path is no good. Where that is an identity's,
// the hub remembers it as it does of MQTT; a reader of events is told of, too.
func (p *peer) turnedAway(op, path string, err error) {
	if id, _, ok := parseIdentity(path); ok {
		p.srv.hub.Refused(id, p.remote, p.protocol, err)
		return
	}
	if _, _, ok := p.srv.entity(place{path: path}); ok {
		p.readerRefused(err)
	}
	p.refused(op, err)
}
