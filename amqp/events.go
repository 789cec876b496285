package amqp

import (
	"strings"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
)

// eventsPort is where the redirect sends readers. IoT Hub: sdk-wire.md 0.6.
const eventsPort = 5671

// events attaches a link to the Event-Hubs-compatible endpoint. The endpoint is
// the hub itself, so that a reader may as well come directly; the old way, which
// asks the hub for `messages/events` first, is sent to the hub's own name.
//
// IoT Hub: contract.md §18, iot-hub-devguide-messages-read-builtin.md.
func (p *peer) events(l *transport.Link, path, entity, rest string) (transport.Node, *codec.Error) {
	if refusal := p.claims.admit(l, need{path, true}); refusal != nil {
		return transport.Node{}, refusal
	}
	node, refusal := p.eventsNode(l, entity, rest)
	if refusal != nil {
		p.claims.release(l)
	}
	return node, refusal
}

func (p *peer) eventsNode(l *transport.Link, entity, rest string) (transport.Node, *codec.Error) {
	if !l.Sending {
		return transport.Node{}, codec.Failure(conditionNotAllowed,
			"Sending is not allowed: only devices send to the hub's event endpoint.")
	}
	a, ok := parsePartition(rest)
	if ok {
		return p.read(l, a)
	}
	if entity == builtinEvents && (rest == "" || strings.EqualFold(rest, "$management")) {
		return transport.Node{}, p.redirect(rest)
	}
	return noSuch(l, "")
}

// redirect says where the event endpoint is. amenzhinsky/iothub cuts the name out
// of the address between the port and the slash after it.
func (p *peer) redirect(rest string) *codec.Error {
	host := p.host
	if name, _, ok := strings.Cut(host, ":"); ok && !strings.Contains(name, "[") && strings.Count(host, ":") == 1 {
		host = name
	}
	f := codec.Failure(conditionRedirect, "The event endpoint is at another address.")
	f.Info = codec.Map{
		{Key: codec.Symbol("hostname"), Value: host},
		{Key: codec.Symbol("network-host"), Value: host},
		{Key: codec.Symbol("port"), Value: int32(eventsPort)},
		{Key: codec.Symbol("address"), Value: "amqps://" + host + ":5671/" + p.srv.hub.Name() + "/" + rest},
	}
	return f
}
