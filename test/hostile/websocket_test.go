package hostile_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"

	"github.com/linarite/linarite/test/harness"
)

// Opcodes of WebSocket frames, and the bit of the last of a message.
const (
	wsContinuation = 0x0
	wsText         = 0x1
	wsBinary       = 0x2
	wsClose        = 0x8
	wsPing         = 0x9
	wsFinal        = 0x80
	wsCompressed   = 0x40 // with the bits beside it, reserved
)

// frame is a WebSocket frame of a client's, whose mask is all zeros.
func frame(first byte, payload ...any) []byte {
	content := bytesOf(payload...)
	return bytesOf(wsHeader(first, 0x80, uint64(len(content))), 0, 0, 0, 0, content)
}

// wsHeader is the beginning of a frame: its bits, whether it has a mask, its
// length.
func wsHeader(first, masked byte, length uint64) []byte {
	switch {
	case length < 126:
		return []byte{first, masked | byte(length)}
	case length < 65536:
		return bytesOf(first, masked|126, uint16(length))
	}
	return binary.BigEndian.AppendUint64([]byte{first, masked | 127}, length)
}

// upgradeRequest asks for a WebSocket with a sub-protocol.
func upgradeRequest(host, protocol string) string {
	return "GET /$iothub/websocket HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: " + protocol + "\r\n\r\n"
}

// upgraded opens a WebSocket with MQTT.
func (a *attacker) upgraded() (*peer, error) { return a.upgradedTo("mqtt") }

// upgradedTo opens a WebSocket with a sub-protocol.
func (a *attacker) upgradedTo(protocol string) (*peer, error) {
	p, err := a.tls(harness.HTTPSPort)
	if err != nil {
		return nil, err
	}
	p.send([]byte(upgradeRequest(a.Address, protocol)))
	response, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("a good upgrade is answered with %s", response.Status)
	}
	return p, nil
}

// sends opens a WebSocket and sends frames before anything else.
func sends(frames []byte, then outcome) input {
	return func(a *attacker) error {
		p, err := a.upgraded()
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(frames)
		return then(p)
	}
}

// surfs connects a device over WebSocket and then sends frames.
func surfs(frames func(a *attacker) []byte, then outcome) input {
	return func(a *attacker) error {
		p, err := a.upgraded()
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(frame(wsFinal|wsBinary, a.hello().bytes()))
		if err := p.frameOf(accepted); err != nil {
			return err
		}
		p.send(frames(a))
		return then(p)
	}
}

// frameOf reads frames until one has the content.
func (p *peer) frameOf(want []byte) error {
	for {
		head, err := p.next(2)
		if err != nil {
			return fmt.Errorf("no frame of % x: %w", want, err)
		}
		length := int(head[1])
		if length == 126 {
			long, err := p.next(2)
			if err != nil {
				return err
			}
			length = int(binary.BigEndian.Uint16(long))
		}
		content, err := p.next(length)
		if err != nil {
			return err
		}
		if bytes.Equal(content, want) {
			return nil
		}
	}
}

// surfing: the hub serves on over the WebSocket.
func surfing(p *peer) error {
	p.send(frame(wsFinal|wsBinary, pingreq))
	return p.frameOf(pingresp)
}

