package mqtt

import "github.com/mochi-mqtt/server/v2/packets"

// publication is a PUBLISH to a device.
type publication struct {
	topic   string // at most 65,535 bytes
	payload []byte
	id      uint16 // 0: QoS 0
	dup     bool
}

// appendPublish appends the packet.
func appendPublish(b []byte, p *publication) []byte {
	head := packets.Publish << 4
	size := 2 + len(p.topic) + len(p.payload)
	if p.id != 0 {
		head |= 1 << 1
		size += 2
		if p.dup {
			head |= 1 << 3
		}
	}
	b = appendHeader(b, head, size)
	b = append(b, byte(len(p.topic)>>8), byte(len(p.topic)))
	b = append(b, p.topic...)
	if p.id != 0 {
		b = append(b, byte(p.id>>8), byte(p.id))
	}
	return append(b, p.payload...)
}

// appendHeader appends a fixed header.
func appendHeader(b []byte, first byte, length int) []byte {
	b = append(b, first)
	for length >= 0x80 {
		b = append(b, byte(length)|0x80)
		length >>= 7
	}
	return append(b, byte(length))
}
