package mqtt_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

func TestMessagesAndOtherPacketsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	ping, sub := packet(0xC0, nil), subscribe(1, 1, "$iothub/twin/res/#")
	stream := bytes.Join([][]byte{sub, publish(0, "a", "1"), publish(7, "b", ""), ping, ping, publish(0, "c", "3")}, nil)
	want := []string{string(sub), "a|1|0 false 0", "b||1 false 7", string(ping) + string(ping), "c|3|0 false 0", ""}
	for at := range stream {
		for _, own := range []bool{false, true} {
			came, err := mqtt.Sort(own, 1+at%10, stream[:at], stream[at:])
			require.NoError(t, err)
			require.Equal(t, want, came, "cut at %d", at)
		}
	}
}

// abrupt is a listener whose connections end with the bytes that end in last, as a
// TLS connection does whose goodbye has come together with them.
type abrupt struct {
	net.Listener
	last []byte
}

func (a *abrupt) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	return &ending{conn, a.last}, err
}

type ending struct {
	net.Conn
	last []byte
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	if bytes.HasSuffix(p[:n], e.last) {
		err = io.EOF
	}
	return n, err
}

func TestWhatCameTogetherWithTheEndIsNotLost(t *testing.T) {
	t.Parallel()
	r := enter(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.srv.Serve(&abrupt{ln, []byte("the last")}, nil)
	r.addr = ln.Addr().String()
	c := r.join(iot.Device("d"))
	c.send(packet(0xC0, nil), publish(0, "devices/d/messages/events/", "the last but one"), packet(0xC0, nil),
		publish(0, "devices/d/messages/events/", "the last"))
	sent := r.journal(2)
	require.Equal(t, "the last but one", string(sent[0].Message.Body))
	require.Equal(t, "the last", string(sent[1].Message.Body))
}

// FuzzIntake: however the bytes of a connection come in, they are sorted as mochi
// would read them, as far as they are good.
func FuzzIntake(f *testing.F) {
	f.Add(subscribe(1, 1, "$iothub/twin/res/#"), 3)
	f.Add(append(publish(1, "a", "b"), packet(0x82, make([]byte, 5000))...), 1)
	f.Add([]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0xC0, 0x80, 0x80, 0x01}, 5)
	f.Add([]byte{0xC0, 0, 0x36, 3, 0, 1, 'a', 0x38, 2, 0, 0}, 2)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		at = max(0, min(at, len(b)))
		whole, err := mqtt.Sort(true, len(b)+1, b)
		pieces, piecesErr := mqtt.Sort(false, 1+at%8, b[:at], b[at:])
		require.Equal(t, err, piecesErr)
		require.Equal(t, whole, pieces)
		want, wantErr := read(b)
		var ours *iot.Error // what read does not find, or needs another byte for
		switch {
		case errors.As(err, &ours), errors.Is(err, packets.ErrPacketTooLarge), errors.Is(err, packets.ErrMalformedVariableByteInteger):
			whole = whole[:len(whole)-1]
			require.Equal(t, want[:len(whole)], whole)
		case err != nil:
			require.Error(t, wantErr)
			require.Equal(t, want[:len(want)-1], whole[:len(whole)-1])
		default:
			require.NoError(t, wantErr)
			require.Equal(t, want, whole)
		}
	})
}

// read reads a stream with mochi's decoder, in the form of mqtt.Sort. Packets that
// are no messages are only cut out.
func read(b []byte) (came []string, err error) {
	others := ""
	for from := bytes.NewReader(b); ; {
		packet := b[len(b)-from.Len():]
		first, err := from.ReadByte()
		if err != nil {
			return append(came, others), nil
		}
		length, _, err := packets.DecodeLength(from)
		if err != nil && !errors.Is(err, io.EOF) {
			return append(came, others), err
		}
		body := b[len(b)-from.Len():]
		partial := err != nil || len(body) < length
		if !partial {
			packet = packet[:len(packet)-len(body)+length]
			body = body[:length]
			_, _ = from.Seek(int64(length), io.SeekCurrent)
		}
		pk := packets.Packet{ProtocolVersion: 4}
		switch {
		case first>>4 != packets.Publish:
			others += string(packet)
			if !partial {
				continue
			}
			return append(came, others), nil
		case partial:
			return append(came, others), nil
		}
		if err := errors.Join(pk.FixedHeader.Decode(first), pk.PublishDecode(body)); err != nil {
			return append(came, others), err
		}
		if others != "" {
			came, others = append(came, others), ""
		}
		h := pk.FixedHeader
		came = append(came, fmt.Sprintf("%s|%s|%d %t %d", pk.TopicName, pk.Payload, h.Qos, h.Retain, pk.PacketID))
	}
}
