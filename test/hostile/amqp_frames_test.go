package hostile_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// The first bytes of AMQP, with SASL and without.
var (
	saslHeader = []byte("AMQP\x03\x01\x00\x00")
	amqpHeader = []byte("AMQP\x00\x01\x00\x00")
)

// Descriptors of performatives, and of what else is described.
const (
	amqpOpen        = 0x10
	amqpBegin       = 0x11
	amqpAttach      = 0x12
	amqpFlow        = 0x13
	amqpTransfer    = 0x14
	amqpDisposition = 0x15
	amqpDetach      = 0x16
	amqpEnd         = 0x17
	amqpClose       = 0x18
	amqpRejected    = 0x25
	amqpSource      = 0x28
	amqpTarget      = 0x29
	saslChoice      = 0x41
)

// Values that have a constructor of their own.
const (
	null  = 0x40
	yes   = 0x41
	no    = 0x42
	uint0 = 0x43
)

// amqpFrame is a frame on channel 0: its type (0 AMQP, 1 SASL) and what is in it.
func amqpFrame(kind byte, parts ...any) []byte {
	body := bytesOf(parts...)
	return bytesOf(binary.BigEndian.AppendUint32(nil, uint32(len(body)+8)), 2, kind, 0, 0, body)
}

// on is the same frame on another channel.
func on(channel uint16, frame []byte) []byte {
	binary.BigEndian.PutUint16(frame[6:], channel)
	return frame
}

// performative is a described list of so many fields.
func performative(descriptor byte, fields int, content ...any) []byte {
	inside := bytesOf(content...)
	return bytesOf(0, 0x53, descriptor, 0xD0, binary.BigEndian.AppendUint32(nil, uint32(len(inside)+4)),
		binary.BigEndian.AppendUint32(nil, uint32(fields)), inside)
}

// number is an uint.
func number(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0x70}, n) }

// words is a string.
func words(s string) []byte {
	return bytesOf(0xB1, binary.BigEndian.AppendUint32(nil, uint32(len(s))), s)
}

// data is a binary value.
func data(s string) []byte {
	return bytesOf(0xB0, binary.BigEndian.AppendUint32(nil, uint32(len(s))), s)
}

// dictionary is a map of strings, given as names and values.
func dictionary(pairs ...string) []byte {
	var inside []byte
	for _, text := range pairs {
		inside = append(inside, words(text)...)
	}
	return bytesOf(0xD1, binary.BigEndian.AppendUint32(nil, uint32(len(inside)+4)),
		binary.BigEndian.AppendUint32(nil, uint32(len(pairs))), inside)
}

// saslInit chooses a mechanism.
func saslInit(mechanism, response string) []byte {
	return amqpFrame(1, performative(saslChoice, 2, 0xA3, len(mechanism), mechanism, data(response)))
}

// begin begins a session with a wide window.
func begin() []byte {
	return amqpFrame(0, performative(amqpBegin, 4, null, uint0, number(1000), number(1000)))
}

// end ends a session.
func end() []byte { return amqpFrame(0, performative(amqpEnd, 0)) }

// sendsOn attaches a link on which the peer sends, takesOn one on which it
// receives.
func sendsOn(handle uint32, name, address string, more ...any) []byte {
	return attach(handle, name, no, "", address, more...)
}

func takesOn(handle uint32, name, address string, more ...any) []byte {
	return attach(handle, name, yes, address, "me", more...)
}

func attach(handle uint32, name string, role byte, source, target string, more ...any) []byte {
	if len(more) == 0 {
		more = []any{null, null, uint0, null, null, null, null}
	}
	return amqpFrame(0, performative(amqpAttach, 7+len(more), words(name), number(handle), role, null, null,
		performative(amqpSource, 1, words(source)), performative(amqpTarget, 1, words(target)), bytesOf(more...)))
}

// propertied are the fields of an attach after its target, with properties.
func propertied(properties []byte) []any {
	return []any{null, null, uint0, null, null, null, properties}
}

// detach detaches a link.
func detach(handle uint32) []byte {
	return amqpFrame(0, performative(amqpDetach, 2, number(handle), yes))
}

// grants gives a link so much credit.
func grants(handle, credit uint32) []byte {
	return amqpFrame(0, performative(amqpFlow, 7, uint0, number(1<<31), uint0, number(1000), number(handle), uint0, number(credit)))
}

// carries is a transfer: of a message, or of a part of one.
func carries(handle, delivery uint32, more bool, payload ...any) []byte {
	goesOn := byte(no)
	if more {
		goesOn = yes
	}
	return amqpFrame(0, performative(amqpTransfer, 6, number(handle), number(delivery), data("tag"), uint0, no, goesOn), bytesOf(payload...))
}

// body is a message with a body alone.
func body(text string) []byte { return bytesOf(0, 0x53, 0x75, data(text)) }

// putToken is a message to $cbs.
func putToken(name, token string) []byte {
	return bytesOf(
		performative(0x73, 1, 0x53, 1), // the message-id
		0, 0x53, 0x74, dictionary("operation", "put-token", "type", "servicebus.windows.net:sastoken", "name", name),
		0, 0x53, 0x77, words(token))
}

// opened is the way to an open connection of somebody who has shown nothing yet.
var opened = bytesOf(saslHeader, saslInit("ANONYMOUS", ""), amqpHeader, amqpFrame(0, performative(amqpOpen, 1, words("a"))))

// plainLogin is the way to an open connection with a session, of somebody who shows
// credentials at once.
func plainLogin(user, secret string) []byte {
	return bytesOf(saslHeader, saslInit("PLAIN", "\x00"+user+"\x00"+secret), amqpHeader,
		amqpFrame(0, performative(amqpOpen, 1, words("a"))), begin())
}

