package hostile_test

import (
	"encoding/base64"
	"strings"
)

// unknown is somebody who sends bytes first of all.
func unknown(then outcome, parts ...any) conversation {
	return conversation{sent: always(parts...), then: then}
}

// amqpStrangers are inputs of AMQP clients that have shown nothing yet.
var amqpStrangers = map[string]conversation{
	"an AMQP client says nothing and leaves":  unknown(half),
	"the header of AMQP is cut":               unknown(half, "AMQ"),
	"the header of AMQP 0.9.1":                unknown(closed, "AMQP\x00\x00\x09\x01"),
	"a header that is none":                   unknown(closed, "HTTP\x00\x01\x00\x00"),
	"HTTP on the AMQP port":                   unknown(closed, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	"a megabyte of zeros on the AMQP port":    unknown(closed, make([]byte, 1<<20)),
	"a frame of 4 GB":                         unknown(closed, saslHeader, []byte{0xFF, 0xFF, 0xFF, 0xFF, 2, 1, 0, 0}),
	"a frame of 100 MB":                       unknown(closed, saslHeader, []byte{6, 0, 0, 0, 2, 1, 0, 0}),
	"a frame smaller than its own header":     unknown(closed, saslHeader, []byte{0, 0, 0, 7, 2, 1, 0, 0}),
	"a frame whose body begins before it":     unknown(closed, saslHeader, []byte{0, 0, 0, 8, 0, 1, 0, 0}),
	"a frame whose body begins behind it":     unknown(closed, saslHeader, []byte{0, 0, 0, 8, 255, 1, 0, 0}),
	"a frame of a type there is not":          unknown(closed, saslHeader, amqpFrame(9, "x")),
	"a frame that is cut":                     unknown(half, saslHeader, amqpFrame(1, long(100))[:50]),
	"a mechanism there is not":                unknown(closed, saslHeader, saslInit("GUESS", "")),
	"a mechanism of 255 bytes":                unknown(closed, saslHeader, saslInit(long(255), "")),
	"EXTERNAL without a certificate":          unknown(closed, saslHeader, saslInit("EXTERNAL", "")),
	"a device without its certificate":        unknown(closed, attachesCertified),
	"PLAIN without anything":                  unknown(closed, saslHeader, saslInit("PLAIN", "")),
	"PLAIN with a wrong key":                  unknown(closed, saslHeader, saslInit("PLAIN", "\x00iothubowner\x00"+base64.StdEncoding.EncodeToString([]byte(long(32))))),
	"PLAIN of 60 KB":                          unknown(closed, saslHeader, saslInit("PLAIN", "\x00"+long(60000)+"\x00x")),
	"a performative there is not":             unknown(closed, saslHeader, amqpFrame(1, performative(0xEE, 0))),
	"a list of 4 billion fields":              unknown(closed, saslHeader, amqpFrame(1, 0, 0x53, 0x41, 0xD0, 0, 0, 0, 4, 0xFF, 0xFF, 0xFF, 0xFF)),
	"a list longer than its frame":            unknown(closed, saslHeader, amqpFrame(1, 0, 0x53, 0x41, 0xD0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1)),
	"lists 400 levels deep":                   unknown(closed, opened, amqpFrame(0, performative(0x11, 1, strings.Repeat("\xC0\xFE\x01", 160)))),
	"descriptors 400 levels deep":             unknown(closed, opened, amqpFrame(0, strings.Repeat("\x00", 400))),
	"an array of a million empty things":      unknown(closed, opened, amqpFrame(0, performative(0x10, 1, 0xF0, 0, 0, 0, 5, 0, 0x0F, 0x42, 0x40, 0x45))),
	"a frame before the connection is open":   unknown(closed, saslHeader, saslInit("ANONYMOUS", ""), amqpHeader, amqpFrame(0, performative(0x12, 0))),
	"a link on a session there is not":        unknown(closed, opened, amqpFrame(0, performative(0x12, 0))),
	"a second open":                           unknown(closed, opened, amqpFrame(0, performative(0x10, 1, 0xA1, 1, "b"))),
	"a thousand sessions":                     unknown(half, opened, times(1000, amqpFrame(0, performative(0x11, 4, 0x40, 0x43, 0x43, 0x43)))),
	"a client that resets in its handshake":   unknown(resets, saslHeader),
	"a client that resets when it is open":    unknown(resets, opened),
	"no SASL at all, and nothing but a close": unknown(half, amqpHeader, amqpFrame(0, performative(0x18, 0))),
}
