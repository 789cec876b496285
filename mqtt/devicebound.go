package mqtt

import (
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// deviceBoundTopic is the topic of a cloud-to-device message: the device's id as
// it is, then the property bag.
// IoT Hub: contract.md §8.6, §1 rules 3 and 9.
func deviceBoundTopic(device string, m *c2d.Message) string {
	b := make([]byte, 0, 256)
	b = append(append(append(b, "devices/"...), device...), "/messages/devicebound/"...)
	return string(appendBag(b, device, m))
}

// appendBag appends the property bag of a cloud-to-device message. System
// properties come first and the "$" of their keys is written %24: Java looks for
// the first %24 and C for the text %24. itself. %24.to is always there, so that
// the bag is never empty, which would take the C# client down.
//
// IoT Hub: contract.md §1 rules 1-4, §8.6; sdk-wire.md 0.4.
func appendBag(b []byte, device string, m *c2d.Message) []byte {
	b = appendSystem(b, "mid", m.System, iot.MessageID)
	b = appendSystem(b, "cid", m.System, iot.CorrelationID)
	b = appendSystem(b, "uid", m.System, iot.UserID)
	b = append(b, "%24.to="...)
	b = appendEscaped(b, "/devices/"+device+"/messages/deviceBound")
	b = append(b, '&')
	b = appendSystem(b, "ct", m.System, iot.ContentType)
	b = appendSystem(b, "ce", m.System, iot.ContentEncoding)
	if !m.Expiry.IsZero() {
		b = append(b, "%24.exp="...)
		b = appendEscaped(b, iot.Timestamp(m.Expiry)) // as C# reads it: DateTime.ParseExact(v, "o")
		b = append(b, '&')
	}
	if m.Ack != c2d.AckNone {
		b = append(b, iot.Ack+"="...)
		b = append(b, m.Ack.String()...)
		b = append(b, '&')
	}
	for i := range m.Properties {
		b = appendProperty(b, &m.Properties[i])
	}
	return b[:len(b)-1]
}

// appendSystem appends the system property of that name and an "&", if the
// message has it.
func appendSystem(b []byte, short string, system iot.Properties, name string) []byte {
	value, ok := system.Get(name)
	if !ok {
		return b
	}
	b = append(append(append(b, "%24."...), short...), '=')
	return append(appendEscaped(b, value), '&')
}

// appendProperty appends `key`, `key=` or `key=value` and an "&". The ack has
// been written already.
func appendProperty(b []byte, p *iot.Property) []byte {
	if p.Name == "" || p.Name == iot.Ack {
		return b
	}
	b = appendEscaped(b, p.Name)
	if !p.Null {
		b = appendEscaped(append(b, '='), p.Value)
	}
	return append(b, '&')
}

// appendEscaped percent-encodes everything but letters, digits and - . _ ~
func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~' {
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return b
}
