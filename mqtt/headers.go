package mqtt

import (
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/iot"
)

// maxControl is the longest packet that carries no message, in bytes after its
// fixed header: a SUBSCRIBE to all the filters an identity may have takes less
// than half. mochi's decoder makes twenty bytes of each that such a packet has.
const maxControl = 4 << 10

// headers follows the packets of a connection as their bytes come in, and looks
// at each fixed header before mochi stores anything for its packet:
//
//	type and flags, one byte; length, one to four bytes; as many bytes
type headers struct {
	begun  bool // the first byte of a fixed header has come, and not yet all of it
	kind   byte
	length int
	shift  uint8 // of the length's next byte
	left   int   // bytes of the packet that are still to come
}

// check takes the next bytes in and returns how many of them may be read. The
// error is about those behind.
func (h *headers) check(b []byte) (good int, err error) {
	for at := 0; at < len(b); {
		if h.left > 0 {
			n := min(h.left, len(b)-at)
			h.left -= n
			at += n
			continue
		}
		if err := h.next(b[at]); err != nil {
			return at, err
		}
		at++
	}
	return len(b), nil
}

// next takes one byte of a fixed header in.
func (h *headers) next(c byte) error {
	if !h.begun {
		h.begun, h.kind, h.length, h.shift = true, c>>4, 0, 0
		return nil
	}
	h.length |= int(c&0x7F) << h.shift
	h.shift += 7
	if c >= 0x80 && h.shift < 28 {
		return nil
	}
	h.begun, h.left = false, h.length
	if h.length > maxControl && h.kind != packets.Connect && h.kind != packets.Publish {
		return iot.ErrMessageTooLarge.Because("a %s of more than %d bytes", packetName(h.kind), maxControl)
	}
	return nil
}
