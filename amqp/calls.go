package amqp

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// Application properties of a direct method. IoT Hub: contract.md §18.
const (
	methodName   = "IoThub-methodname"
	methodStatus = "IoThub-status"
)

// What waits, of calls, for a device that grants no credit.
const (
	maxCalls     = 64
	maxCallBytes = 512 << 10 // of all of them
)

// calls is the node of direct methods: calls go out on one link, answers come in
// on another. A device is online for methods as long as it has the first.
func (d *device) calls(l *transport.Link) transport.Node {
	if !l.Sending {
		return transport.Node{Receive: d.methodAnswer, Credit: eventCredit, MaxMessage: maxMessage}
	}
	node := d.outlet(&d.methods, l, func(on *hub.Listening) { on.Methods = false })
	d.listen(func(on *hub.Listening) { on.Methods = true })
	return node
}

// Method calls the device; hub.Link.
func (d *device) Method(r methods.Request) {
	d.mu.Lock()
	l := d.methods
	d.mu.Unlock()
	if l == nil || full(l) {
		d.session.FailMethod(r.RID, iot.ErrDeviceNotOnline)
		return
	}
	m := codec.Message{
		Properties:  &codec.Properties{CorrelationID: callID(r.RID)},
		Application: codec.Map{{Key: methodName, Value: r.Name}},
		Data:        [][]byte{r.Payload},
	}
	l.Send(transport.Outgoing{Message: m.Append(nil)})
}

// full says whether there is no room for another call.
func full(l *transport.Link) bool {
	waiting, bytes := l.Queued()
	return waiting >= maxCalls || bytes >= maxCallBytes
}

// methodAnswer takes the answer to a call. One that nobody waits for is dropped.
func (d *device) methodAnswer(in *transport.Delivery) {
	m, err := codec.DecodeMessage(in.Message)
	if err != nil || m.Properties == nil {
		in.Settle(&codec.Rejected{Error: failure(iot.ErrFormat.Because("no answer to a method"))})
		return
	}
	rid := callOf(m.Properties.CorrelationID)
	status, ok := integer(m.Application.Get(methodStatus))
	payload := json.RawMessage(body(m))
	switch {
	case !ok:
		d.session.FailMethod(rid, iot.ErrArgumentInvalid.Because("the device's answer has no %s", methodStatus))
	case len(payload) > 0 && !json.Valid(payload):
		d.session.FailMethod(rid, iot.ErrDeserialization.Because("the device's answer is not valid JSON"))
	case len(payload) == 0:
		d.session.Answer(rid, methods.Response{Status: int(status)})
	default:
		d.session.Answer(rid, methods.Response{Status: int(status), Payload: payload})
	}
	in.Settle(&codec.Accepted{})
}

// callID is a call's id, which is a number, as a UUID: the C SDK takes nothing
// else for a correlation-id. It is one of version 4, since Node sends others
// back as text.
func callID(rid string) codec.UUID {
	n, _ := strconv.ParseUint(rid, 10, 48)
	var id codec.UUID
	binary.BigEndian.PutUint64(id[8:], n)
	id[6], id[8] = 0x40, 0x80
	return id
}

// callOf is the id of the call that a correlation-id, a UUID or its text, is of.
func callOf(id any) string {
	u, ok := id.(codec.UUID)
	if !ok {
		b, err := hex.DecodeString(strings.ReplaceAll(codec.Text(id), "-", ""))
		if err != nil || len(b) != len(u) {
			return ""
		}
		u = codec.UUID(b)
	}
	u[8], u[9] = 0, 0
	return strconv.FormatUint(binary.BigEndian.Uint64(u[8:]), 10)
}

// integer is v as a number, if it is one.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case uint64:
		return int64(v), true
	case uint32:
		return int64(v), true
	case string:
		n, err := strconv.ParseInt(v, 10, 32)
		return n, err == nil
	}
	return 0, false
}
