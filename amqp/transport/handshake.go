package transport

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/internal/clock"
)

// The protocol headers. OASIS: amqp-core-transport 2.2, amqp-core-security 5.3.
const (
	headerAMQP = "AMQP\x00\x01\x00\x00"
	headerSASL = "AMQP\x03\x01\x00\x00"
)

// mechanisms is what SASL offers. MSSBCBS says that a token follows.
// IoT Hub: sdk-wire.md 0.6.
var mechanisms = []codec.Symbol{"MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"}

// shakeHands goes from the peer's first byte to the exchange of opens. SASL may
// be left out: azure-iothub for Node does so (amqp.md, trap 5).
func (c *Conn) shakeHands() error {
	now := clock.Wall()
	if err := c.net.SetDeadline(now.Add(c.o.ConnectTimeout)); err != nil {
		return err
	}
	header, err := c.header()
	if err != nil {
		return err
	}
	if header == headerSASL {
		if err := c.sasl(); err != nil {
			return err
		}
		if header, err = c.header(); err != nil {
			return err
		}
	}
	if header != headerAMQP {
		return errors.New("SASL twice")
	}
	return c.open()
}

// header reads a protocol header and answers with the same. One that is not
// ours is answered with ours, as the standard wants it, before the end.
func (c *Conn) header() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(c.in, b[:]); err != nil {
		return "", fmt.Errorf("no protocol header: %w", err)
	}
	header := string(b[:])
	if header != headerAMQP && header != headerSASL {
		_, _ = c.net.Write([]byte(headerSASL)) // the peer is told, if it listens
		return "", fmt.Errorf("the protocol header is %q", header)
	}
	_, err := c.net.Write(b[:])
	return header, err
}

// sasl lets the peer say who it is.
func (c *Conn) sasl() error {
	if err := c.tell(frameSASL, &codec.Mechanisms{Names: mechanisms}); err != nil {
		return err
	}
	f, err := c.read(frameSASL, maxSASLFrame)
	if err != nil {
		return fmt.Errorf("SASL: %w", err)
	}
	choice, ok := f.body.(*codec.Init)
	if !ok {
		return fmt.Errorf("SASL: %T in the place of sasl-init", f.body)
	}
	if !offered(choice.Mechanism) || !c.handler.SASL(c, string(choice.Mechanism), choice.Response) {
		_ = c.tell(frameSASL, &codec.Outcome{Code: codec.SASLAuth}) // the connection ends anyhow
		return fmt.Errorf("SASL: %s was refused", choice.Mechanism)
	}
	return c.tell(frameSASL, &codec.Outcome{Code: codec.SASLOK})
}

func offered(mechanism codec.Symbol) bool {
	for _, m := range mechanisms {
		if m == mechanism {
			return true
		}
	}
	return false
}

// tell writes a frame at once. It is for the time before the writer runs.
func (c *Conn) tell(kind byte, body codec.Composite) error {
	_, err := c.net.Write(appendFrame(nil, kind, 0, body))
	return err
}

// open exchanges opens.
func (c *Conn) open() error {
	f, err := c.read(frameAMQP, MaxFrame)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	o, ok := f.body.(*codec.Open)
	if !ok {
		return fmt.Errorf("%T in the place of open", f.body)
	}
	c.peerMax = int(min(max(o.MaxFrameSize, minFrame), MaxFrame))
	c.peerIdle = time.Duration(o.IdleTimeout.Or(0)) * time.Millisecond
	// A refusal, too, begins with an open.
	err = c.tell(frameAMQP, &codec.Open{
		ContainerID: "linarite", MaxFrameSize: MaxFrame, ChannelMax: maxSessions - 1,
		IdleTimeout: codec.Some(uint32(c.o.IdleTimeout.Milliseconds() / 2)),
	})
	if err != nil {
		return err
	}
	failure := c.bearable()
	if failure == nil {
		failure = c.handler.Open(c, o)
	}
	if failure != nil {
		_ = c.tell(frameAMQP, &codec.Close{Error: failure}) // the connection ends anyhow
		return failure
	}
	return nil
}

// bearable says why the peer's idle timeout cannot be kept.
//
// OASIS: amqp-core-transport 2.4.5.
func (c *Conn) bearable() *codec.Error {
	if c.peerIdle > 0 && c.peerIdle < 2*minHeartbeat {
		return codec.Failure("amqp:not-allowed", fmt.Sprintf("an idle timeout of %s, less than %s", c.peerIdle, 2*minHeartbeat))
	}
	return nil
}
