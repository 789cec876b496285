package mqtt

import (
	"bytes"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/iot"
)

// maxControl is the longest packet that carries no message, in bytes after its
// fixed header: a SUBSCRIBE to all the filters an identity may have takes less
// than half. mochi's decoder makes twenty bytes of each that such a packet has.
const maxControl = 4 << 10

// intake sorts what a client sends, as its bytes come in. It looks at each fixed
// header before anything is stored for its packet:
//
//	type and flags, one byte; length, one to four bytes; as many bytes
//
// PUBLISH, which is nearly all that devices send, it puts together for the link,
// since mochi would copy each twice and hand it on in packets of 800 bytes. The
// bytes of all other packets are mochi's. The order stays that of the client.
type intake struct {
	begun  bool // the first byte of a fixed header has come, and not yet all of it
	first  byte
	length int
	shift  uint8 // of the length's next byte
	left   int   // bytes still to come of a packet that is mochi's

	body []byte // of the PUBLISH that comes in; nil when there is none
	have int    // how much of it has come

	held    []byte // what came behind a packet that mochi has yet to deal with; its own
	many    bool   // the last read filled what it was given
	refused error  // what is wrong with what came behind the bytes that are mochi's
}

// received is a PUBLISH from a client. What it holds is its own.
type received struct {
	topic   string
	payload []byte
	id      uint16
	qos     byte
	retain  bool
}

// publishing says whether c, the next byte, is a PUBLISH's.
func (in *intake) publishing(c byte) bool {
	switch {
	case in.left > 0:
		return false
	case in.body == nil && !in.begun:
		return c>>4 == packets.Publish
	}
	return in.first>>4 == packets.Publish
}

// take takes bytes of a PUBLISH in, as many as it returns. ok says that m is whole;
// it shares memory with b where b is own, which nobody else writes to.
func (in *intake) take(b []byte, own bool) (n int, m received, ok bool, err error) {
	if in.body == nil {
		n = 1
		if err = in.header(b[0]); err != nil || in.begun {
			return n, m, false, err
		}
		if end := n + in.length; own && end <= len(b) {
			m, err = decodePublish(in.first, b[n:end:end])
			return end, m, err == nil, err
		}
		in.body, in.have = make([]byte, in.length), 0
	}
	copied := copy(in.body[in.have:], b[n:])
	in.have += copied
	n += copied
	if in.have < len(in.body) {
		return n, m, false, nil
	}
	m, err = decodePublish(in.first, in.body)
	in.body = nil
	return n, m, err == nil, err
}

// pass lets bytes of another packet through, as many as it returns. The error is
// about the byte behind those.
func (in *intake) pass(b []byte) (int, error) {
	if in.left == 0 {
		if err := in.header(b[0]); err != nil {
			return 0, err
		}
		if !in.begun {
			in.left = in.length
		}
		return 1, nil
	}
	n := min(in.left, len(b))
	in.left -= n
	return n, nil
}

// header takes one byte of a fixed header in.
func (in *intake) header(c byte) error {
	if !in.begun {
		in.begun, in.first, in.length, in.shift = true, c, 0, 0
		return nil
	}
	in.length |= int(c&0x7F) << in.shift
	in.shift += 7
	if c >= 0x80 {
		if in.shift == 28 {
			return packets.ErrMalformedVariableByteInteger
		}
		return nil
	}
	in.begun = false
	switch kind := in.first >> 4; {
	case kind == packets.Publish && in.length >= maxPacket:
		return packets.ErrPacketTooLarge
	case kind != packets.Publish && kind != packets.Connect && in.length > maxControl:
		return iot.ErrMessageTooLarge.Because("a %s of more than %d bytes", packetName(kind), maxControl)
	}
	return nil
}

// decodePublish reads a PUBLISH: the first byte, and what follows the length.
func decodePublish(first byte, body []byte) (received, error) {
	pk := packets.Packet{ProtocolVersion: protocolLevel}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return received{}, err
	}
	if err := pk.PublishDecode(body); err != nil {
		return received{}, err
	}
	return received{
		topic: pk.TopicName, payload: pk.Payload, id: pk.PacketID, qos: pk.FixedHeader.Qos, retain: pk.FixedHeader.Retain,
	}, nil
}

// sort deals with bytes that came in: messages go to deliver, and what is mochi's is
// copied to p, as far as there is room. It returns how much that is. What comes
// behind it is held back until mochi asks for more, so that nothing overtakes. b may
// be p itself; own says that it is nobody else's. The error is deliver's, or about a
// message.
func (in *intake) sort(p, b []byte, own bool, deliver func(received) error) (int, error) {
	at := 0
	for at < len(b) && in.publishing(b[at]) {
		n, m, ok, err := in.take(b[at:], own)
		if err == nil && ok {
			err = deliver(m)
		}
		if err != nil {
			return 0, err
		}
		at += n
	}
	end := at
	for end < min(len(b), at+len(p)) && in.refused == nil && !in.publishing(b[end]) {
		n, err := in.pass(b[end:min(len(b), at+len(p))])
		end, in.refused = end+n, err
	}
	in.held = nil
	if end < len(b) && in.refused == nil {
		if in.held = b[end:]; !own {
			in.held = bytes.Clone(in.held)
		}
	}
	return copy(p, b[at:end]), nil
}
