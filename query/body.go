package query

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseBody reads the body of a message for conditions: a JSON object whose
// content type is `application/json` and whose encoding is UTF-8, UTF-16 or
// UTF-32, all in any case. The error says what of this does not hold, in words
// that hold nothing of the message.
//
// Differs: parameters of the content type count for nothing, as the MQTT
// document of IoT Hub has it, where IoT Edge allows none.
//
// IoT Hub: contract.md §19.2, §19.3.
func ParseBody(body []byte, contentType, contentEncoding string) (Value, error) {
	kind, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return Value{}, fmt.Errorf("the content type %s is not application/json", shown(contentType))
	}
	text, err := decoded(body, contentEncoding)
	if err != nil {
		return Value{}, err
	}
	v, err := ParseJSON(text)
	if err != nil {
		return Value{}, err
	}
	if v.kind != objectKind {
		return Value{}, fmt.Errorf("the body is not a JSON object")
	}
	return v, nil
}

// decoded is a text as UTF-8. Without a byte order mark the low byte comes
// first, as in .NET.
func decoded(body []byte, encoding string) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "utf-8":
		return body, nil
	case "utf-16":
		return decodeUTF16(body)
	case "utf-32":
		return decodeUTF32(body)
	}
	return nil, fmt.Errorf("the content encoding %s is none of UTF-8, UTF-16 and UTF-32", shown(encoding))
}

func decodeUTF16(body []byte) ([]byte, error) {
	all, err := codeUnits(body, 2)
	if err != nil {
		return nil, err
	}
	narrow := make([]uint16, len(all))
	for i, u := range all {
		narrow[i] = uint16(u)
	}
	return []byte(string(utf16.Decode(narrow))), nil
}

func decodeUTF32(body []byte) ([]byte, error) {
	all, err := codeUnits(body, 4)
	var text []byte
	for _, u := range all {
		text = utf8.AppendRune(text, rune(min(u, utf8.MaxRune+1)))
	}
	return text, err
}

// codeUnits are the numbers of so many bytes that a text is, without the mark before
// them that says which byte of each comes first.
func codeUnits(body []byte, size int) (all []uint32, err error) {
	if len(body)%size != 0 {
		return nil, fmt.Errorf("the body is not UTF-%d: it has %d bytes", 8*size, len(body))
	}
	read := func(order binary.ByteOrder, b []byte) uint32 {
		if size == 2 {
			return uint32(order.Uint16(b))
		}
		return order.Uint32(b)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if len(body) > 0 && read(binary.BigEndian, body) == byteOrderMark {
		order = binary.BigEndian
	}
	for ; len(body) > 0; body = body[size:] {
		if u := read(order, body); u != byteOrderMark || len(all) > 0 {
			all = append(all, u)
		}
	}
	return all, nil
}

const byteOrderMark = 0xFEFF

// shown is a property as an error shows it.
func shown(s string) string {
	if s == "" {
		return "(none)"
	}
	return fmt.Sprintf("%q", shortened(s))
}
