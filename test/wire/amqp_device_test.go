package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func TestTelemetryOverAMQP(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]identity{"a device": newDevice(t), "a module": newModule(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := who.amqp(t)
			p.sender(who.address("messages/events")).accepts(message{
				annotations: dict{
					symbol("iothub-creation-time-utc"): "2026-01-01T00:00:00.0000000Z", symbol("x-opt-output-name"): "in an annotation",
					symbol("iothub-connection-device-id"): "another",
				},
				properties: map[int]any{
					propertyID: uuid{0xAB}, propertyCorrelation: uint64(5), propertyUserID: []byte("u"), propertyTo: "/devices/another/messages/events",
					propertyContentType: symbol("application/json"), propertyEncoding: symbol("utf-8"), propertyExpiry: time.UnixMilli(1893456000000),
				},
				application: dict{
					"a": "b", "iothub-outputname": "out", "yes": true, "number": int64(-5), "nothing": nil, "bytes": []byte("x"), "iothub-connection-device-id": "another",
				},
				body: []byte("body"),
			})
			e := who.theEvent(t)
			require.Equal(t, "body", e.Body)
			require.Equal(t, map[string]any{"a": "b", "yes": "true", "number": "-5", "nothing": nil, "bytes": "x"}, e.Properties)
			for name, want := range map[string]string{
				"message-id": "ab000000-0000-0000-0000-000000000000", "correlation-id": "5", "user-id": "u",
				"content-type": "application/json", "content-encoding": "utf-8", "absolute-expiry-time": "2030-01-01T00:00:00Z",
				"iothub-creation-time-utc": "2026-01-01T00:00:00.0000000Z", "iothub-outputname": "out",
				"iothub-connection-device-id": who.DeviceID, "iothub-connection-module-id": who.ModuleID, "iothub-message-source": "Telemetry",
			} {
				require.Equal(t, want, e.SystemProperties[name], name)
			}
		})
	}
}

// Batches hold whole encoded messages (Event Hubs' message-format).
func TestABatchOfTelemetry(t *testing.T) {
	t.Parallel()
	const batch = uint32(0x80013700)
	d := newDevice(t)
	p := d.amqp(t)
	l := p.sender(d.address("messages/events"))
	send := func(messages ...message) (uint64, *failure) {
		var b []byte
		for _, m := range messages {
			b = encode(b, described{uint64(sectionData), m.bytes()})
		}
		id := p.deliveries
		p.deliveries++
		for first := true; len(b) > 0; first = false {
			part := b[:min(len(b), 60_000)]
			b = b[len(part):]
			transfer := of(performTransfer, l.handle, nil, nil, nil, nil, len(b) > 0)
			if first {
				transfer = of(performTransfer, l.handle, id, []byte{1}, batch, false, len(b) > 0)
			}
			p.write(frameOf(amqpFrame, 0, transfer, part))
		}
		return l.settlement(id)
	}
	outcome, _ := send(message{application: dict{"n": "0"}, body: []byte("0")}, message{body: []byte("1")}, message{body: []byte("2")})
	require.EqualValues(t, outcomeAccepted, outcome)
	events := hub.WaitEvents(t, 3, harness.Filter{Device: d.DeviceID})
	for n, want := range []string{"0", "1", "2"} {
		require.Equal(t, want, events[n].Body)
	}
	require.Equal(t, map[string]any{"n": "0"}, events[0].Properties)

	half := message{body: []byte(strings.Repeat("x", 150_000))}
	outcome, why := send(half, half) // together they have more than 256 KB
	require.EqualValues(t, outcomeRejected, outcome)
	require.Equal(t, "amqp:link:message-size-exceeded (413001)", why.String())
	events, _ = hub.Events(t, harness.Filter{Device: d.DeviceID})
	require.Len(t, events, 3)
}

