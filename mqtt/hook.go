package mqtt

import (
	"strings"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/iot"
)

// hook is how mochi asks us. It gives each packet to the link of its
// connection, which answers by itself what IoT Hub answers differently from a
// broker; mochi then sees a packet that means nothing ("absorbed").
type hook struct{ mochi.HookBase }

// provided are the events that mochi calls the hook for.
var provided = [...]bool{
	mochi.OnConnectAuthenticate: true,
	mochi.OnPacketRead:          true,
	mochi.OnPacketEncode:        true,
	mochi.OnSessionEstablished:  true,
}

// ID names the hook in mochi's log.
func (*hook) ID() string { return "iothub" }

// Provides says whether mochi calls the hook for an event.
func (*hook) Provides(event byte) bool { return int(event) < len(provided) && provided[event] }

// OnConnectAuthenticate lets in whoever OnPacketRead let through.
func (*hook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

// OnPacketRead is given every packet after it was decoded and before anything
// else is done with it. An error closes the connection; the link knows why.
func (*hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	l := cl.Net.Conn.(*wire).link
	if l.session == nil {
		return l.connect(pk)
	}
	if err := l.receive(&pk); err != nil {
		l.breakOff(err)
		return pk, packets.ErrRejectPacket
	}
	if pk.FixedHeader.Type == packets.Pingreq || pk.FixedHeader.Type == packets.Disconnect {
		return pk, nil
	}
	// A PUBACK of nothing: mochi knows of no such delivery.
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}}, nil
}

// breakOff ends the session of a client that has done what closes the connection.
// It does so before the connection is closed, which may have to wait for a client
// that does not read.
func (l *link) breakOff(err error) {
	l.fail(err)
	l.session.End(err)
}

// receive does what a connected client's packet asks for; messages do not come by
// here (intake). The error closes the connection. Its codes are those of contract.md §5.3 where they are known.
func (l *link) receive(pk *packets.Packet) error {
	switch pk.FixedHeader.Type {
	case packets.Puback:
		return l.acknowledged(pk)
	case packets.Subscribe:
		return l.subscribe(pk)
	case packets.Unsubscribe:
		return l.unsubscribe(pk)
	case packets.Pingreq:
		return empty(pk, "PINGREQ")
	case packets.Disconnect:
		if err := empty(pk, "DISCONNECT"); err != nil {
			return err
		}
		l.goodbye = true
		// Before the client can see the connection end: what is sent to the
		// device from then on must wait for its next one.
		l.session.End(nil)
		return nil
	case packets.Connect:
		return iot.ErrFormat.Because("a second CONNECT")
	}
	return iot.ErrFormat.Because("%s, which a client must not send", packetName(pk.FixedHeader.Type))
}

// empty checks a packet that has nothing after its fixed header.
func empty(pk *packets.Packet, name string) error {
	if n := pk.FixedHeader.Remaining; n != 0 {
		return iot.ErrFormat.Because("malformed packet: %s with %d bytes after its header", name, n)
	}
	return nil
}

func packetName(kind byte) string {
	return strings.ToUpper(packets.PacketNames[kind])
}

// OnSessionEstablished is called after CONNACK was written.
func (*hook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	cl.Net.Conn.(*wire).link.resume()
}

// OnPacketEncode is given every packet that mochi sends: CONNACK tells whether
// there was a session, which only we know; a code that MQTT 3.1.1 does not have
// becomes "not authorized"; DISCONNECT, which a 3.1.1 server must not send, is
// not sent.
func (*hook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	switch pk.FixedHeader.Type {
	case packets.Connack:
		if pk.ReasonCode == 0 {
			pk.SessionPresent = cl.Net.Conn.(*wire).link.present
		} else if pk.ReasonCode != refusedLevel {
			pk.ReasonCode = refusedAuthorization
		}
	case packets.Disconnect:
		pk.FixedHeader.Type = packets.Reserved
	}
	return pk
}
