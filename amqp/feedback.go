package amqp

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// feedbackType is the content type of feedback. IoT Hub: contract.md §8.7.
const feedbackType codec.Symbol = "application/vnd.microsoft.iothub.feedback.json"

// listener is a back end's link to the queue of feedback.
type listener struct {
	srv   *Server
	link  *transport.Link
	queue *c2d.Feedback

	mu   sync.Mutex
	over bool
	held map[string]struct{} // lock tokens that the peer has not settled
}

// feedback attaches a back end that wants to know what became of messages.
func (p *peer) feedback(l *transport.Link, path string) (transport.Node, *codec.Error) {
	if !l.Sending {
		return noSuch(l, "")
	}
	if refusal := p.claims.admit(l, need{path: path}); refusal != nil {
		return transport.Node{}, refusal
	}
	f := &listener{srv: p.srv, link: l, queue: p.srv.hub.Feedback(), held: map[string]struct{}{}}
	p.srv.pump(l, f.pump)
	return transport.Node{Pumped: true, Settled: f.settled, Detached: func() {
		p.claims.release(l)
		f.leave()
	}}, nil
}

// fileNotifications attaches a back end that wants to know of uploaded files, of
// which there are none.
func (p *peer) fileNotifications(l *transport.Link, path string) (transport.Node, *codec.Error) {
	if !l.Sending {
		return noSuch(l, "")
	}
	if refusal := p.claims.admit(l, need{path: path}); refusal != nil {
		return transport.Node{}, refusal
	}
	return transport.Node{Detached: func() { p.claims.release(l) }}, nil
}

// pump sends batches as they come and as credit allows, until the link is over.
func (f *listener) pump() {
	for {
		changed := f.queue.Changed()
		for f.link.Credit() > 0 {
			b, ok := f.queue.Receive()
			if !ok {
				f.link.Drained()
				break
			}
			f.send(b)
		}
		select {
		case <-changed:
		case <-f.link.Wake():
		case <-f.link.Done():
			return
		}
	}
}

// send sends a batch. The delivery tag is its lock token, in the 16 bytes that C#
// makes a Guid of.
func (f *listener) send(b c2d.Batch) {
	if !f.hold(b.LockToken) {
		f.queue.Release(b.LockToken)
		return
	}
	body, err := json.Marshal(b.Records)
	if err != nil {
		f.srv.log.Error().Err(err).Str("op", "feedback").Msg("records that are no JSON")
		return
	}
	tag, _ := hex.DecodeString(strings.ReplaceAll(b.LockToken, "-", "")) // a GUID
	m := codec.Message{
		Header:      &codec.Header{Priority: 4, DeliveryCount: uint32(b.DeliveryCount)},
		Annotations: codec.Map{{Key: codec.Symbol(iot.EnqueuedTime), Value: b.EnqueuedTime}},
		Properties: &codec.Properties{
			MessageID: b.LockToken, UserID: []byte(f.srv.hub.Name()), To: "/messages/serviceBound/feedback",
			ContentType: codec.Some(feedbackType), ContentEncoding: codec.Some(codec.Symbol("utf-8")),
		},
		Data: [][]byte{body},
	}
	sent := f.link.Send(transport.Outgoing{Message: m.Append(nil), Tag: tag, Ref: b.LockToken})
	if sent && f.link.Settles {
		f.settled(b.LockToken, &codec.Accepted{})
	}
}

// hold notes that the peer has a batch; false means that its link is over.
func (f *listener) hold(token string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.held[token] = struct{}{}
	}
	return !f.over
}

// settled does with a batch what the peer says. IoT Hub: contract.md §8.7, §18:
// released is abandoned.
func (f *listener) settled(ref, outcome any) {
	token := ref.(string)
	f.mu.Lock()
	delete(f.held, token)
	f.mu.Unlock()
	var err error
	switch o := outcome.(type) {
	case *codec.Accepted:
		err = f.queue.Complete(token)
	case *codec.Rejected:
		err = f.queue.Reject(token)
	case *codec.Modified:
		if o.UndeliverableHere {
			err = f.queue.Reject(token)
		} else {
			err = f.queue.Abandon(token)
		}
	default:
		err = f.queue.Abandon(token)
	}
	if err != nil {
		f.srv.log.Debug().Err(err).Str("op", "feedback").Msg("too late to settle a batch")
	}
}

// leave gives back what the peer had, so that the next one gets it at once.
func (f *listener) leave() {
	f.mu.Lock()
	f.over = true
	held := f.held
	f.held = nil
	f.mu.Unlock()
	for token := range held {
		f.queue.Release(token)
	}
}
