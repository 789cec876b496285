package control

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// maxTTL is how long a message may wait for its device.
// IoT Hub: contract.md §8.5.
const maxTTL = 48 * time.Hour

// outgoing is a cloud-to-device message as the API takes it.
type outgoing struct {
	Body            string     `json:"body"`
	BodyEncoding    string     `json:"bodyEncoding"`
	Properties      properties `json:"properties"`
	MessageID       string     `json:"messageId"`
	CorrelationID   string     `json:"correlationId"`
	UserID          string     `json:"userId"`
	ContentType     string     `json:"contentType"`
	ContentEncoding string     `json:"contentEncoding"`
	Ack             string     `json:"ack"`
	TTL             string     `json:"ttl"`
}

// sendMessage queues a message for a device.
func (a *api) sendMessage(w http.ResponseWriter, r *http.Request) error {
	var o outgoing
	if err := decode(w, r, &o); err != nil {
		return err
	}
	if o.MessageID == "" {
		o.MessageID = newGUID()
	}
	m, err := o.message(a.Hub.Clock().Now())
	if err != nil {
		return err
	}
	id := iot.Device(r.PathValue("device"))
	sequence, err := a.Hub.Send(id, m)
	if err != nil {
		return missing(err, id)
	}
	return answer(w, http.StatusAccepted, struct {
		SequenceNumber uint64 `json:"sequenceNumber"`
		MessageID      string `json:"messageId"`
	}{sequence, o.MessageID})
}

// message is what the hub takes; a time to live counts from now.
func (o *outgoing) message(now time.Time) (m c2d.Message, err error) {
	if m.Body, err = decodeBody(o.Body, o.BodyEncoding); err != nil {
		return m, err
	}
	if o.Ack != "" {
		if m.Ack, err = c2d.ParseAck(o.Ack); err != nil {
			return m, err
		}
	}
	if o.TTL != "" {
		ttl, err := duration("ttl", o.TTL, maxTTL)
		if err != nil {
			return m, err
		}
		if ttl == 0 {
			return m, iot.ErrInvalidExpiry.Because("ttl %q: must be more than nothing", o.TTL)
		}
		m.Expiry = now.Add(ttl)
	}
	m.System = present([]iot.Property{
		{Name: iot.MessageID, Value: o.MessageID},
		{Name: iot.CorrelationID, Value: o.CorrelationID},
		{Name: iot.UserID, Value: o.UserID},
		{Name: iot.ContentType, Value: o.ContentType},
		{Name: iot.ContentEncoding, Value: o.ContentEncoding},
	})
	m.Properties = iot.Properties(o.Properties)
	return m, nil
}

// present are the properties that have a value.
func present(all []iot.Property) (set iot.Properties) {
	for _, p := range all {
		if p.Value != "" {
			set = append(set, p)
		}
	}
	return set
}

// decodeBody is a body that came as text.
func decodeBody(text, encoding string) ([]byte, error) {
	switch encoding {
	case "", "utf-8":
		return []byte(text), nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, iot.ErrArgumentInvalid.Because("body: not base64: %v", err)
		}
		return b, nil
	}
	return nil, iot.ErrArgumentInvalid.Because("bodyEncoding %q: must be utf-8 or base64", encoding)
}

// properties are application properties in the order of the JSON object they
// come from; null is a property without a value.
type properties iot.Properties

// UnmarshalJSON reads an object of strings and nulls.
func (p *properties) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		if start == nil {
			return err // null: no properties
		}
		return errors.New("properties must be an object of strings")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value *string
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("properties: %q must be a string or null", name)
		}
		added := iot.Property{Name: name.(string), Null: value == nil}
		if value != nil {
			added.Value = *value
		}
		*p = append(*p, added)
	}
	return nil
}

// newGUID is a random UUID.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
