package wire_test

import (
	"fmt"

	"github.com/stretchr/testify/require"
)

// Sections of messages, and outcomes. OASIS: amqp-core-messaging 3.2, 3.4.
const (
	sectionHeader      = 0x70
	sectionDelivery    = 0x71
	sectionAnnotations = 0x72
	sectionProperties  = 0x73
	sectionApplication = 0x74
	sectionData        = 0x75
	sectionValue       = 0x77

	outcomeReceived = 0x23
	outcomeAccepted = 0x24
	outcomeRejected = 0x25
	outcomeReleased = 0x26
	outcomeModified = 0x27

	terminusSource = 0x28
	terminusTarget = 0x29
)

// The outcomes that need no more to say.
var (
	acceptedOutcome = of(outcomeAccepted)
	rejectedOutcome = of(outcomeRejected)
	releasedOutcome = of(outcomeReleased)
)

// Fields of a message's properties.
const (
	propertyID          = 0
	propertyUserID      = 1
	propertyTo          = 2
	propertyReplyTo     = 4
	propertyCorrelation = 5
	propertyContentType = 6
	propertyEncoding    = 7
	propertyExpiry      = 8
)

// message is a message by its sections.
type message struct {
	header      list
	delivery    dict // annotations
	annotations dict
	properties  map[int]any // by field
	application dict
	body        []byte
	value       any // the body in its place
}

// bytes is the message as it goes over the wire.
func (m message) bytes() []byte {
	var b []byte
	if m.annotations != nil {
		b = encode(b, described{uint64(sectionAnnotations), m.annotations})
	}
	if m.properties != nil {
		values := make(list, propertyExpiry+1)
		for i, v := range m.properties {
			values[i] = v
		}
		b = encode(b, described{uint64(sectionProperties), values})
	}
	if m.application != nil {
		b = encode(b, described{uint64(sectionApplication), m.application})
	}
	if m.value != nil {
		return encode(b, described{uint64(sectionValue), m.value})
	}
	return encode(b, described{uint64(sectionData), m.body})
}

// readMessage takes a message apart.
func (p *peer) readMessage(b []byte) (m message) {
	p.t.Helper()
	for len(b) > 0 {
		v, rest, err := decode(b)
		require.NoError(p.t, err)
		b = rest
		section := v.(described)
		switch section.descriptor {
		case uint64(sectionHeader):
			m.header = section.value.(list)
		case uint64(sectionDelivery):
			m.delivery = section.value.(dict)
		case uint64(sectionAnnotations):
			m.annotations = section.value.(dict)
		case uint64(sectionProperties):
			m.properties = map[int]any{}
			for i, v := range section.value.(list) {
				m.properties[i] = v
			}
		case uint64(sectionApplication):
			m.application = section.value.(dict)
		case uint64(sectionData):
			m.body = append(m.body, section.value.([]byte)...)
		case uint64(sectionValue):
			m.value = section.value
		default:
			require.Fail(p.t, "a section that there is not", "%v", section.descriptor)
		}
	}
	return m
}

// terms are how a link is attached. The zero value is what most want.
type terms struct {
	name       string
	settled    any // snd-settle-mode, uint8
	second     any // rcv-settle-mode, uint8
	filter     dict
	desired    any // capabilities, []symbol
	properties dict
	size       any // max-message-size, uint64
}

// attached is a link that the hub has agreed to.
type attached struct {
	*peer
	handle uint32
	answer frame // the hub's attach
	credit uint32
}

// attach attaches a link and returns it, or why the hub refused it: with an
// attach whose own end is null, and then a detach.
func (p *peer) attach(receives bool, address string, o terms) (*attached, *failure) {
	p.t.Helper()
	handle := p.handles
	p.handles++
	if o.name == "" {
		o.name = fmt.Sprintf("link-%d", handle)
	}
	source, target := of(terminusSource, address), of(terminusTarget, "mine")
	if !receives {
		source, target = of(terminusSource, "mine"), of(terminusTarget, address)
	} else if o.filter != nil {
		source = of(terminusSource, address, nil, nil, nil, nil, nil, nil, o.filter)
	}
	p.send(performAttach, o.name, handle, receives, o.settled, o.second, source, target, nil, nil, uint32(0), o.size, nil, o.desired, o.properties)
	answer := p.expect(performAttach)
	require.Equal(p.t, o.name, answer.at(0))
	require.Equal(p.t, !receives, answer.at(2), "the other role")
	end := 6 // the target
	if receives {
		end = 5
	}
	if answer.at(end) == nil {
		detach := p.expect(performDetach)
		require.Equal(p.t, true, detach.at(1), "closed")
		require.NotNil(p.t, detach.at(2), "and the reason why")
		p.send(performDetach, handle, true)
		return nil, failureOf(detach.at(2))
	}
	return &attached{peer: p, handle: handle, answer: answer}, nil
}

