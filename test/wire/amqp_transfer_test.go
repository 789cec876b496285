package wire_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// narrow is a back end that takes frames of so many bytes, and so many transfers
// until it says that it takes more.
func narrow(t testing.TB, frame, window uint32) *peer {
	t.Helper()
	p := dialAMQP(t, hub)
	require.Zero(t, p.sasl("PLAIN", "\x00service\x00"+harness.WellKnownKey))
	p.header(amqpHeader)
	p.send(performOpen, "raw", hub.Address, frame, uint16(10))
	p.expect(performOpen)
	p.begin(window)
	return p
}

func TestALongEventComesInFramesThatThePeerTakes(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	long := strings.Repeat("0123456789", 5000)
	e := d.tells(t, long)[0]
	p := narrow(t, 512, 1000)
	p.receiver(partition("linarite", newGroup(), e.Partition), 1, terms{filter: from(e)})
	var encoded []byte
	for n := 0; ; n++ {
		f := p.expect(performTransfer)
		require.LessOrEqual(t, len(f.payload), 512)
		if n == 0 {
			require.NotNil(t, f.at(1), "only the first has the delivery's id")
		} else {
			require.Nil(t, f.at(1))
		}
		if encoded = append(encoded, f.payload...); f.at(5) != true {
			break
		}
	}
	require.Equal(t, long, string(p.readMessage(encoded).body))
}

func TestALongMessageMayComeInFrames(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	l := p.sender(d.address("messages/events"))
	long := strings.Repeat("0123456789", 10_000)
	rest := message{body: []byte(long)}.bytes()
	for first := true; len(rest) > 0; first = false {
		part := rest[:min(len(rest), 1000)]
		rest = rest[len(part):]
		transfer := of(performTransfer, l.handle, nil, nil, nil, nil, len(rest) > 0)
		if first {
			transfer = of(performTransfer, l.handle, uint32(0), []byte{1}, uint32(0), false, true)
		}
		p.write(frameOf(amqpFrame, 0, transfer, part))
	}
	outcome, _ := l.settlement(0)
	require.EqualValues(t, outcomeAccepted, outcome)
	require.Equal(t, long, d.theEvent(t).Body)
}

func TestAMessageThatIsBrokenOffIsNone(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	l := p.sender(d.address("messages/events"))
	p.write(frameOf(amqpFrame, 0, of(performTransfer, l.handle, uint32(0), []byte{1}, uint32(0), false, true), []byte("\x00\x53\x75\xA0\x64begin")))
	p.write(frameOf(amqpFrame, 0, of(performTransfer, l.handle, nil, nil, nil, nil, false, nil, nil, nil, true), nil))
	p.deliveries = 1
	l.accepts(message{body: []byte("next")})
	require.Equal(t, "next", d.theEvent(t).Body)
}

func TestTheSessionsWindow(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	e := d.tells(t, "0", "1", "2", "3", "4")[0]
	p := narrow(t, 1<<16, 2)
	l := p.receiver(partition("linarite", newGroup(), e.Partition), 0, terms{filter: from(e)})
	open := func(next, window uint32) {
		p.send(performFlow, next, window, uint32(0), uint32(1<<16), l.handle, uint32(0), uint32(5))
	}
	open(1, 2)
	first, _ := p.transfer()
	second, _ := p.transfer()
	require.Equal(t, first.at(1).(uint32)+1, second.at(1))
	p.send(performFlow, uint32(3), uint32(0), uint32(0), uint32(1<<16), nil, nil, nil, nil, false, true)
	p.expect(performFlow) // its answer: nothing was under way
	open(3, 100)
	for range 3 {
		p.transfer()
	}
}

func TestCreditBoundsWhatAReaderGets(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	e := d.tells(t, "0", "1", "2")[0]
	p := backEnd(t, hub, "service")
	l := p.receiver(partition("linarite", newGroup(), e.Partition), 0, terms{filter: from(e)})
	p.quiet()
	l.grant(1)
	p.transfer()
	p.quiet()
	l.grant(3) // since the link was attached
	p.transfer()
	p.transfer()
	p.quiet()
}

func TestADrainedLinkUsesItsCreditUp(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	events := d.tells(t, "0", "1")
	p := backEnd(t, hub, "service")
	for _, address := range []string{
		partition("linarite", newGroup(), events[0].Partition), "/messages/serviceBound/filenotifications",
	} {
		o := terms{}
		if strings.HasPrefix(address, "linarite") {
			o.filter = selector("amqp.annotation.x-opt-offset > '@latest'")
		}
		l := p.receiver(address, 0, o)
		l.flow(100, true)
		f := p.next()
		for f.code != performFlow || f.at(4) != l.handle { // other devices' events may come first
			f = p.next()
		}
		require.Equal(t, uint32(100), f.at(5), "delivery-count")
		require.Equal(t, uint32(0), f.at(6), "credit")
		require.Equal(t, true, f.at(8), "drain")
	}
}

// go-amqp waits to hear of it even when messages have used the credit up.
func TestADrainThatMessagesUseUpIsAnswered(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	e := d.tells(t, "0", "1", "2")[0]
	p := backEnd(t, hub, "service")
	l := p.receiver(partition("linarite", newGroup(), e.Partition), 0, terms{filter: from(e)})
	l.flow(2, true)
	p.transfer()
	p.transfer()
	f := p.expect(performFlow)
	require.Equal(t, []any{l.handle, uint32(2), uint32(0)}, []any{f.at(4), f.at(5), f.at(6)}, "handle, delivery-count, credit")
	require.Equal(t, true, f.at(8), "drain")
}

