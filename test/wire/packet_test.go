package wire_test

import (
	"encoding/binary"
	"fmt"
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
	return append(append([]byte{first}, lengthOf(len(rest))...), rest...)
}

// lengthOf is a remaining length as MQTT writes it.
func lengthOf(n int) []byte {
	var b []byte
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// will is the will of a CONNECT.
type will struct {
	topic, body string
	qos         byte
	retain      bool
}

// connect is a CONNECT packet. Its zero value is well-formed.
type connect struct {
	protocol   string // "" is MQTT
	level      byte   // 0 is 4
	clean      bool
	keepAlive  uint16
	id         string
	will       *will
	user       string
	noUser     bool
	password   string
	noPassword bool
}

// bytes is the packet as it goes over the wire.
func (c connect) bytes() []byte {
	if c.protocol == "" {
		c.protocol = "MQTT"
	}
	if c.level == 0 {
		c.level = 4
	}
	var flags byte
	payload := bytesOf(text(c.id))
	if c.clean {
		flags |= 0x02
	}
	if c.will != nil {
		flags |= 0x04 | c.will.qos<<3
		if c.will.retain {
			flags |= 0x20
		}
		payload = bytesOf(payload, text(c.will.topic), text(c.will.body))
	}
	if !c.noUser {
		flags |= 0x80
		payload = bytesOf(payload, text(c.user))
	}
	if !c.noPassword {
		flags |= 0x40
		payload = bytesOf(payload, text(c.password))
	}
	return packetOf(0x10, text(c.protocol), c.level, flags, c.keepAlive, payload)
}

// publish is a PUBLISH of QoS 1, or of QoS 0 when id is 0.
func publish(id uint16, topic, body string) []byte {
	if id == 0 {
		return packetOf(0x30, text(topic), body)
	}
	return packetOf(0x32, text(topic), id, body)
}

// subscribe is a SUBSCRIBE to filters that all ask for one QoS.
func subscribe(id uint16, qos byte, filters ...string) []byte {
	payload := bytesOf(id)
	for _, filter := range filters {
		payload = bytesOf(payload, text(filter), qos)
	}
	return packetOf(0x82, payload)
}

// unsubscribe is an UNSUBSCRIBE.
func unsubscribe(id uint16, filters ...string) []byte {
	payload := bytesOf(id)
	for _, filter := range filters {
		payload = bytesOf(payload, text(filter))
	}
	return packetOf(0xA2, payload)
}

// puback is a PUBACK.
func puback(id uint16) []byte { return packetOf(0x40, id) }

// Packets that are always the same.
var (
	pingreq    = []byte{0xC0, 0}
	pingresp   = []byte{0xD0, 0}
	disconnect = []byte{0xE0, 0}

	accepted      = []byte{0x20, 2, 0, 0} // CONNACK
	resumed       = []byte{0x20, 2, 1, 0} // CONNACK with SESSION-PRESENT
	wrongLevel    = []byte{0x20, 2, 0, 1}
	notAuthorized = []byte{0x20, 2, 0, 5}
)