// receiver attaches a link to read from an address, and grants credit.
func (p *peer) receiver(address string, credit uint32, o terms) *attached {
	p.t.Helper()
	l, refusal := p.attach(true, address, o)
	require.Nil(p.t, refusal, "%s", refusal)
	l.grant(credit)
	return l
}

// sender attaches a link to send to an address.
func (p *peer) sender(address string) *attached {
	p.t.Helper()
	l, refusal := p.attach(false, address, terms{})
	require.Nil(p.t, refusal, "%s", refusal)
	return l
}

// refused attaches a link that the hub does not want.
func (p *peer) refused(receives bool, address string, o terms) *failure {
	p.t.Helper()
	_, refusal := p.attach(receives, address, o)
	require.NotNil(p.t, refusal)
	return refusal
}

// grant lets the hub send so many messages, all told.
func (l *attached) grant(credit uint32) { l.flow(credit, false) }

func (l *attached) flow(credit uint32, drain bool) {
	l.t.Helper()
	l.credit = credit
	l.peer.send(performFlow, uint32(1), uint32(1<<16), uint32(0), uint32(1<<16), l.handle, uint32(0), credit, nil, drain)
}

// push sends a message in one transfer and returns its delivery's id.
func (l *attached) push(m message) uint32 {
	l.t.Helper()
	id := l.deliveries
	l.deliveries++
	transfer := of(performTransfer, l.handle, id, []byte{byte(id >> 8), byte(id)}, uint32(0), false, false)
	l.write(frameOf(amqpFrame, 0, transfer, m.bytes()))
	return id
}

// deliver sends a message and returns its outcome's code, and why it was
// rejected.
func (l *attached) deliver(m message) (outcome uint64, why *failure) {
	l.t.Helper()
	return l.settlement(l.push(m))
}

// settlement waits for the outcome of a delivery.
func (l *attached) settlement(id uint32) (outcome uint64, why *failure) {
	l.t.Helper()
	f := l.expect(performDisposition)
	require.Equal(l.t, true, f.at(0), "the receiver's word")
	require.Equal(l.t, id, f.at(1))
	require.Equal(l.t, true, f.at(3), "settled")
	state := f.at(4).(described)
	if values := state.value.(list); state.descriptor == uint64(outcomeRejected) && len(values) > 0 {
		why = failureOf(values[0])
	}
	return state.descriptor.(uint64), why
}

// accepts sends a message that has to be accepted.
func (l *attached) accepts(m message) {
	l.t.Helper()
	outcome, why := l.deliver(m)
	require.EqualValues(l.t, outcomeAccepted, outcome, "%s", why)
}

// transfer reads the next message, which may come in several frames, and the
// first of them.
func (p *peer) transfer() (frame, message) {
	p.t.Helper()
	first := p.expect(performTransfer)
	encoded := first.payload
	for f := first; f.at(5) == true; {
		f = p.expect(performTransfer)
		encoded = append(encoded, f.payload...)
	}
	return first, p.readMessage(encoded)
}

// settle tells the hub what became of a message.
func (p *peer) settle(f frame, outcome any) {
	p.t.Helper()
	p.send(performDisposition, true, f.at(1), nil, true, outcome)
}

// detach ends the link and waits for the hub to agree.
func (l *attached) detach() {
	l.t.Helper()
	l.peer.send(performDetach, l.handle, true)
	l.expect(performDetach)
}

// ended waits for the hub to end the link and returns why.
func (l *attached) ended() *failure {
	l.t.Helper()
	f := l.expect(performDetach)
	require.Equal(l.t, l.handle, f.at(0))
	l.peer.send(performDetach, l.handle, true)
	return failureOf(f.at(2))
}
