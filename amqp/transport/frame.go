package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/internal/clock"
)

// The types of frames. OASIS: amqp-core-transport 2.3, amqp-core-security 5.3.1.
const (
	frameAMQP = 0
	frameSASL = 1
)

// frameHeader is the fixed part of a frame, in bytes.
const frameHeader = 8

// frame is one that came. Its memory is its own.
type frame struct {
	channel uint16
	body    any    // nil: the frame is empty
	payload []byte // what follows the body
}

// next reads an AMQP frame; the read deadline is renewed.
func (c *Conn) next() (frame, error) {
	now := clock.Wall()
	if now.Sub(c.readArmed) > min(time.Second, c.o.IdleTimeout/8) {
		c.readArmed = now
		deadline := now.Add(c.o.IdleTimeout)
		if !c.isTrusted() {
			deadline = earlier(deadline, c.start.Add(c.o.TrustTimeout))
			c.readArmed = time.Time{} // until the peer is trusted
		}
		if err := c.net.SetReadDeadline(deadline); err != nil {
			return frame{}, err
		}
	}
	if _, err := c.in.Peek(1); err != nil {
		return frame{}, err
	}
	if c.whole() {
		return c.read(frameAMQP, MaxFrame)
	}
	return c.rest()
}

// whole says whether the next frame is there already.
func (c *Conn) whole() bool {
	if c.in.Buffered() < frameHeader {
		return false
	}
	h, _ := c.in.Peek(frameHeader)
	return c.in.Buffered() >= int(binary.BigEndian.Uint32(h))
}

// rest reads a frame that has begun, for which the peer has a time of its own.
func (c *Conn) rest() (frame, error) {
	deadline := clock.Wall().Add(c.o.FrameTimeout)
	if !c.isTrusted() {
		deadline = earlier(deadline, c.start.Add(c.o.TrustTimeout))
	}
	c.readArmed = time.Time{}
	if err := c.net.SetReadDeadline(deadline); err != nil {
		return frame{}, err
	}
	f, err := c.read(frameAMQP, MaxFrame)
	if errors.Is(err, os.ErrDeadlineExceeded) && c.isTrusted() {
		err = codec.Failure("amqp:connection:framing-error", fmt.Sprintf("a frame that was not whole within %s", c.o.FrameTimeout))
	}
	return f, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// read reads a frame of one type, of limit bytes at most.
func (c *Conn) read(kind byte, limit int) (frame, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(c.in, h[:]); err != nil {
		return frame{}, err
	}
	size, offset := int(binary.BigEndian.Uint32(h[:])), 4*int(h[4])
	if size < frameHeader || size > limit || offset < frameHeader || offset > size || h[5] != kind {
		return frame{}, codec.Failure("amqp:connection:framing-error",
			fmt.Sprintf("a frame of %d bytes, offset %d and type %d", size, offset, h[5]))
	}
	b := make([]byte, size-frameHeader)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return frame{}, err
	}
	f := frame{channel: binary.BigEndian.Uint16(h[6:])}
	b = b[offset-frameHeader:]
	if len(b) == 0 {
		return f, nil
	}
	var err error
	f.body, f.payload, err = codec.Decode(b)
	return f, err
}

// appendFrame encodes a frame; body is nil for an empty one.
func appendFrame(b []byte, kind byte, channel uint16, body codec.Composite) []byte {
	b, start := beginFrame(b, kind, channel)
	if body != nil {
		b = codec.Append(b, body)
	}
	return endFrame(b, start)
}

// appendTransfer encodes the frame of a transfer and the part of a message that it
// carries.
func appendTransfer(b []byte, channel uint16, t *codec.Transfer, part []byte) []byte {
	b, start := beginFrame(b, frameAMQP, channel)
	return endFrame(append(codec.AppendTransfer(b, t), part...), start)
}

// beginFrame leaves room for the frame's size, which endFrame fills in.
func beginFrame(b []byte, kind byte, channel uint16) (out []byte, start int) {
	return append(b, 0, 0, 0, 0, 2, kind, byte(channel>>8), byte(channel)), len(b)
}

func endFrame(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}
