package mqtt

import (
	"encoding/json"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// Method publishes a call to the device; hub.Link. Nothing stands after the
// request id. IoT Hub: contract.md §11.3, §1 rule 10.
func (l *link) Method(r methods.Request) {
	l.push(outgoing{publication: publication{
		topic: "$iothub/methods/POST/" + r.Name + "/?$rid=" + r.RID, payload: r.Payload,
	}})
}

// methodAnswer takes the answer to a direct method. One that nobody waits for is
// dropped; one that is no JSON, or too long, fails the call it is for.
//
// IoT Hub: contract.md §11.3.
func (l *link) methodAnswer(t *topic, m received) error {
	r := methods.Response{Status: t.status}
	if len(m.payload) > 0 {
		r.Payload = json.RawMessage(m.payload)
	}
	if r.Payload != nil && !json.Valid(r.Payload) {
		l.session.FailMethod(t.rid, iot.ErrDeserialization.Because("the device's answer is not valid JSON"))
	} else {
		l.session.Answer(t.rid, r)
	}
	if m.qos == 1 {
		return l.puback(m.id)
	}
	return nil
}