// webSocket are inputs of WebSocket connections, before and after CONNECT.
var webSocket = map[string]input{
	// Frames that are wrong.
	"a frame without a mask":                    sends(bytesOf(wsHeader(wsFinal|wsBinary, 0, 2), pingreq), closed),
	"a frame with an opcode there is not":       sends(frame(wsFinal|0x3, "x"), closed),
	"a control frame there is not":              sends(frame(wsFinal|0xB, "x"), closed),
	"a frame with reserved bits":                sends(frame(wsFinal|wsBinary|0x30, "x"), closed),
	"a compressed frame":                        sends(frame(wsFinal|wsBinary|wsCompressed, "x"), closed),
	"a message of text":                         sends(frame(wsFinal|wsText, "hello"), closed),
	"a message of text that is not UTF-8":       sends(frame(wsFinal|wsText, "\xff\xfe"), closed),
	"a continuation of nothing":                 sends(frame(wsFinal|wsContinuation, "x"), closed),
	"a message inside another":                  sends(bytesOf(frame(wsBinary, 0x10), frame(wsFinal|wsBinary, "x")), closed),
	"a ping in pieces":                          sends(frame(wsPing, "x"), closed),
	"a ping of 64 KB":                           sends(frame(wsFinal|wsPing, long(65535)), closed),
	"a frame of all there is":                   sends(bytesOf(wsHeader(wsFinal|wsBinary, 0x80, 1<<63-1), 0, 0, 0, 0), closed),
	"a frame of a negative length":              sends(bytesOf(wsHeader(wsFinal|wsBinary, 0x80, 1<<63), 0, 0, 0, 0), closed),
	"a frame of 17 MB":                          sends(bytesOf(wsHeader(wsFinal|wsBinary, 0x80, 17<<20), 0, 0, 0, 0), closed),
	"a small frame with a long length":          sends(bytesOf([]byte{wsFinal | wsBinary, 0xFF, 0, 0, 0, 0, 0, 0, 0, 2}, 0, 0, 0, 0, pingreq), closed),
	"a close of one byte":                       sends(frame(wsFinal|wsClose, "x"), closed),
	"a close with code 0":                       sends(frame(wsFinal|wsClose, 0, 0), closed),
	"a close with a reason that is not UTF-8":   sends(frame(wsFinal|wsClose, uint16(1000), "\xff\xfe"), closed),
	"a close of nothing":                        sends(frame(wsFinal|wsClose), closed),
	"HTTP on a WebSocket":                       sends([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), closed),
	"a megabyte of zeros on a WebSocket":        sends(make([]byte, 1<<20), closed),
	"a frame that is cut":                       sends(bytesOf(wsHeader(wsFinal|wsBinary, 0x80, 100), 0, 0, 0, 0, 0x10), half),
	"a frame that is cut in its header":         sends([]byte{wsFinal | wsBinary}, half),
	"a WebSocket that is reset":                 sends(frame(wsBinary, 0x10), func(p *peer) error { p.reset(); return nil }),
	"a WebSocket that says nothing and is left": sends(nil, half),

	// MQTT that is wrong inside of frames that are not.
	"a CONNECT of 256 MB in a frame":       sends(frame(wsFinal|wsBinary, 0x10, 0xFF, 0xFF, 0xFF, 0x7F), closed),
	"a CONNECT of MQTT 5 in a frame":       sends(frame(wsFinal|wsBinary, packetOf(0x10, text("MQTT"), 5, 2, 0, 60, 0, text("d"))), closed),
	"a PUBLISH first in a frame":           sends(frame(wsFinal|wsBinary, publish(1, "a", "b")), closed),
	"a SUBSCRIBE of 300 KB in a frame":     surfs(always(frame(wsFinal|wsBinary, packetOf(0x82, 0, 1, times(100000, []byte{0, 0, 0})))), closed),
	"a text after a good CONNECT":          surfs(always(frame(wsFinal|wsText, pingreq)), closed),
	"a frame without a mask after CONNECT": surfs(always(wsHeader(wsFinal|wsBinary, 0, 2), pingreq), closed),

	// What is only greedy.
	"ten thousand empty messages": surfs(always(times(10000, frame(wsFinal|wsBinary))), surfing),
	"ten thousand empty fragments": surfs(always(frame(wsBinary), times(10000, frame(wsContinuation)),
		frame(wsFinal|wsContinuation)), surfing),
	"two thousand pings": surfs(always(times(2000, frame(wsFinal|wsPing, "are you there?"))), surfing),
	"a PUBLISH in 10,000 frames": surfs(func(a *attacker) []byte {
		packet := publish(1, a.events(), long(10000))
		all := frame(wsBinary)
		for i := range packet {
			all = append(all, frame(wsContinuation, packet[i])...)
		}
		return append(all, frame(wsFinal|wsContinuation)...)
	}, surfing),
	"pings that nobody hears the answers of": surfs(always(times(2000, frame(wsFinal|wsPing, long(125)))), func(p *peer) error { p.reset(); return nil }),
	"a CONNECT behind its own upgrade": func(a *attacker) error {
		p, err := a.tls(harness.HTTPSPort)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(bytesOf(upgradeRequest(a.Address, "mqtt"), frame(wsFinal|wsBinary, a.hello().bytes())))
		return closed(p) // gorilla/websocket: "client sent data before handshake is complete"
	},
}

// upgrades are requests for a WebSocket that have something wrong with them, and
// what they may be answered with.
func upgrades() map[string]exchange {
	good := upgradeRequest("{host}", "mqtt")
	without := func(line string) string { return strings.Replace(good, line+"\r\n", "", 1) }
	with := func(old, other string) string { return strings.Replace(good, old, other, 1) }
	return map[string]exchange{
		"an upgrade by POST":                        {with("GET", "POST"), []int{405}},
		"an upgrade by HTTP/1.0":                    {with("HTTP/1.1", "HTTP/1.0"), []int{400}},
		"an upgrade without Connection":             {without("Connection: Upgrade"), []int{400}},
		"an upgrade without Upgrade":                {without("Upgrade: websocket"), []int{400}},
		"an upgrade without a version":              {without("Sec-WebSocket-Version: 13"), []int{400}},
		"an upgrade of version 8":                   {with("Version: 13", "Version: 8"), []int{400}},
		"an upgrade without a key":                  {without("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), []int{400}},
		"an upgrade with a short key":               {with("AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"), []int{400}},
		"an upgrade with a key of 20 KB":            {with("AAAAAAAAAAAAAAAAAAAAAA==", long(20000)), []int{400}},
		"an upgrade to HTTP/2":                      {with("Upgrade: websocket", "Upgrade: h2c"), []int{400}},
		"an upgrade of another protocol":            {with("Protocol: mqtt", "Protocol: chat"), []int{400}},
		"an upgrade of 5,000 protocols":             {with("Protocol: mqtt", "Protocol: "+strings.Repeat("a,", 5000)), []int{400}},
		"an upgrade of a protocol with a line feed": {with("Protocol: mqtt", "Protocol: mqtt\n evil: 1"), []int{400, 101}},
		"an upgrade with a body":                    {with("Host:", "Content-Length: 10\r\nHost:") + "0123456789", []int{400, 0}},
		"an upgrade at another path":                {with("/$iothub/websocket", "/$iothub/websocket/../websocket"), []int{404}},
		"an upgrade at an encoded path out":         {with("/$iothub/websocket", "/%2e%2e/$iothub/websocket"), []int{404}},
		"an upgrade at a path with a NUL":           {with("/$iothub/websocket", "/$iothub/websocket%00"), []int{404}},
		"an upgrade at a doubled path":              {with("/$iothub/websocket", "//$iothub//websocket"), []int{404}},
	}
}
