package iot

import (
	"encoding/binary"
	"math/bits"
)

// A log keeps messages as bytes: they hold no memory of the transport's, and the
// garbage collector has nothing in them to follow. A message is packed as
//
//	packed      = system application *( name value ) texts body
//	system      = uvarint       ; how many system properties
//	application = uvarint       ; how many application properties
//	name        = uvarint       ; bytes of a name
//	value       = uvarint       ; bytes of a value and 1, 0 for none
//	texts       = *OCTET        ; names and values
//	body        = *OCTET
//
// so that all its names and values are taken out as one string.

// PackedSize is how many bytes Pack appends.
func (m *Message) PackedSize() int {
	n := sizeOf(len(m.System)) + sizeOf(len(m.Properties)) + len(m.Body)
	for _, list := range [...]Properties{m.System, m.Properties} {
		for i := range list {
			p := &list[i]
			n += sizeOf(len(p.Name)) + len(p.Name) + 1
			if !p.Null {
				n += sizeOf(len(p.Value)+1) - 1 + len(p.Value)
			}
		}
	}
	return n
}

// sizeOf is how many bytes a number takes.
func sizeOf(n int) int { return (bits.Len(uint(n)|1) + 6) / 7 }

// Pack appends the message to b, all of it copied.
func (m *Message) Pack(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.System)))
	b = binary.AppendUvarint(b, uint64(len(m.Properties)))
	b = packLengths(packLengths(b, m.System), m.Properties)
	b = packTexts(packTexts(b, m.System), m.Properties)
	return append(b, m.Body...)
}

func packLengths(b []byte, list Properties) []byte {
	for i := range list {
		b = binary.AppendUvarint(b, uint64(len(list[i].Name)))
		if list[i].Null {
			b = append(b, 0)
		} else {
			b = binary.AppendUvarint(b, uint64(len(list[i].Value))+1)
		}
	}
	return b
}

func packTexts(b []byte, list Properties) []byte {
	for i := range list {
		b = append(b, list[i].Name...)
		if !list[i].Null {
			b = append(b, list[i].Value...)
		}
	}
	return b
}

// Unpack is the message that Pack made b of. Its body is part of b.
func Unpack(b []byte) Message {
	system, b := number(b)
	application, b := number(b)
	if system+application == 0 {
		return Message{Body: b}
	}
	all := make(Properties, system+application)
	lengths := b
	texts := 0
	for range all {
		var name, value int
		name, b = number(b)
		value, b = number(b)
		texts += name + max(value-1, 0)
	}
	text := string(b[:texts])
	for i := range all {
		var name, value int
		name, lengths = number(lengths)
		value, lengths = number(lengths)
		all[i].Name, text = text[:name], text[name:]
		if all[i].Null = value == 0; !all[i].Null {
			all[i].Value, text = text[:value-1], text[value-1:]
		}
	}
	return Message{System: some(all[:system:system]), Properties: some(all[system:]), Body: b[texts:]}
}

// some is a list, nil when it is empty.
func some(list Properties) Properties {
	if len(list) == 0 {
		return nil
	}
	return list
}

// number reads a number and returns what follows it.
func number(b []byte) (int, []byte) {
	n, size := binary.Uvarint(b)
	return int(n), b[size:]
}
