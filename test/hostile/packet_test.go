package hostile_test

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// text is a string as MQTT writes it: with its length in two bytes before it.
type text string

// bytesOf puts bytes together: a number is one byte, a string stands for itself,
// a text has its length before it.
func bytesOf(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case int:
			b = append(b, byte(part))
		case byte:
			b = append(b, part)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, part)
		case string:
			b = append(b, part...)
		case []byte:
			b = append(b, part...)
		case text:
			b = binary.BigEndian.AppendUint16(b, uint16(len(part)))
			b = append(b, part...)
		default:
			panic(fmt.Sprintf("%T is no part of a packet", part))
		}
	}
	return b
}

// packetOf is a control packet: its first byte, the length of the rest, the
// rest.
func packetOf(first byte, parts ...any) []byte {
	rest := bytesOf(parts...)
	return bytesOf(header(first, len(rest)), rest)
}

// header is a fixed header.
func header(first byte, length int) []byte {
	b := []byte{first}
	for length >= 0x80 {
		b = append(b, byte(length)|0x80)
		length >>= 7
	}
	return append(b, byte(length))
}

// connect is a CONNECT packet of protocol level 4 with CleanSession 1.
type connect struct {
	level     byte
	id        string
	will      []byte // topic and payload, each with its length; nil: none
	user      string
	password  string
	keepAlive uint16
}

// bytes is the packet as it goes over the wire.
func (c connect) bytes() []byte {
	flags := byte(0xC2)
	if c.will != nil {
		flags |= 0x04
	}
	return packetOf(0x10, text("MQTT"), c.level, flags, c.keepAlive,
		text(c.id), c.will, text(c.user), text(c.password))
}

// publish is a PUBLISH of QoS 1.
func publish(id uint16, topic, body string) []byte {
	return packetOf(0x32, text(topic), id, body)
}

// subscribe is a SUBSCRIBE of QoS 1.
func subscribe(id uint16, filters ...string) []byte {
	payload := bytesOf(id)
	for _, filter := range filters {
		payload = bytesOf(payload, text(filter), 1)
	}
	return packetOf(0x82, payload)
}

// Packets that are always the same.
var (
	pingreq    = []byte{0xC0, 0}
	pingresp   = []byte{0xD0, 0}
	disconnect = []byte{0xE0, 0}

	accepted      = []byte{0x20, 2, 0, 0} // CONNACK
	wrongLevel    = []byte{0x20, 2, 0, 1}
	notAuthorized = []byte{0x20, 2, 0, 5}
)

// The filters and topics that all devices share.
const (
	twinAnswers = "$iothub/twin/res/#"
	desired     = "$iothub/twin/PATCH/properties/desired/#"
	methods     = "$iothub/methods/POST/#"
	twinGet     = "$iothub/twin/GET/?$rid=1"
	report      = "$iothub/twin/PATCH/properties/reported/?$rid=1"
)

// long is n times a letter.
func long(n int) string { return strings.Repeat("x", n) }
