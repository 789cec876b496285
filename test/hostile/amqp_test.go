package hostile_test

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/linarite/linarite/test/harness"
)

// The first bytes of AMQP, with SASL and without.
var (
	saslHeader = []byte("AMQP\x03\x01\x00\x00")
	amqpHeader = []byte("AMQP\x00\x01\x00\x00")
)

// amqpFrame is a frame: its type (0 AMQP, 1 SASL) and what is in it.
func amqpFrame(kind byte, parts ...any) []byte {
	body := bytesOf(parts...)
	return bytesOf(binary.BigEndian.AppendUint32(nil, uint32(len(body)+8)), 2, kind, 0, 0, body)
}

// performative is a described list of so many fields.
func performative(descriptor byte, fields int, content ...any) []byte {
	inside := bytesOf(content...)
	return bytesOf(0, 0x53, descriptor, 0xD0, binary.BigEndian.AppendUint32(nil, uint32(len(inside)+4)),
		binary.BigEndian.AppendUint32(nil, uint32(fields)), inside)
}

// saslInit chooses a mechanism.
func saslInit(mechanism, response string) []byte {
	return amqpFrame(1, performative(0x41, 2, 0xA3, len(mechanism), mechanism,
		0xB0, binary.BigEndian.AppendUint32(nil, uint32(len(response))), response))
}

// opened is the way to an open connection of somebody who has shown nothing yet.
var opened = bytesOf(saslHeader, saslInit("ANONYMOUS", ""), amqpHeader, amqpFrame(0, performative(0x10, 1, 0xA1, 1, "a")))

// sasl sends bytes over TLS to the AMQP port, first of all.
func sasl(then outcome, parts ...any) input {
	sent := bytesOf(parts...)
	return func(a *attacker) error {
		p, err := a.tls(harness.AMQPSPort)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(sent)
		return then(p)
	}
}

// amqpStrangers are inputs of AMQP clients that have shown nothing yet.
var amqpStrangers = map[string]input{
	"an AMQP client says nothing and leaves":  sasl(half),
	"the header of AMQP is cut":               sasl(half, "AMQ"),
	"the header of AMQP 0.9.1":                sasl(closed, "AMQP\x00\x00\x09\x01"),
	"a header that is none":                   sasl(closed, "HTTP\x00\x01\x00\x00"),
	"HTTP on the AMQP port":                   sasl(closed, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	"a megabyte of zeros on the AMQP port":    sasl(closed, make([]byte, 1<<20)),
	"a frame of 4 GB":                         sasl(closed, saslHeader, []byte{0xFF, 0xFF, 0xFF, 0xFF, 2, 1, 0, 0}),
	"a frame of 100 MB":                       sasl(closed, saslHeader, []byte{6, 0, 0, 0, 2, 1, 0, 0}),
	"a frame smaller than its own header":     sasl(closed, saslHeader, []byte{0, 0, 0, 7, 2, 1, 0, 0}),
	"a frame whose body begins before it":     sasl(closed, saslHeader, []byte{0, 0, 0, 8, 0, 1, 0, 0}),
	"a frame whose body begins behind it":     sasl(closed, saslHeader, []byte{0, 0, 0, 8, 255, 1, 0, 0}),
	"a frame of a type there is not":          sasl(closed, saslHeader, amqpFrame(9, "x")),
	"a frame that is cut":                     sasl(half, saslHeader, amqpFrame(1, long(100))[:50]),
	"a mechanism there is not":                sasl(closed, saslHeader, saslInit("GUESS", "")),
	"a mechanism of 255 bytes":                sasl(closed, saslHeader, saslInit(long(255), "")),
	"PLAIN without anything":                  sasl(closed, saslHeader, saslInit("PLAIN", "")),
	"PLAIN with a wrong key":                  sasl(closed, saslHeader, saslInit("PLAIN", "\x00iothubowner\x00"+base64.StdEncoding.EncodeToString([]byte(long(32))))),
	"PLAIN of 60 KB":                          sasl(closed, saslHeader, saslInit("PLAIN", "\x00"+long(60000)+"\x00x")),
	"a performative there is not":             sasl(closed, saslHeader, amqpFrame(1, performative(0xEE, 0))),
	"a list of 4 billion fields":              sasl(closed, saslHeader, amqpFrame(1, 0, 0x53, 0x41, 0xD0, 0, 0, 0, 4, 0xFF, 0xFF, 0xFF, 0xFF)),
	"a list longer than its frame":            sasl(closed, saslHeader, amqpFrame(1, 0, 0x53, 0x41, 0xD0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1)),
	"lists 400 levels deep":                   sasl(closed, opened, amqpFrame(0, performative(0x11, 1, strings.Repeat("\xC0\xFE\x01", 160)))),
	"descriptors 400 levels deep":             sasl(closed, opened, amqpFrame(0, strings.Repeat("\x00", 400))),
	"an array of a million empty things":      sasl(closed, opened, amqpFrame(0, performative(0x10, 1, 0xF0, 0, 0, 0, 5, 0, 0x0F, 0x42, 0x40, 0x45))),
	"a frame before the connection is open":   sasl(closed, saslHeader, saslInit("ANONYMOUS", ""), amqpHeader, amqpFrame(0, performative(0x12, 0))),
	"a link on a session there is not":        sasl(closed, opened, amqpFrame(0, performative(0x12, 0))),
	"a second open":                           sasl(closed, opened, amqpFrame(0, performative(0x10, 1, 0xA1, 1, "b"))),
	"a thousand sessions":                     sasl(half, opened, times(1000, amqpFrame(0, performative(0x11, 4, 0x40, 0x43, 0x43, 0x43)))),
	"a client that resets in its handshake":   sasl(func(p *peer) error { p.reset(); return nil }, saslHeader),
	"a client that resets when it is open":    sasl(func(p *peer) error { p.reset(); return nil }, opened),
	"no SASL at all, and nothing but a close": sasl(half, amqpHeader, amqpFrame(0, performative(0x18, 0))),
}