func TestMessagesForADeviceOverAMQP(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	p.receiver(d.address("messages/deviceBound"), 10, terms{})
	id := hub.Send(t, d.DeviceID, harness.CloudMessage{
		Body: "hello", CorrelationID: "c", UserID: "u", ContentType: "text/plain", ContentEncoding: "utf-8", Ack: "full", TTL: "10m",
		Properties: map[string]string{"a": "b"},
	})
	f, m := p.transfer()
	require.Len(t, f.at(2), 16, "C# makes a Guid of the delivery tag")
	require.Equal(t, false, f.at(4), "it has to be settled")
	require.Equal(t, id, m.properties[propertyID])
	require.Equal(t, "/devices/"+d.DeviceID+"/messages/devicebound", m.properties[propertyTo])
	require.Equal(t, "c", m.properties[propertyCorrelation])
	require.Equal(t, []byte("u"), m.properties[propertyUserID])
	require.Equal(t, symbol("text/plain"), m.properties[propertyContentType])
	require.Equal(t, symbol("utf-8"), m.properties[propertyEncoding])
	require.IsType(t, time.Time{}, m.properties[propertyExpiry])
	require.Equal(t, dict{"a": "b", "iothub-ack": "full"}, m.application)
	require.IsType(t, time.Time{}, m.annotations.get("iothub-enqueuedtime"))
	require.Equal(t, "hello", string(m.body))
	p.settle(f, acceptedOutcome)
	require.Equal(t, "Success", hub.WaitFeedback(t, 1, d.DeviceID)[0].StatusCode)
	require.Zero(t, d.queued(t))
}

// What a device may do with a message, and what the back end hears of it.
func TestOutcomesOfMessages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome described
		status  string // of the feedback; "" for none: it comes again
	}{
		"accepted":                     {acceptedOutcome, "Success"},
		"rejected":                     {rejectedOutcome, "Rejected"},
		"modified, undeliverable here": {of(outcomeModified, true, true), "Rejected"},
		"released":                     {releasedOutcome, ""},
		"modified":                     {of(outcomeModified, true), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			p := d.amqp(t)
			p.receiver(d.address("messages/devicebound"), 10, terms{})
			hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "full"})
			f, m := p.transfer()
			require.EqualValues(t, 0, m.header[4], "delivery-count")
			p.settle(f, c.outcome)
			if c.status != "" {
				require.Equal(t, c.status, hub.WaitFeedback(t, 1, d.DeviceID)[0].StatusCode)
				p.quiet()
				return
			}
			_, m = p.transfer()
			require.EqualValues(t, 1, m.header[4])
		})
	}
}

// After ten abandoned deliveries a message is a dead letter, which MQTT has no
// way to bring about. IoT Hub: §8.3.
func TestAMessageThatIsAbandonedTooOften(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	p.receiver(d.address("messages/devicebound"), 100, terms{})
	hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "full"})
	for range 10 {
		f, _ := p.transfer()
		p.settle(f, releasedOutcome)
	}
	require.Equal(t, "DeliveryCountExceeded", hub.WaitFeedback(t, 1, d.DeviceID)[0].StatusCode)
	p.quiet()
}

// A message may be settled in a range, in two steps, and after others.
func TestTheWaysToSettle(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	p := d.amqp(t)
	p.receiver(d.address("messages/devicebound"), 10, terms{})
	var ids []uint32
	for range 4 {
		hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x"})
		f, _ := p.transfer()
		ids = append(ids, f.at(1).(uint32))
	}
	p.send(performDisposition, true, ids[3], nil, false, acceptedOutcome) // the hub settles
	answer := p.expect(performDisposition)
	require.Equal(t, false, answer.at(0), "the sender's word")
	require.Equal(t, ids[3], answer.at(1))
	require.Equal(t, true, answer.at(3))
	require.Equal(t, 3, d.queued(t))
	p.send(performDisposition, true, ids[0], nil, false, of(outcomeReceived, uint32(0), uint64(1))) // says nothing yet
	p.quiet()
	require.Equal(t, 3, d.queued(t))
	p.send(performDisposition, true, ids[0], ids[2], true, acceptedOutcome)
	p.quiet()
	require.Zero(t, d.queued(t))
}

// twinLinks attaches both links of a twin's.
func (p *peer) twinLinks(who identity) (in, out *attached) {
	p.t.Helper()
	about := terms{properties: dict{symbol("com.microsoft:channel-correlation-id"): "twin:1", symbol("com.microsoft:api-version"): "2021-04-12"}}
	in, refusal := p.attach(true, who.address("twin"), about)
	require.Nil(p.t, refusal)
	in.grant(100)
	out, refusal = p.attach(false, who.address("twin"), about)
	require.Nil(p.t, refusal)
	return in, out
}

// twinRequest asks the twin for something and returns the answer.
func (l *attached) twinRequest(operation, resource, body string) message {
	l.t.Helper()
	annotations := dict{symbol("operation"): operation}
	if resource != "" {
		annotations[symbol("resource")] = resource
	}
	l.accepts(message{annotations: annotations, properties: map[int]any{propertyCorrelation: "7"}, body: []byte(body)})
	_, answer := l.peer.transfer()
	require.Equal(l.t, "7", answer.properties[propertyCorrelation])
	return answer
}

