package mqtt

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// The codes of CONNACK that a device may see besides 0. IoT Hub refuses with 5
// whatever the reason, which is in our log only.
// IoT Hub: contract.md §3.6.
const (
	refusedLevel         = 1
	refusedAuthorization = 5
)

// maxKeepAlive is the largest keep-alive, in seconds; 0 and what is above mean
// this one. IoT Hub: contract.md §5.1.
const maxKeepAlive = 1177

// connect answers a CONNECT: it checks it, asks the hub for a session, and gives
// mochi what is left to do, which is to send CONNACK. mochi is told a name that
// no other connection has, and to start clean, so that it knows of no takeover
// and of no session; will, user name and password stay here.
//
// IoT Hub: contract.md §3.
func (l *link) connect(pk packets.Packet) (packets.Packet, error) {
	c := &pk.Connect
	l.id = claimed(c.ClientIdentifier)
	if err := wellFormed(&pk); err != nil {
		l.refuse(err)
		return pk, packets.ErrRejectPacket
	}
	request, will, err := l.read(c)
	if err != nil {
		l.refuse(err)
		l.connack(refusedAuthorization)
		return pk, packets.ErrRejectPacket
	}
	session, err := l.srv.hub.Connect(request, l)
	l.certs = nil // they have served
	if err != nil {
		l.told = true // by the hub
		l.connack(refusedAuthorization)
		return pk, packets.ErrRejectPacket
	}
	l.establish(session, c, request, will)
	pk.Connect = packets.ConnectParams{
		ProtocolName: c.ProtocolName, ClientIdentifier: l.engineID, Clean: true, Keepalive: l.keepAlive,
	}
	return pk, nil
}

// wellFormed checks what MQTT demands of a CONNECT and mochi does not, or only
// later. Where it fails MQTT has the connection closed without a CONNACK.
//
// Unlike mochi, it allows a password of no bytes and a will of no bytes, which
// MQTT 3.1.1 does.
func wellFormed(pk *packets.Packet) error {
	c := &pk.Connect
	want := 2 + len(c.ProtocolName) + 4 + 2 + len(c.ClientIdentifier)
	if c.WillFlag {
		want += 2 + len(c.WillTopic) + 2 + len(c.WillPayload)
	}
	if c.UsernameFlag {
		want += 2 + len(c.Username)
	}
	if c.PasswordFlag {
		want += 2 + len(c.Password)
	}
	switch {
	case pk.ReservedBit != 0:
		return iot.ErrFormat.Because("malformed CONNECT: its reserved flag is set")
	case c.PasswordFlag && !c.UsernameFlag:
		return iot.ErrFormat.Because("malformed CONNECT: a password without a user name")
	case !c.WillFlag && (c.WillQos != 0 || c.WillRetain):
		return iot.ErrFormat.Because("malformed CONNECT: will flags without a will")
	case c.WillQos > 2:
		return iot.ErrFormat.Because("malformed CONNECT: a will with QoS 3")
	case want != pk.FixedHeader.Remaining:
		return iot.ErrFormat.Because("malformed CONNECT: %d bytes after its payload", pk.FixedHeader.Remaining-want)
	}
	return nil
}

// claimed is the identity that a client id names, as far as it can be one: what
// a refusal is filed under.
func claimed(clientID string) iot.Identity {
	device, module, _ := strings.Cut(clientID, "/")
	if !iot.ValidID(device) || module != "" && !iot.ValidID(module) {
		return iot.Identity{}
	}
	return iot.Module(device, module)
}

