package rest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// batchType is the content type of many messages in one request.
const batchType = "application/vnd.microsoft.iothub.json"

// propertyPrefix begins the name of an application property, in a header or in a
// batch.
const propertyPrefix = "iothub-app-"

// maxBatch is how many messages a batch may have. Differs: the service states no
// number, but bounds their size.
const maxBatch = 10_000

// systemHeaders are the system properties that a device may set, by the headers
// that hold them, in lower case. IoT Hub: contract.md §7.2.
var systemHeaders = map[string]string{
	"iothub-messageid":       iot.MessageID,
	"iothub-correlationid":   iot.CorrelationID,
	"iothub-userid":          iot.UserID,
	"iothub-expiry":          iot.ExpiryTime,
	"iothub-contenttype":     iot.ContentType,
	"iothub-contentencoding": iot.ContentEncoding,
	"iothub-outputname":      iot.OutputName,
	"iothub-messageschema":   iot.MessageSchema,
	"iothub-creationtimeutc": iot.CreationTime,
	"iothub-interface-id":    iot.InterfaceID,
	"dt-subject":             iot.Subject,

	propertyPrefix + iot.CreationTime: iot.CreationTime, // contract.md §7.2, last line
}

// telemetry takes a device's message, or a batch of them.
//
// IoT Hub: contract.md §17.
func (a *api) telemetry(c *call) (reply, error) {
	read := c.single
	if kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err == nil && kind == batchType {
		read = c.batch
	}
	messages, err := read()
	if err != nil {
		return reply{}, err
	}
	return a.execute(c, c.visit.Telemetry(messages))
}

// single is the message that a request is: its body, and its properties in
// headers.
func (c *call) single() ([]iot.Message, error) {
	body, err := c.readBody(hub.MaxTelemetry)
	if errors.Is(err, iot.ErrEntityTooLarge) {
		return nil, iot.ErrMessageTooLarge.Because("The message is larger than %d bytes.", hub.MaxTelemetry)
	}
	if err != nil {
		return nil, err
	}
	m := iot.Message{Body: body}
	for _, name := range slices.Sorted(maps.Keys(c.Header)) {
		values := c.Header[name]
		stamp(&m, name, iot.Property{Value: values[len(values)-1]})
	}
	return []iot.Message{m}, nil
}

// batch is the messages that a request holds:
//
//	[{"body": "…", "base64Encoded": true, "properties": {"iothub-app-name": "value"}}, …]
//
// A body is base64 unless it says that it is not: Node says nothing. Properties
// have the names that headers have; those that are none are ignored.
// Errors: 413001, 400012.
func (c *call) batch() ([]iot.Message, error) {
	var messages []iot.Message
	tooMany := iot.ErrMessageTooLarge.Because("The batch has more than %d messages.", maxBatch)
	err := c.decodeList(maxBody, maxBatch, tooMany, func(d *json.Decoder) error {
		var e element
		if err := d.Decode(&e); err != nil {
			return err
		}
		m, err := e.message()
		if err != nil {
			return iot.ErrDeserialization.Because("The body of message %d is not base64.", len(messages))
		}
		messages = append(messages, m)
		return nil
	})
	if errors.Is(err, iot.ErrEntityTooLarge) {
		err = iot.ErrMessageTooLarge.Because("The batch is larger than %d bytes.", maxBody)
	}
	return messages, err
}

// element is a message in a batch.
type element struct {
	Body          string             `json:"body"`
	Base64Encoded *bool              `json:"base64Encoded"`
	Properties    map[string]*string `json:"properties"` // null: without a value
}

func (e element) message() (m iot.Message, err error) {
	m.Body = []byte(e.Body)
	if e.Base64Encoded == nil || *e.Base64Encoded {
		if m.Body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return m, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Properties)) {
		p := iot.Property{Null: e.Properties[name] == nil}
		if !p.Null {
			p.Value = *e.Properties[name]
		}
		stamp(&m, name, p)
	}
	return m, nil
}

// stamp gives a message the property that a header holds, or none. Names that
// only the hub may stamp are dropped: a device cannot pass for another.
//
// IoT Hub: contract.md §7.2, §7.3 (anti-spoofing).
func stamp(m *iot.Message, header string, p iot.Property) {
	lower := strings.ToLower(header)
	if name, known := systemHeaders[lower]; known {
		if !p.Null {
			m.System = m.System.Set(name, p.Value)
		}
		return
	}
	if !strings.HasPrefix(lower, propertyPrefix) {
		return
	}
	p.Name = header[len(propertyPrefix):]
	if p.Name != "" && !iot.Reserved(p.Name) {
		m.Properties = append(m.Properties, p)
	}
}
