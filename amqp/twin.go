package amqp

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// The resources of a twin. IoT Hub: contract.md §18.
const (
	reportedResource = "/properties/reported"
	desiredResource  = "/notifications/twin/properties/desired"
)

// What waits, of answers and changes, for a device that grants no credit.
const (
	maxTwin      = 256       // messages
	maxTwinBytes = 512 << 10 // of all of them
)

// properties is the node of a device's twin: requests come in on one link,
// answers and changes go out on another.
func (d *device) properties(l *transport.Link) transport.Node {
	if !l.Sending {
		return transport.Node{Receive: d.twinRequest, Credit: eventCredit, MaxMessage: maxMessage}
	}
	return d.outlet(&d.twin, l, func(on *hub.Listening) { on.Desired = false })
}

// twinRequest does what a request asks for: operation and resource are in its
// annotations, and the answer has its correlation-id.
func (d *device) twinRequest(in *transport.Delivery) {
	m, err := codec.DecodeMessage(in.Message)
	if err != nil {
		in.Settle(&codec.Rejected{Error: failure(iot.ErrFormat.Because("%s", err))})
		return
	}
	in.Settle(&codec.Accepted{})
	d.awaitTwin()
	var id any
	if m.Properties != nil {
		id = m.Properties.CorrelationID
	}
	c := in.Link().Conn()
	resource := strings.TrimSuffix(m.Annotations.Text("resource"), "/")
	switch op := strings.ToUpper(m.Annotations.Text("operation")); {
	case op == "GET" && resource == "":
		d.twinRead(c, id)
	case op == "PATCH" && strings.EqualFold(resource, reportedResource):
		base, _ := integer(m.Annotations.Get("version"))
		version, v := d.session.Report(body(m), base)
		d.answer(c, id, v, http.StatusNoContent, version)
	case (op == "PUT" || op == "DELETE") && strings.EqualFold(resource, desiredResource):
		d.listen(func(on *hub.Listening) { on.Desired = op == "PUT" })
		d.answer(c, id, hub.Verdict{}, http.StatusOK, 0)
	default:
		e := iot.ErrArgumentInvalid.Because("the twin has no operation %q on %q", op, resource)
		d.answer(c, id, hub.Verdict{Action: hub.Refuse, Err: e}, 0, 0)
	}
}

// awaitTwin takes no further request of a device that is slow to read what it has
// been answered.
func (d *device) awaitTwin() {
	d.mu.Lock()
	l := d.twin
	d.mu.Unlock()
	if l != nil {
		l.Await(1)
	}
}

// twinRead answers a request for the twin, as far as the verdict goes.
func (d *device) twinRead(c *transport.Conn, id any) {
	v := d.session.TwinRequest()
	d.carryOut(v, c, func() {
		if v.Action != hub.Refuse {
			v = d.session.Twin(func(view []byte) { d.tell(id, http.StatusOK, 0, view) })
		}
		if v.Action == hub.Refuse {
			d.tell(id, int32(v.Err.Status), 0, refusal(v.Err))
		}
	})
}

// answer sends the answer to a request, as far as the verdict goes.
func (d *device) answer(c *transport.Conn, id any, v hub.Verdict, status int32, version int64) {
	d.carryOut(v, c, func() {
		if v.Action == hub.Refuse {
			d.tell(id, int32(v.Err.Status), 0, refusal(v.Err))
			return
		}
		d.tell(id, status, version, nil)
	})
}

// tell sends the answer to a request.
func (d *device) tell(id any, status int32, version int64, body []byte) {
	annotations := codec.Map{{Key: codec.Symbol("status"), Value: status}}
	if version > 0 {
		annotations = append(annotations, codec.Entry{Key: codec.Symbol("version"), Value: version})
	}
	d.sendTwin(&codec.Message{
		Annotations: annotations, Properties: &codec.Properties{CorrelationID: id}, Data: [][]byte{body},
	})
}

// refusal is the body of an answer that is an error.
func refusal(e *iot.Error) []byte {
	text, _ := json.Marshal(struct {
		ErrorCode int    `json:"errorCode"`
		Message   string `json:"message"`
	}{e.Code, e.Error()}) // of a number and a text
	return text
}

// Desired tells the device that its desired properties changed; hub.Link. It is
// the only message without a correlation-id.
func (d *device) Desired(version int64, patch []byte) {
	d.sendTwin(&codec.Message{
		Annotations: codec.Map{
			{Key: codec.Symbol("resource"), Value: desiredResource}, {Key: codec.Symbol("version"), Value: version},
		},
		Data: [][]byte{patch},
	})
}

// sendTwin sends a message about the twin. A device that does not listen gets
// none.
func (d *device) sendTwin(m *codec.Message) {
	d.mu.Lock()
	l := d.twin
	d.mu.Unlock()
	if l == nil {
		return
	}
	if waiting, bytes := l.Queued(); waiting >= maxTwin || bytes >= maxTwinBytes {
		l.Conn().Close(errors.New("the device grants no credit for its twin"))
		return
	}
	l.Send(transport.Outgoing{Message: m.Append(nil)})
}
