package amqp

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
)

// eventOverhead is about what an encoded event takes besides its content, in
// bytes.
const eventOverhead = 640

// The codes of the sections that are written here.
const (
	sectionAnnotations = 0x72
	sectionApplication = 0x74
	sectionData        = 0x75
)

// appendEvent encodes an event as readers of the built-in endpoint get it. What
// the hub stamped is in the annotations, the sender's system properties are in
// the properties, and the rest is as it was sent. Nothing is built first that
// would only be encoded: this is done for each event and each reader.
//
// IoT Hub: contract.md §7.3, sdk-wire.md 0.6.
func appendEvent(b []byte, e *events.Event) []byte {
	b = appendAnnotations(b, e)
	if p := propertiesOf(&e.Message); p != nil {
		b = codec.Append(b, p)
	}
	b = appendApplication(b, e.Message.Properties)
	return codec.AppendBinary(codec.AppendDescriptor(b, sectionData), e.Message.Body)
}

// writer appends the entries of a map and counts them.
type writer struct {
	b       []byte
	entries int
}

func (w *writer) text(key codec.Symbol, value string) {
	w.b = codec.AppendString(codec.AppendSymbol(w.b, key), wellFormed(value))
	w.entries++
}

func (w *writer) time(key codec.Symbol, value time.Time) {
	w.b = codec.AppendTime(codec.AppendSymbol(w.b, key), value)
	w.entries++
}

// appendAnnotations encodes what the hub says of an event. Values are strings
// where clients cast to that.
func appendAnnotations(b []byte, e *events.Event) []byte {
	b, start := codec.BeginMap(codec.AppendDescriptor(b, sectionAnnotations))
	w := writer{b: b}
	w.b = codec.AppendLong(codec.AppendSymbol(w.b, bySequence), e.Sequence)
	w.entries++
	var digits [20]byte
	w.b = codec.AppendString(codec.AppendSymbol(w.b, byOffset), string(strconv.AppendInt(digits[:0], e.Offset, 10)))
	w.entries++
	w.time(byTime, e.Enqueued)
	w.time(iot.EnqueuedTime, e.Enqueued)
	if e.Source != "" {
		w.text(iot.MessageSource, e.Source)
	}
	if o := e.Origin; o != nil {
		w.origin(o)
	}
	for i := range e.Message.System {
		if p := &e.Message.System[i]; isAnnotation(p.Name) {
			w.text(codec.Symbol(p.Name), p.Value)
		}
	}
	return codec.EndMap(w.b, start, w.entries)
}

// origin is where an event comes from, or whom it is about.
func (w *writer) origin(o *iot.Origin) {
	w.present(iot.ConnectionDeviceID, o.DeviceID)
	w.present(iot.ConnectionModuleID, o.ModuleID)
	w.present(iot.ConnectionGenerationID, o.GenerationID)
	w.present(iot.ConnectionAuthMethod, o.AuthMethod)
	w.present(iot.DataSchema, o.ModelID)
}

// present appends an entry unless it is empty.
func (w *writer) present(key codec.Symbol, value string) {
	if value != "" {
		w.text(key, value)
	}
}

// isAnnotation says whether a system property has no place among the properties
// of AMQP.
func isAnnotation(name string) bool {
	switch name {
	case iot.MessageID, iot.CorrelationID, iot.UserID, iot.To, iot.ExpiryTime, iot.ContentType, iot.ContentEncoding:
		return false
	}
	return true
}

// propertiesOf are the properties of a message that has any, or nil.
func propertiesOf(m *iot.Message) *codec.Properties {
	var p *codec.Properties
	for i := range m.System {
		if isAnnotation(m.System[i].Name) {
			continue
		}
		if p == nil {
			p = &codec.Properties{}
		}
		setProperty(p, m.System[i].Name, wellFormed(m.System[i].Value))
	}
	return p
}

func setProperty(p *codec.Properties, name, value string) {
	switch name {
	case iot.MessageID:
		p.MessageID = value
	case iot.CorrelationID:
		p.CorrelationID = value
	case iot.UserID:
		p.UserID = []byte(value)
	case iot.To:
		p.To = value
	case iot.ContentType:
		p.ContentType = codec.Some(codec.Symbol(ascii(value)))
	case iot.ContentEncoding:
		p.ContentEncoding = codec.Some(codec.Symbol(ascii(value)))
	case iot.ExpiryTime:
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			p.AbsoluteExpiryTime = codec.Some(t)
		}
	}
}

// appendApplication encodes the sender's own properties, all of them text.
func appendApplication(b []byte, properties iot.Properties) []byte {
	if len(properties) == 0 {
		return b
	}
	b, start := codec.BeginMap(codec.AppendDescriptor(b, sectionApplication))
	for i := range properties {
		p := &properties[i]
		b = codec.AppendString(b, wellFormed(p.Name))
		if p.Null {
			b = codec.Append(b, nil)
		} else {
			b = codec.AppendString(b, wellFormed(p.Value))
		}
	}
	return codec.EndMap(b, start, len(properties))
}

// wellFormed is text that AMQP can carry: MQTT lets devices send what is no
// UTF-8.
func wellFormed(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// ascii is text that a symbol can carry.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, s)
}
