package mqtt

import (
	"net"

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

// GoodBytes is how many bytes of a connection may be read that come in pieces.
func GoodBytes(pieces ...[]byte) (n int) {
	var h headers
	for _, piece := range pieces {
		good, err := h.check(piece)
		n += good
		if err != nil {
			break
		}
	}
	return n
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
