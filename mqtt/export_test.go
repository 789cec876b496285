package mqtt

import (
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// PacketIDs is the packet ids that deliveries with these sequence numbers get on
// one connection, in order.
func PacketIDs(sequences ...uint64) []uint16 {
	l := &link{}
	ids := make([]uint16, len(sequences))
	for i, s := range sequences {
		ids[i] = l.assign(c2d.Delivery{Sequence: s})
	}
	return ids
}

// UserName is a parsed user name.
type UserName struct {
	Host                       string
	Identity                   iot.Identity
	APIVersion, Agent, ModelID string
}

// ParseUserName is parseUserName.
func ParseUserName(s string) (UserName, error) {
	u, err := parseUserName(s)
	return UserName{u.host, u.identity, u.apiVersion, u.agent, u.modelID}, err
}

// Topic is a parsed topic.
type Topic struct {
	Kind              string
	Bag, RID, Version string
	Guarded           bool
	Status            int
}

// ParseTopic is parseTopic for an identity.
func ParseTopic(name string, id iot.Identity) (Topic, error) {
	t, err := parseTopic(name, id.Path()+eventsTopic)
	if err != nil {
		return Topic{}, err
	}
	kinds := [...]string{
		topicTelemetry: "telemetry", topicTwinGet: "GET", topicTwinReport: "PATCH", topicMethodAnswer: "answer",
	}
	return Topic{kinds[t.kind], t.bag, t.rid, t.version, t.guarded, t.status}, nil
}

// Sort is what becomes of a connection's bytes that come in pieces, read into memory
// of their own or not: for each message what it says, and in between, in order, what
// is mochi's, which asks for so many bytes at a time.
func Sort(own bool, room int, pieces ...[]byte) (came []string, err error) {
	var in intake
	others := "" // mochi's, since the last message
	deliver := func(m received) error {
		if others != "" {
			came, others = append(came, others), ""
		}
		came = append(came, fmt.Sprintf("%s|%s|%d %t %d", m.topic, m.payload, m.qos, m.retain, m.id))
		return nil
	}
	p := make([]byte, room)
	for _, piece := range pieces {
		for b := bytes.Clone(piece); len(b) > 0; b = in.held {
			n, err := in.sort(p, b, own, deliver)
			others += string(p[:n])
			if err == nil {
				err = in.refused
			}
			if err != nil {
				return append(came, others), err
			}
		}
	}
	return append(came, others), nil
}

// ParseBag is parseBag.
func ParseBag(bag string) (system, application iot.Properties) { return parseBag(bag) }

// DeviceBoundTopic is deviceBoundTopic.
func DeviceBoundTopic(device string, m *c2d.Message) string { return deviceBoundTopic(device, m) }

// Encoded is what a client would be sent instead of a packet of mochi's.
func Encoded(pk packets.Packet) packets.Packet { return (&hook{}).OnPacketEncode(nil, pk) }

// EngineSends counts the deliveries that mochi has in flight and the
// subscriptions that it knows of.
func (s *Server) EngineSends() (inflight, subscriptions int) {
	for _, cl := range s.engine.Clients.GetAll() {
		inflight += cl.State.Inflight.Len()
		subscriptions += cl.State.Subscriptions.Len()
	}
	return inflight, subscriptions
}

// ServeConn speaks with a client over conn until the connection ends.
func (s *Server) ServeConn(conn net.Conn) {
	if s.begin(conn) {
		s.serve(conn, nil)
	}
}

// EngineHolds counts what mochi holds: its clients, and the topics it knows of.
func (s *Server) EngineHolds() (clients, topics int) {
	return s.engine.Clients.Len(), len(s.engine.Topics.Subscribers("$iothub/twin/res/200").Subscriptions)
}

// Pace is a client's.
type Pace struct{ p pace }

// Pause is how long a client has to wait that has sent messages with so many bytes
// each.
func (p *Pace) Pause(now time.Time, bytes, messages int) time.Duration {
	for range messages {
		p.p.spend(&received{payload: make([]byte, bytes)})
	}
	return p.p.pause(now)
}