// asDevice is the way of the attacker's device.
func asDevice(a *attacker) []byte { return plainLogin(a.device.DeviceID+"@sas.hub", a.token()) }

// asBackEnd is the way of a back end that may do everything.
func asBackEnd(*attacker) []byte { return plainLogin("iothubowner", harness.WellKnownKey) }

// tunnel is a WebSocket as a stream of bytes.
type tunnel struct {
	net.Conn
	in   *bufio.Reader
	left int // bytes of the frame being read
}

// Write sends a message.
func (t *tunnel) Write(b []byte) (int, error) {
	if _, err := t.Conn.Write(frame(wsFinal|wsBinary, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read gives what is in the hub's frames.
func (t *tunnel) Read(b []byte) (int, error) {
	for t.left == 0 {
		if err := t.next(); err != nil {
			return 0, err
		}
	}
	n, err := t.in.Read(b[:min(len(b), t.left)])
	t.left -= n
	return n, err
}

// next begins a frame.
func (t *tunnel) next() error {
	var head [2]byte
	if _, err := io.ReadFull(t.in, head[:]); err != nil {
		return err
	}
	if head[0]&0x0F == wsClose {
		return io.EOF
	}
	t.left = int(head[1])
	for _, extended := range []struct{ mark, size int }{{126, 2}, {127, 8}} {
		if int(head[1]) == extended.mark {
			length := make([]byte, 8)
			if _, err := io.ReadFull(t.in, length[8-extended.size:]); err != nil {
				return err
			}
			t.left = int(binary.BigEndian.Uint64(length))
		}
	}
	return nil
}

// NetConn is the connection below.
func (t *tunnel) NetConn() net.Conn { return t.Conn }

// CloseWrite says that nothing more will be sent.
func (t *tunnel) CloseWrite() error {
	c, ok := t.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the connection cannot be closed by half")
	}
	return c.CloseWrite()
}

// tunnelled opens a WebSocket with AMQP.
func (a *attacker) tunnelled() (*peer, error) {
	p, err := a.upgradedTo("AMQPWSB10")
	if err != nil {
		return nil, err
	}
	return newPeer(&tunnel{Conn: p.Conn, in: p.in}), nil
}

// overAMQP are the ways to AMQP.
var overAMQP = map[string]opening{
	"":                 func(a *attacker) (*peer, error) { return a.tls(harness.AMQPSPort) },
	", over WebSocket": (*attacker).tunnelled,
}

// amqpInputs are conversations over each way, as inputs.
func amqpInputs(tables ...map[string]conversation) map[string]input {
	all := map[string]input{}
	for way, open := range overAMQP {
		for _, table := range tables {
			for name, c := range table {
				all[name+way] = c.input(open)
			}
		}
	}
	return all
}

// conversation is what somebody sends over AMQP, first of all or after a login,
// and what the hub has to do in the end.
type conversation struct {
	login func(a *attacker) []byte // nil: none
	sent  func(a *attacker) []byte
	then  outcome
}

func (c conversation) input(open opening) input {
	return func(a *attacker) error {
		p, err := open(a)
		if err != nil {
			return err
		}
		defer p.Close()
		if c.login != nil {
			p.send(c.login(a))
			if err := p.began(0); err != nil {
				return fmt.Errorf("the login: %w", err)
			}
		}
		p.send(c.sent(a))
		return c.then(p)
	}
}

// performed reads frames until one has a performative on a channel, and returns
// the frame.
func (p *peer) performed(descriptor byte, channel uint16) ([]byte, error) {
	return p.performedWithin(harness.Deadline, descriptor, channel)
}

func (p *peer) performedWithin(patience time.Duration, descriptor byte, channel uint16) ([]byte, error) {
	_ = p.SetReadDeadline(time.Now().Add(patience))
	for {
		head, err := p.in.Peek(8)
		if err != nil {
			return nil, fmt.Errorf("no performative %#x on channel %d: %w", descriptor, channel, err)
		}
		if string(head[:4]) == "AMQP" {
			_, _ = p.in.Discard(8)
			continue
		}
		f := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(p.in, f); err != nil {
			return nil, err
		}
		at := 4 * int(f[4])
		if len(f) < at+3 || f[5] != 0 {
			continue // a heartbeat, or SASL
		}
		switch {
		case f[at+2] == descriptor && binary.BigEndian.Uint16(f[6:]) == channel:
			return f, nil
		case f[at+2] == amqpClose:
			return nil, fmt.Errorf("the hub closes: %q", f)
		}
	}
}

// began reads frames until a session has begun.
func (p *peer) began(channel uint16) error {
	_, err := p.performed(amqpBegin, channel)
	return err
}

// spare is a channel on which no input has a session.
const spare = 7

// conversing: the hub serves on over the connection: another session can begin.
func conversing(p *peer) error {
	p.send(on(spare, begin()))
	return p.began(spare)
}

// told: the hub answers with a performative that has a text in it, and serves on.
func told(descriptor byte, text string) outcome { return toldOn(0, descriptor, text) }

// toldOn is told for another channel.
func toldOn(channel uint16, descriptor byte, text string) outcome {
	return func(p *peer) error {
		f, err := p.performed(descriptor, channel)
		if err != nil {
			return err
		}
		if !strings.Contains(string(f), text) {
			return fmt.Errorf("the hub says %q, not %q", f, text)
		}
		return conversing(p)
	}
}

// The outcomes of what is wrong with a session, a link or a message.
func endedFor(condition string) outcome    { return told(amqpEnd, condition) }
func detachedFor(condition string) outcome { return told(amqpDetach, condition) }
func settledFor(condition string) outcome  { return told(amqpDisposition, condition) }

// resets ends the connection with a RST.
func resets(p *peer) error { p.reset(); return nil }