// read takes from a CONNECT what the hub has to know, and its will. The error is
// why the device is refused.
//
// IoT Hub: contract.md §3.1-§3.5.
func (l *link) read(c *packets.ConnectParams) (hub.ConnectRequest, *iot.Message, error) {
	if !c.UsernameFlag {
		return hub.ConnectRequest{}, nil, iot.ErrUnauthorized.Because("the CONNECT has no user name")
	}
	if !utf8.Valid(c.Username) || bytes.IndexByte(c.Username, 0) >= 0 {
		return hub.ConnectRequest{}, nil, iot.ErrUnauthorized.Because("the user name is not UTF-8 without NUL")
	}
	u, err := parseUserName(string(c.Username))
	if err != nil {
		return hub.ConnectRequest{}, nil, iot.ErrUnauthorized.Because("%s", err)
	}
	if !l.srv.hub.IsHostname(u.host) {
		return hub.ConnectRequest{}, nil, iot.ErrUnauthorized.Because(
			"the user name's host %s is not one of this hub's names", iot.Printable(u.host))
	}
	if u.identity.String() != c.ClientIdentifier {
		return hub.ConnectRequest{}, nil, iot.ErrUnauthorized.Because(
			"the user name is for %s and the client id is %s", iot.Printable(u.identity.String()), iot.Printable(c.ClientIdentifier))
	}
	will, err := readWill(u.identity, c)
	if err != nil {
		return hub.ConnectRequest{}, nil, err
	}
	return hub.ConnectRequest{
		Identity: u.identity, Token: string(c.Password), Certificates: l.certs,
		ModelID: u.modelID, Agent: u.agent, APIVersion: u.apiVersion,
		Protocol: l.protocol, RemoteAddr: l.remote(), Resume: !c.Clean,
	}, will, nil
}

// readWill is the message that a will becomes, or nil.
// IoT Hub: contract.md §3.4.
func readWill(id iot.Identity, c *packets.ConnectParams) (*iot.Message, error) {
	if !c.WillFlag {
		return nil, nil
	}
	if c.WillQos == 2 {
		return nil, iot.ErrInvalidOperation.Because("a will with QoS 2")
	}
	t, err := parseTopic(c.WillTopic, id.Path()+eventsTopic)
	if err != nil || t.kind != topicTelemetry {
		return nil, iot.ErrInvalidOperation.Because("the will's topic %s is not the device's own %s%s/",
			loggable(c.WillTopic), id.Path(), eventsTopic)
	}
	m := telemetry(t.bag, c.WillPayload, c.WillRetain)
	m.Properties = m.Properties.Set(iot.MessageType, "Will")
	return &m, nil
}

// refuse has the hub log and remember why a client is turned away, before the
// client can know it.
func (l *link) refuse(reason error) {
	l.told = true
	l.srv.hub.Refused(l.id, l.remote(), l.protocol, reason)
}

// connack answers with a code other than 0.
func (l *link) connack(code byte) {
	_, _ = l.wire.Write([]byte{packets.Connack << 4, 2, 0, code}) // a client that is gone needs no answer
}

// turnAway answers a client whose first bytes are no CONNECT of ours. Only a
// wrong protocol level is worth an answer.
func (l *link) turnAway(reason error) {
	l.refuse(reason)
	if errors.Is(reason, iot.ErrInvalidProtocol) {
		l.connack(refusedLevel)
	}
}

// visitor is a connection whose listener is told when the client has shown who it
// is, because it bounds those of clients that have not.
type visitor interface{ Admit() }

// establish notes what the connection is from now on.
func (l *link) establish(s *hub.Session, c *packets.ConnectParams, r hub.ConnectRequest, will *iot.Message) {
	l.session = s
	l.id = r.Identity
	l.events = r.Identity.Path() + eventsTopic
	l.will = will
	l.durable = r.Resume
	l.keepAlive = c.Keepalive
	if l.keepAlive == 0 || l.keepAlive > maxKeepAlive {
		l.keepAlive = maxKeepAlive
	}
	l.wire.keepAlive(l.keepAlive)
	if v, ok := l.wire.raw.(visitor); ok {
		v.Admit()
	}
	l.engineID = c.ClientIdentifier + "#" + strconv.FormatUint(l.srv.sequence.Add(1), 10)
	if r.APIVersion == "" {
		l.srv.log.Warn().Str("device", l.id.String()).Str("op", "connect").
			Msg("the user name has no api-version; IoT Hub refuses twin patches of such a client")
	}
	if !l.durable {
		return
	}
	kept, present := s.Resumed().(subscriptions)
	l.present = present
	l.subs = kept
	if !present {
		s.Keep(l.subs)
	}
}