func TestALinkThatIsAttachedAnewIsStolen(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	first, refusal := p.attach(false, d.address("messages/events"), terms{name: "one"})
	require.Nil(t, refusal)
	p.send(performAttach, "one", uint32(9), false, nil, nil, of(terminusSource, "mine"),
		of(terminusTarget, d.address("messages/events")), nil, nil, uint32(0))
	require.Equal(t, "amqp:link:stolen", first.ended().String())
	p.expect(performAttach)
	(&attached{peer: p, handle: 9}).accepts(message{body: []byte("on the new link")})
	require.True(t, d.connection(t).Connected)
}

// Whoever sends settled does not want to hear of it.
func TestAMessageThatIsSentSettled(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	l, refusal := p.attach(false, d.address("messages/events"), terms{settled: uint8(1)})
	require.Nil(t, refusal)
	p.write(frameOf(amqpFrame, 0, of(performTransfer, l.handle, uint32(0), []byte{1}, uint32(0), true), message{body: []byte("hello")}.bytes()))
	p.quiet() // no disposition
	require.Equal(t, "hello", d.theEvent(t).Body)
}

// The modes that are asked for and those that are given: partitions are always
// settled, messages to a device never are.
func TestSettlementModes(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	service, device := backEnd(t, hub, "service"), d.amqp(t)
	group := newGroup()
	for _, c := range []struct {
		p       *peer
		address string
		asked   any
		given   uint8
	}{
		{service, partition("linarite", group, 0), uint8(1), 1},
		{service, partition("linarite", group, 0), uint8(2), 2},
		{service, "/messages/serviceBound/feedback", uint8(0), 0},
		{service, "/messages/serviceBound/feedback", uint8(1), 1},
		{device, d.address("messages/devicebound"), uint8(0), 0},
		{device, d.address("messages/devicebound"), uint8(1), 0},
	} {
		l, refusal := c.p.attach(true, c.address, terms{settled: c.asked})
		require.Nil(t, refusal, c.address)
		require.Equal(t, c.given, l.answer.at(3), "%s, %v", c.address, c.asked)
		l.detach()
	}
}

// What pyamqp, rhea and go-amqp want of the hub's attach.
func TestWhatAnAttachIsAnsweredWith(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	properties := dict{symbol("com.microsoft:receiver-name"): "me"}
	l, _ := p.attach(true, partition("linarite", newGroup(), 0), terms{
		filter: selector("amqp.annotation.x-opt-offset > '-1'"), properties: properties,
	})
	require.Len(t, l.answer.list, 14, "every field")
	require.NotNil(t, l.answer.at(9), "initial-delivery-count, since the hub sends")
	require.NotNil(t, l.answer.at(10), "max-message-size")
	require.Equal(t, properties, l.answer.at(13), "the peer's properties")
	source := l.answer.at(5).(described).value.(list)
	require.NotEqual(t, symbol(""), source[2], "go-amqp refuses an empty expiry-policy")
	require.NotEmpty(t, source[7], "the filter that was taken")
	require.NotNil(t, l.answer.at(6), "the target")

	s := p.sender("/messages/devicebound")
	require.NotNil(t, s.answer.at(5), "the source")
	f := p.expect(performFlow)
	require.Equal(t, s.handle, f.at(4))
	require.Equal(t, uint32(1000), f.at(6), "credit, unasked")
	require.Len(t, f.list, 11)
}

func TestWhatEndsASessionOrAConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code   uint64
		values []any
		end    uint64
		want   string
	}{
		"a transfer on no link":     {performTransfer, []any{uint32(77), uint32(0), []byte{1}}, performEnd, "amqp:session:unattached-handle"},
		"a flow for no link":        {performFlow, []any{uint32(1), uint32(1), uint32(0), uint32(1), uint32(77)}, performEnd, "amqp:session:unattached-handle"},
		"a detach of no link":       {performDetach, []any{uint32(77)}, performEnd, "amqp:session:unattached-handle"},
		"a handle that is too high": {performAttach, []any{"x", uint32(99999), false}, performEnd, "amqp:session:errant-link"},
		"a second begin":            {performBegin, []any{nil, uint32(0), uint32(1), uint32(1)}, performClose, "amqp:not-allowed"},
		"a second open":             {performOpen, []any{"again"}, performClose, "amqp:not-allowed"},
		"a field of another type":   {performFlow, []any{"x"}, performClose, "amqp:decode-error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := backEnd(t, hub, "service")
			p.send(c.code, c.values...)
			f := p.expect(c.end)
			require.Equal(t, c.want, failureOf(f.at(0)).String())
			if c.end == performEnd { // the connection goes on
				p.send(performEnd)
				p.begin(100)
				p.sender("/messages/devicebound")
			}
		})
	}
}

func TestTwoMessagesCannotComeAtOnce(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	l := p.sender("/messages/devicebound")
	for id := range uint32(2) {
		p.write(frameOf(amqpFrame, 0, of(performTransfer, l.handle, id, []byte{1}, uint32(0), false, true), []byte("x")))
	}
	require.Equal(t, "amqp:not-allowed", l.ended().String())
	p.sender("/messages/devicebound") // the session goes on
}
