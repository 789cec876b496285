package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABackEndSendsToADevice(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"/messages/devicebound", "/messages/deviceBound", "amqps://" + hub.Address + "/messages/devicebound"} {
		d := newDevice(t)
		c := d.receiver(t)
		p := backEnd(t, hub, "service")
		p.sender(address).accepts(message{
			properties: map[int]any{
				propertyID: uuid{0xAB}, propertyTo: d.address("messages/deviceBound"), propertyCorrelation: "c", propertyContentType: symbol("text/plain"),
				propertyExpiry: time.Now().Add(time.Hour),
			},
			application: dict{"iothub-ack": "full", "a": "b", "n": int32(5)},
			body:        []byte("hello"),
		})
		got := c.publication()
		require.Equal(t, "hello", got.body)
		for _, part := range []string{
			"%24.mid=ab000000-0000-0000-0000-000000000000", "%24.cid=c", "%24.ct=text%2Fplain", "iothub-ack=full", "a=b", "n=5", "%24.exp=",
		} {
			require.Contains(t, got.topic, part)
		}
	}
}

// Whatever is wrong with a message costs that message and nothing else.
func TestMessagesThatAreRejected(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := backEnd(t, hub, "service")
	l := p.sender("/messages/devicebound")
	to := func(address string) map[int]any { return map[int]any{propertyTo: address} }
	expired := to(d.address("messages/devicebound"))
	expired[propertyExpiry] = time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		m    message
		want string
	}{
		"an unknown device":  {message{properties: to("/devices/nobody/messages/devicebound")}, "amqp:not-found (404001)"},
		"too large":          {message{properties: to(d.address("messages/devicebound")), body: make([]byte, 64_000+2000)}, "amqp:link:message-size-exceeded (413001)"},
		"an expiry of past":  {message{properties: expired}, "amqp:not-allowed (403009)"},
		"a bad ack":          {message{properties: to(d.address("messages/devicebound")), application: dict{"iothub-ack": "x"}}, "com.microsoft:argument-error (400004)"},
		"to nobody":          {message{properties: to("")}, "com.microsoft:argument-error (400004)"},
		"to a twin":          {message{properties: to(d.address("twin"))}, "com.microsoft:argument-error (400004)"},
		"without properties": {message{}, "com.microsoft:argument-error (400004)"},
	} {
		if len(c.m.body) > 60_000 {
			p.write(bigTransfer(l, c.m))
			outcome, why := l.settlement(p.deliveries - 1)
			require.EqualValues(t, outcomeRejected, outcome, name)
			require.Equal(t, c.want, why.String(), name)
			continue
		}
		outcome, why := l.deliver(c.m)
		require.EqualValues(t, outcomeRejected, outcome, name)
		require.Equal(t, c.want, why.String(), name)
	}
	for range 50 {
		l.accepts(message{properties: to(d.address("messages/devicebound"))})
	}
	outcome, why := l.deliver(message{properties: to(d.address("messages/devicebound"))})
	require.EqualValues(t, outcomeRejected, outcome)
	require.Equal(t, "amqp:resource-limit-exceeded (403004)", why.String())
	require.Equal(t, 50, d.queued(t))
}

// bigTransfer is a message in two frames.
func bigTransfer(l *attached, m message) []byte {
	b := m.bytes()
	id := l.deliveries
	l.deliveries++
	return append(
		frameOf(amqpFrame, 0, of(performTransfer, l.handle, id, []byte{1}, uint32(0), false, true), b[:60_000]),
		frameOf(amqpFrame, 0, of(performTransfer, l.handle, nil, nil, nil, nil, false), b[60_000:])...)
}

// amenzhinsky/iothub sends empty ids and an expiry in the year 1754.
func TestAnOldExpiryIsNone(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := backEnd(t, hub, "service")
	p.sender("/messages/devicebound").accepts(message{properties: map[int]any{
		propertyID: "", propertyCorrelation: "", propertyTo: d.address("messages/devicebound"),
		propertyExpiry: time.Date(1754, 8, 30, 0, 0, 0, 0, time.UTC),
	}})
	require.Equal(t, 1, d.queued(t))
}

func TestFileNotificationsHaveANode(t *testing.T) {
	t.Parallel()
	p := backEnd(t, hub, "service")
	for _, address := range []string{"/messages/serviceBound/filenotifications", "/messages/servicebound/fileuploadnotifications"} {
		p.receiver(address, 10, terms{})
	}
	p.quiet()
	require.Equal(t, "amqp:not-found (404006)", p.refused(false, "/messages/serviceBound/filenotifications", terms{}).String())
	require.Equal(t, "amqp:not-found (404006)", p.refused(false, "/messages/serviceBound/feedback", terms{}).String())
	require.Equal(t, "amqp:not-found (404006)", p.refused(true, "/messages/devicebound", terms{}).String())
}
