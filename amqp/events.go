package amqp

import (
	"strings"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
)

// eventsPort is where the redirect sends readers. IoT Hub: sdk-wire.md 0.6.
const eventsPort = 5671

// entity is an Event-Hubs-compatible endpoint: the built-in one, or that of
// operations monitoring.
type entity struct {
	address string // under which the hub itself has it
	name    string // under which Event Hubs does
	log     *events.Log
}

func (s *Server) entities() [2]entity {
	return [2]entity{
		{"messages/events", s.hub.Name(), s.hub.Events()},
		{"messages/operationsMonitoringEvents", s.hub.OperationsName(), s.hub.Operations()},
	}
}

// entity is the endpoint that a path names, and the rest of the path.
func (s *Server) entity(at place) (e entity, rest string, ok bool) {
	for _, e := range s.entities() {
		for _, name := range [...]string{e.name, e.address} {
			if rest, ok := at.under(name); ok {
				return e, rest, true
			}
		}
	}
	return entity{}, "", false
}

// events attaches a link to an Event-Hubs-compatible endpoint. The endpoint is
// the hub itself, so that a reader may as well come directly; the old way, which
// asks the hub for `messages/events` first, is sent to the hub's own name.
//
// IoT Hub: contract.md §18, iot-hub-devguide-messages-read-builtin.md.
func (p *peer) events(l *transport.Link, at place, e entity, rest string) (transport.Node, *codec.Error) {
	if refusal := p.claims.admit(l, need{at.path, true}); refusal != nil {
		p.readerRefused(recorded(refusal))
		return transport.Node{}, refusal
	}
	node, refusal := p.eventsNode(l, at, e, rest)
	if refusal != nil {
		p.claims.release(l)
		if refusal.Condition != conditionRedirect {
			p.readerRefused(recorded(refusal))
		}
	}
	return node, refusal
}

// readerRefused tells that somebody may not read an endpoint's events. What the
// operation is called is [unsourced].
//
// IoT Hub: iot-hub-operations-monitoring (DeviceTelemetry has errors of receiving
// events, such as an unauthorized reader).
func (p *peer) readerRefused(err error) {
	p.srv.hub.Record(monitoring.Record{
		Category: monitoring.DeviceTelemetry, Operation: "egress", Err: hub.Failure(err),
		Caller: monitoring.Caller{Protocol: p.protocol, AuthType: auth.MethodOfPolicies, RemoteAddr: p.remote},
	})
}

// recorded is the refusal of a reader as one of the catalogue.
func recorded(refusal *codec.Error) *iot.Error {
	known := iot.ErrArgumentInvalid
	switch refusal.Condition {
	case conditionUnauthorized:
		known = iot.ErrUnauthorizedAccess
	case conditionNotFound:
		known = iot.ErrAddressNotFound
	case conditionStolen:
		known = iot.ErrLinkConflict
	case conditionNotAllowed, conditionLimit:
		known = iot.ErrInvalidOperation
	}
	return known.Because("%s", strings.TrimPrefix(refusal.Description.Value, known.Name+": "))
}

func (p *peer) eventsNode(l *transport.Link, at place, e entity, rest string) (transport.Node, *codec.Error) {
	if !l.Sending {
		return transport.Node{}, codec.Failure(conditionNotAllowed,
			"Sending is not allowed: only devices send to the hub's event endpoint.")
	}
	a, ok := parsePartition(rest)
	if ok {
		a.entity = e.name
		return p.read(l, a, e.log)
	}
	if _, old := at.under(e.address); old && (rest == "" || strings.EqualFold(rest, "$management")) {
		return transport.Node{}, p.redirect(e, rest)
	}
	return noSuch(l, "")
}

// redirect says where the event endpoint is. amenzhinsky/iothub cuts the name out
// of the address between the port and the slash after it.
func (p *peer) redirect(e entity, rest string) *codec.Error {
	host := p.host
	if name, _, ok := strings.Cut(host, ":"); ok && !strings.Contains(name, "[") && strings.Count(host, ":") == 1 {
		host = name
	}
	f := codec.Failure(conditionRedirect, "The event endpoint is at another address.")
	f.Info = codec.Map{
		{Key: codec.Symbol("hostname"), Value: host},
		{Key: codec.Symbol("network-host"), Value: host},
		{Key: codec.Symbol("port"), Value: int32(eventsPort)},
		{Key: codec.Symbol("address"), Value: "amqps://" + host + ":5671/" + e.name + "/" + rest},
	}
	return f
}
