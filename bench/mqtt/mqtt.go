// Package mqtt writes and reads the packets of MQTT 3.1.1 that devices need, and
// enters a broker with them. It keeps no state: whoever has a connection does.
package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Types of packets: the upper four bits of the first byte.
const (
	typeConnect   = 0x10
	typeConnack   = 0x20
	TypePublish   = 0x30
	TypePuback    = 0x40
	typeSubscribe = 0x82 // with the bits that must be set
	TypeSuback    = 0x90
	TypePingresp  = 0xd0
)

// maxPacket is more than a hub ever sends, in bytes.
const maxPacket = 1 << 20

// Disconnect is how a client says goodbye.
func Disconnect() []byte { return []byte{0xe0, 0} }

// Connect is what a client says first.
type Connect struct {
	ClientID  string
	UserName  string // "" for neither name nor password
	Password  string
	Clean     bool // CleanSession
	KeepAlive time.Duration
}

// Packet is the CONNECT.
func (c Connect) Packet() []byte {
	flags := byte(0)
	if c.Clean {
		flags |= 0x02
	}
	if c.UserName != "" {
		flags |= 0xc0
	}
	body := appendString(nil, "MQTT")
	body = append(body, 4, flags)
	body = binary.BigEndian.AppendUint16(body, uint16(c.KeepAlive/time.Second))
	body = appendString(body, c.ClientID)
	if c.UserName != "" {
		body = appendString(body, c.UserName)
		body = appendString(body, c.Password)
	}
	return packet(typeConnect, body)
}

// Enter sends CONNECT and reads CONNACK, no byte more, from a connection whose
// deadlines are the caller's.
func Enter(conn io.ReadWriter, c Connect) error {
	if _, err := conn.Write(c.Packet()); err != nil {
		return err
	}
	var connack [4]byte
	if _, err := io.ReadFull(conn, connack[:]); err != nil {
		return fmt.Errorf("no CONNACK: %w", err)
	}
	if connack[0] != typeConnack || connack[1] != 2 || connack[3] != 0 {
		return fmt.Errorf("CONNACK % x", connack)
	}
	return nil
}

// Message is a PUBLISH.
type Message struct {
	Topic   string
	Payload []byte
	ID      uint16 // 0: QoS 0, else QoS 1
	Dup     bool   // it has been sent before
}

// Packet is the PUBLISH. With QoS 1, the packet id stands before the payload.
func (m Message) Packet() []byte {
	first := byte(TypePublish)
	if m.ID != 0 {
		first |= 0x02
	}
	if m.Dup {
		first |= 0x08
	}
	body := make([]byte, 0, 4+len(m.Topic)+len(m.Payload))
	body = appendString(body, m.Topic)
	if m.ID != 0 {
		body = binary.BigEndian.AppendUint16(body, m.ID)
	}
	return packet(first, append(body, m.Payload...))
}

// Subscribe asks for topics with QoS 1.
func Subscribe(id uint16, filters ...string) []byte {
	body := binary.BigEndian.AppendUint16(nil, id)
	for _, filter := range filters {
		body = append(appendString(body, filter), 1)
	}
	return packet(typeSubscribe, body)
}

// Puback acknowledges a message.
func Puback(id uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{TypePuback, 2}, id)
}

// Packet is one that came.
type Packet struct {
	First byte // type and flags
	Body  []byte
}

// Type is the packet's, such as TypePublish.
func (p Packet) Type() byte { return p.First & 0xf0 }

// ID is the packet id of a PUBACK or SUBACK.
func (p Packet) ID() (uint16, error) {
	if len(p.Body) < 2 {
		return 0, fmt.Errorf("a packet % x… without an id", p.First)
	}
	return binary.BigEndian.Uint16(p.Body), nil
}

// Message is what a PUBLISH carries.
func (p Packet) Message() (Message, error) {
	short := errors.New("a PUBLISH that is too short")
	if len(p.Body) < 2 {
		return Message{}, short
	}
	length := int(binary.BigEndian.Uint16(p.Body))
	rest := p.Body[2:]
	if len(rest) < length {
		return Message{}, short
	}
	m := Message{Topic: string(rest[:length]), Payload: rest[length:], Dup: p.First&0x08 != 0}
	if p.First&0x06 == 0 {
		return m, nil
	}
	if len(m.Payload) < 2 {
		return Message{}, short
	}
	m.ID, m.Payload = binary.BigEndian.Uint16(m.Payload), m.Payload[2:]
	return m, nil
}

// Read reads the next packet.
func Read(in *bufio.Reader) (Packet, error) {
	first, err := in.ReadByte()
	if err != nil {
		return Packet{}, err
	}
	length, err := binary.ReadUvarint(in) // MQTT writes lengths in the same way
	if err != nil {
		return Packet{}, err
	}
	if length > maxPacket {
		return Packet{}, fmt.Errorf("a packet of %d bytes", length)
	}
	p := Packet{First: first, Body: make([]byte, length)}
	_, err = io.ReadFull(in, p.Body)
	return p, err
}

// packet puts the fixed header before a body.
func packet(first byte, body []byte) []byte {
	frame := make([]byte, 0, 5+len(body))
	frame = binary.AppendUvarint(append(frame, first), uint64(len(body)))
	return append(frame, body...)
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}
