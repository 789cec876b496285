package mqtt

import "github.com/linarite/linarite/iot"

// maxConnect is the longest CONNECT that is read, in bytes after its fixed
// header: room for a will with a full payload and property bag, and a bound on
// what a stranger can make us hold.
const maxConnect = 160 << 10

// protocolLevel is MQTT 3.1.1's.
const protocolLevel = 4

// greeting looks at the start of the first packet as its bytes come in, before
// anything is stored for it and before mochi's decoder sees it:
//
//	%x10  length  0 4 "MQTT"  4
//
// where length is one to four bytes. MQTT 5 is therefore never decoded.
type greeting struct {
	head [16]byte
	seen int
	done bool
}

// check takes the next bytes in. The error says why they cannot be a CONNECT
// that we would read; it is 400001 when the client is to be told with CONNACK 1.
//
// IoT Hub: contract.md §2, §3.5, §22 (first packet, protocol level).
func (g *greeting) check(b []byte) error {
	if g.done || len(b) == 0 {
		return nil
	}
	g.seen += copy(g.head[g.seen:], b)
	seen := g.head[:g.seen]
	if seen[0] != 0x10 {
		return iot.ErrFormat.Because("the first packet is not a CONNECT")
	}
	length := 0
	for i := 1; i < len(seen); i++ {
		if i == 5 {
			return iot.ErrFormat.Because("malformed packet: a length of more than four bytes")
		}
		length |= int(seen[i]&0x7F) << (7 * (i - 1))
		if length > maxConnect {
			return iot.ErrFormat.Because("the CONNECT is longer than %d bytes", maxConnect)
		}
		if seen[i] < 0x80 {
			return g.checkProtocol(seen[i+1:])
		}
	}
	return nil
}

// checkProtocol looks at what has come of the protocol's name and level. MQTT
// has a connection with another name closed without an answer; MQIsdp is MQTT
// 3.1's.
func (g *greeting) checkProtocol(b []byte) error {
	for _, name := range [...]string{"\x00\x04MQTT", "\x00\x06MQIsdp"} {
		if n := min(len(b), len(name)); string(b[:n]) != name[:n] {
			continue
		}
		if len(b) <= len(name) {
			return nil // more is to come
		}
		g.done = true
		if level := b[len(name)]; level != protocolLevel || len(name) != 6 {
			return iot.ErrInvalidProtocol.Because(
				"%s with protocol level %d: only MQTT 3.1.1, level %d, is spoken", name[2:], level, protocolLevel)
		}
		return nil
	}
	return iot.ErrFormat.Because("malformed CONNECT: its protocol is not called MQTT")
}
