package amqp

import (
	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
)

// sendCredit is how many messages a sender may be ahead of their settlement.
const sendCredit = 1000

// maxMessage is the longest message that is read, in bytes: above what the hub
// takes, so that one that is too large is rejected and does not cost its link.
const maxMessage = 512 << 10

// deviceBound attaches a back end that sends messages to devices.
// IoT Hub: contract.md §8.1, §18.
func (p *peer) deviceBound(l *transport.Link, path string) (transport.Node, *codec.Error) {
	if l.Sending {
		return noSuch(l, "")
	}
	if refusal := p.claims.admit(l, need{path: path}); refusal != nil {
		return transport.Node{}, refusal
	}
	return transport.Node{
		Receive: p.sendToDevice, Detached: func() { p.claims.release(l) }, Credit: sendCredit, MaxMessage: maxMessage,
	}, nil
}

// sendToDevice queues a message and says what became of it.
func (p *peer) sendToDevice(d *transport.Delivery) {
	id, m, err := p.queue(d)
	if err == nil {
		d.Settle(&codec.Accepted{})
		return
	}
	messageID, _ := m.System.Get(iot.MessageID)
	p.srv.hub.Record(monitoring.Record{
		Category: monitoring.C2DCommands, Operation: "ingress", Err: hub.Failure(err), Identity: id,
		Caller:  monitoring.Caller{Protocol: p.protocol, AuthType: auth.MethodOfPolicies, RemoteAddr: p.remote},
		Message: monitoring.Message{ID: messageID, Size: m.Size(), Ack: m.Ack.String(), Expiry: m.Expiry},
	})
	p.srv.log.Debug().Str("op", "c2d").Str("remote", p.remote).Msg("message rejected: " + iot.Masked(err.Error()))
	d.Settle(&codec.Rejected{Error: failure(err)})
}

func (p *peer) queue(d *transport.Delivery) (id iot.Identity, message c2d.Message, err error) {
	if d.Format != 0 {
		return id, message, iot.ErrArgumentInvalid.Because("messages to devices cannot be sent in batches")
	}
	m, err := codec.DecodeMessage(d.Message)
	if err != nil {
		return id, message, iot.ErrFormat.Because("%s", err)
	}
	to := ""
	if m.Properties != nil {
		to = codec.Text(m.Properties.To)
	}
	named, rest, ok := parseIdentity(parseAddress(to).path)
	if !ok || !(place{path: rest}).is("messages/devicebound") {
		return id, message, iot.ErrArgumentInvalid.Because("the message's to is %s, not /devices/{id}/messages/devicebound", iot.Printable(to))
	}
	id = named
	if message, err = outbound(m); err != nil {
		return id, message, err
	}
	_, err = p.srv.hub.Send(id, message)
	return id, message, err
}

// outbound is a message to a device as its sender meant it.
func outbound(m *codec.Message) (c2d.Message, error) {
	out := c2d.Message{Message: content(m)}
	if m.Properties != nil && m.Properties.AbsoluteExpiryTime.OK {
		out.Expiry = m.Properties.AbsoluteExpiryTime.Value
	}
	kept := out.Properties[:0]
	for _, property := range out.Properties {
		if property.Name != iot.Ack {
			kept = append(kept, property)
			continue
		}
		ack, err := c2d.ParseAck(property.Value)
		if err != nil {
			return out, err
		}
		out.Ack = ack
	}
	out.Properties = kept
	return out, nil
}
