package events

import (
	"encoding/binary"

	"github.com/linarite/linarite/iot"
)

// A message is packed as
//
//	packed     = system application size *( name value ) texts body
//	system     = uvarint        ; how many system properties
//	application = uvarint       ; how many application properties
//	size       = uvarint        ; bytes of texts
//	name       = uvarint        ; bytes of a name
//	value      = uvarint        ; bytes of a value and 1, 0 for none
//	texts      = *OCTET         ; names and values
//	body       = *OCTET
//
// so that all its names and values are taken out as one string.

// packedSize is how many bytes pack needs at most, and texts those of names and
// values.
func packedSize(m *iot.Message) (n, texts int) {
	for _, list := range [...]iot.Properties{m.System, m.Properties} {
		for i := range list {
			texts += len(list[i].Name) + len(list[i].Value)
		}
	}
	numbers := 3 + 2*(len(m.System)+len(m.Properties))
	return numbers*binary.MaxVarintLen32 + texts + len(m.Body), texts
}

// pack appends a message.
func pack(b []byte, m *iot.Message, texts int) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.System)))
	b = binary.AppendUvarint(b, uint64(len(m.Properties)))
	b = binary.AppendUvarint(b, uint64(texts))
	b = packLengths(packLengths(b, m.System), m.Properties)
	b = packTexts(packTexts(b, m.System), m.Properties)
	return append(b, m.Body...)
}

func packLengths(b []byte, list iot.Properties) []byte {
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

func packTexts(b []byte, list iot.Properties) []byte {
	for i := range list {
		b = append(append(b, list[i].Name...), list[i].Value...)
	}
	return b
}

// unpack is the message that was packed. Its body is part of b.
func unpack(b []byte) iot.Message {
	var system, application, texts int
	system, b = number(b)
	application, b = number(b)
	texts, b = number(b)
	if system+application == 0 {
		return iot.Message{Body: b}
	}
	all := make(iot.Properties, system+application)
	lengths := b
	for range 2 * len(all) {
		_, b = number(b)
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
	return iot.Message{System: some(all[:system:system]), Properties: some(all[system:]), Body: b[texts:]}
}

// some is a list, nil when it is empty.
func some(list iot.Properties) iot.Properties {
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