func TestATwinOverAMQP(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]identity{"a device": newDevice(t), "a module": newModule(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := who.amqp(t)
			_, l := p.twinLinks(who)
			got := l.twinRequest("GET", "", "")
			require.Equal(t, int32(200), got.annotations.get("status"))
			require.JSONEq(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, string(got.body))

			patched := l.twinRequest("PATCH", "/properties/reported", `{"a":{"b":1}}`)
			require.Equal(t, int32(204), patched.annotations.get("status"))
			require.Equal(t, int64(2), patched.annotations.get("version"))
			require.Empty(t, patched.body)

			require.Equal(t, int32(200), l.twinRequest("PUT", "/notifications/twin/properties/desired", "").annotations.get("status"))
			who.want(t, "PATCH", `{"properties":{"desired":{"c":2}}}`)
			_, change := p.transfer()
			require.JSONEq(t, `{"c":2,"$version":2}`, string(change.body))
			require.Equal(t, int64(2), change.annotations.get("version"))
			require.Nil(t, change.properties[propertyCorrelation])

			require.Equal(t, int32(200), l.twinRequest("DELETE", "/notifications/twin/properties/desired", "").annotations.get("status"))
			who.want(t, "PATCH", `{"properties":{"desired":{"c":3}}}`)
			p.quiet()
		})
	}
}

func TestADirectMethodOverAMQP(t *testing.T) {
	t.Parallel()
	for name, who := range map[string]identity{"a device": newDevice(t), "a module": newModule(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := who.amqp(t)
			p.receiver(who.address("methods/devicebound"), 10, terms{})
			l := p.sender(who.address("methods/devicebound"))
			call := who.invoke(t, `{"methodName":"double","payload":21}`)
			_, m := p.transfer()
			require.Equal(t, "double", m.application.get("IoThub-methodname"))
			require.Equal(t, "21", string(m.body))
			require.IsType(t, uuid{}, m.properties[propertyCorrelation], "the C SDK takes nothing else")
			l.accepts(message{
				properties:  map[int]any{propertyCorrelation: m.properties[propertyCorrelation]},
				application: dict{"IoThub-status": int32(202)},
				body:        []byte("42"),
			})
			r := call.answer(t)
			require.Equal(t, 200, r.Status)
			require.JSONEq(t, `{"status":202,"payload":42}`, string(r.Body))
		})
	}
}

func TestAModulesMessagesLinkStaysEmpty(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	p := m.amqp(t)
	p.receiver(m.address("messages/devicebound"), 10, terms{})
	require.True(t, m.connection(t).Listening.Messages)
	p.receiver(m.address("messages/events"), 10, terms{}) // its inputs, as Node's SDK asks for them
	service := backEnd(t, hub, "service").sender("/messages/devicebound")
	outcome, why := service.deliver(message{properties: map[int]any{propertyTo: m.address("messages/devicebound")}, body: []byte("x")})
	require.EqualValues(t, outcomeRejected, outcome)
	require.Equal(t, "com.microsoft:argument-error (400004)", why.String())
	p.quiet()
}

// A device may do over MQTT what it began over AMQP, but not both at once.
func TestOneConnectionForEachIdentity(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	m := d.module(t)
	first := d.amqp(t)
	events, inbox := first.sender(d.address("messages/events")), first.receiver(d.address("messages/devicebound"), 1, terms{})
	beside := m.amqp(t)
	beside.sender(m.address("messages/events"))

	c := d.join(t)
	for range 2 {
		f := first.expect(performDetach)
		require.Equal(t, "amqp:link:stolen (409002)", failureOf(f.at(2)).String())
		require.Contains(t, []any{events.handle, inbox.handle}, f.at(0))
		first.send(performDetach, f.at(0), true)
	}
	first.quiet() // the connection goes on, and may carry others
	require.Equal(t, "Mqtt", d.connection(t).Protocol)
	require.Equal(t, 409002, d.connection(t).LastDisconnect.Code)
	require.True(t, m.connection(t).Connected, "the module is another identity")

	second := d.amqp(t)
	second.sender(d.address("messages/events")).accepts(message{body: []byte("x")})
	c.closed()
	require.Equal(t, 400027, d.connection(t).LastDisconnect.Code)
}
