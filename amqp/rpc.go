package amqp

import (
	"errors"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
)

// Bounds of request and reply.
const (
	maxRequest    = 32 << 10 // bytes
	maxReplies    = 64       // that wait for a peer's credit
	maxReplyBytes = 64 << 10 // of all of them, but for the last
	maxReplyTo    = 1 << 10  // bytes of an address that is remembered
	rpcCredit     = 32
)

// reply is a link on which the replies of a node go.
type reply struct {
	link *transport.Link
	node string // such as $cbs
	to   string // the address of the peer's end, which its requests' reply-to names
}

// answer is what a request is answered with.
type answer struct {
	status      int32
	description string
	condition   codec.Symbol // for an error
	body        any
}

// serve answers the requests that come on a link, or, on a link in the other
// direction, sends the replies.
func (p *peer) serve(l *transport.Link, node string, handle func(*codec.Message) answer) transport.Node {
	if l.Sending {
		r := &reply{link: l, node: node}
		if l.Target != nil {
			if to := codec.Text(l.Target.Address); len(to) <= maxReplyTo {
				r.to = to
			}
		}
		p.replies = append(attached(p.replies), r)
		return transport.Node{}
	}
	receive := func(d *transport.Delivery) {
		m, err := codec.DecodeMessage(d.Message)
		if err != nil {
			d.Settle(&codec.Rejected{Error: codec.Failure("amqp:decode-error", err.Error())})
			return
		}
		d.Settle(&codec.Accepted{})
		p.respond(l, node, m, handle(m))
	}
	return transport.Node{Receive: receive, Credit: rpcCredit, MaxMessage: maxRequest}
}

// respond sends the reply to a request. It waits in the link's queue until there
// is credit: the Go SDK sends its request before it grants any (amqp.md, trap 3).
// The correlation-id is the request's message-id, in the type it came in.
func (p *peer) respond(l *transport.Link, node string, request *codec.Message, a answer) {
	properties := &codec.Properties{}
	to := ""
	if request.Properties != nil {
		properties.CorrelationID = request.Properties.MessageID
		properties.To = request.Properties.ReplyTo
		to = codec.Text(request.Properties.ReplyTo)
	}
	out := p.replyLink(l, node, to)
	if out == nil {
		p.refused("reply", errors.New("there is no link for the replies of "+node))
		return
	}
	room := out.Await(maxReplies)
	if _, bytes := out.Queued(); !room || bytes > maxReplyBytes {
		l.Conn().Close(errors.New("the peer grants no credit for the replies of " + node))
		return
	}
	m := codec.Message{Properties: properties, Application: a.properties(), Value: a.body, HasValue: true}
	out.Send(transport.Outgoing{Message: m.Append(nil), Settled: true})
}

// properties are the application properties of a reply. Status and description
// come in both spellings that clients look for; the status is an int, to which
// Java and go-amqp cast.
func (a *answer) properties() codec.Map {
	m := codec.Map{
		{Key: "status-code", Value: a.status},
		{Key: "status-description", Value: a.description},
		{Key: "statusCode", Value: a.status},
		{Key: "statusDescription", Value: a.description},
	}
	if a.condition != "" {
		m = append(m, codec.Entry{Key: "error-condition", Value: a.condition},
			codec.Entry{Key: "errorCondition", Value: a.condition})
	}
	return m
}

// replyLink is the link whose end is what reply-to names, or else the latest of
// the node's, first of the same session.
func (p *peer) replyLink(l *transport.Link, node, to string) *transport.Link {
	var best *transport.Link
	rank := 0
	p.replies = attached(p.replies)
	for _, r := range p.replies {
		if r.node != node {
			continue
		}
		n := 1
		if r.link.Session() == l.Session() {
			n++
		}
		if to != "" && r.to == to {
			n += 2
		}
		if n >= rank {
			best, rank = r.link, n
		}
	}
	return best
}

// attached are those of links for replies that are still attached, in place.
func attached(all []*reply) []*reply {
	alive := all[:0]
	for _, r := range all {
		select {
		case <-r.link.Done():
		default:
			alive = append(alive, r)
		}
	}
	clear(all[len(alive):])
	return alive
}
