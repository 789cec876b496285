package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

var migrationChapters = []struct {
	title string
	rows  []migrationRow
}{
	{"Connecting", connectingRows},
	{"While connected", connectedRows},
	{"Telemetry", telemetryRows},
	{"Messages to the device", deviceBoundRows},
	{"Twins", twinRows},
	{"Direct methods", methodRows},
}

// with is a row whose both sides come with the same credentials.
func with(condition string, credentials func(t *testing.T, d identity) (who identity, password string)) migrationRow {
	return migrationRow{
		condition,
		func(t *testing.T, d identity) string {
			who, password := credentials(t, d)
			return enters(t, who, password)
		},
		func(t *testing.T, d identity) string {
			who, password := credentials(t, d)
			hello := who.hello()
			hello.password = password
			return entersMQTT(t, who, hello)
		},
	}
}

var connectingRows = []migrationRow{
	with("a device that is not registered", func(_ *testing.T, d identity) (identity, string) {
		d.DeviceID = "nobody"
		return d, d.Token(time.Hour)
	}),
	with("a module that is not registered", func(_ *testing.T, d identity) (identity, string) {
		d.ModuleID = "nobody"
		return d, d.Token(time.Hour)
	}),
	with("a wrong key", func(_ *testing.T, d identity) (identity, string) {
		return d, harness.Sign(d.Resource(), harness.WellKnownKey, "", time.Now().Add(time.Hour))
	}),
	with("a token that has run out", func(_ *testing.T, d identity) (identity, string) { return d, d.Token(-time.Hour) }),
	with("another device's token", func(t *testing.T, d identity) (identity, string) {
		return d, newDeviceOf(t, d.hub).Token(time.Hour)
	}),
	with("a device that is disabled", func(t *testing.T, d identity) (identity, string) {
		d.disable(t)
		return d, d.Token(time.Hour)
	}),
	{
		"no token at all",
		func(t *testing.T, d identity) string {
			return dialAMQP(t, d.hub).enter().tries(false, d.address("messages/events"))
		},
		func(t *testing.T, d identity) string {
			hello := d.hello()
			hello.noPassword = true
			return entersMQTT(t, d, hello)
		},
	},
	{
		"the name of another hub",
		func(t *testing.T, d identity) string {
			p := dialAMQP(t, d.hub)
			p.header(amqpHeader)
			p.send(performOpen, "raw", "other.azure-devices.net")
			p.expect(performOpen)
			return "connection closed, " + told(p.gone())
		},
		func(t *testing.T, d identity) string {
			hello := d.hello()
			hello.user = "other.azure-devices.net/" + d.ClientID() + "/?api-version=2021-04-12"
			return entersMQTT(t, d, hello)
		},
	},
	{
		"another version of the protocol",
		func(t *testing.T, d identity) string {
			p := dialAMQP(t, d.hub)
			p.write([]byte("AMQP\x00\x00\x09\x01"))
			require.Nil(t, p.gone())
			return "the hub's own protocol header, then closed"
		},
		func(t *testing.T, d identity) string {
			hello := d.hello()
			hello.level = 5
			return entersMQTT(t, d, hello)
		},
	},
}

// disable disables a device, as a back end does.
func (i identity) disable(t testing.TB) {
	t.Helper()
	r := i.hub.REST(t, "PUT", "/devices/"+i.DeviceID, map[string]any{
		"deviceId": i.DeviceID, "status": "disabled",
		"authentication": map[string]any{"symmetricKey": map[string]string{"primaryKey": i.Key, "secondaryKey": i.Key}},
	}, "If-Match", "*")
	require.Equal(t, 200, r.Status, "%s", r.Body)
}

// whenConnected is a row in which something happens to a device that is
// connected. It ends the device's link, or its connection.
func whenConnected(condition string, happens func(t *testing.T, d identity)) migrationRow {
	return migrationRow{
		condition,
		func(t *testing.T, d identity) string {
			l := d.amqp(t).sender(d.address("messages/events"))
			happens(t, d)
			return "link detached, " + told(l.ended()) + "; the connection stays"
		},
		func(t *testing.T, d identity) string {
			c := d.join(t)
			happens(t, d)
			c.closed()
			return fmt.Sprintf("connection closed (%d)", firstCode(t, d))
		},
	}
}

// firstCode is why a device was disconnected first, as the log says.
func firstCode(t testing.TB, d identity) int {
	t.Helper()
	var e entry
	line := d.hub.WaitLog(t, quoted("device", d.ClientID()), quoted("op", "disconnect"))
	require.NoError(t, json.Unmarshal([]byte(line), &e))
	return e.Code
}

var connectedRows = []migrationRow{
	{
		"a newer connection of the same identity",
		func(t *testing.T, d identity) string {
			l := d.amqp(t).sender(d.address("messages/events"))
			d.amqp(t).sender(d.address("messages/events"))
			return "link detached, " + told(l.ended()) + "; the connection stays"
		},
		func(t *testing.T, d identity) string {
			c := d.join(t)
			d.join(t)
			c.closed()
			return fmt.Sprintf("connection closed (%d)", firstCode(t, d))
		},
	},
	whenConnected("the device is disabled", func(t *testing.T, d identity) { d.disable(t) }),
	whenConnected("the device is deleted", func(t *testing.T, d identity) {
		require.Equal(t, 204, d.hub.REST(t, "DELETE", "/devices/"+d.DeviceID, nil, "If-Match", "*").Status)
	}),
	whenConnected("the token has run out, and the grace with it", func(t *testing.T, d identity) { d.hub.Advance(t, 66*time.Minute) }),
	{
		"a new token in time",
		func(t *testing.T, d identity) string {
			p := dialAMQP(t, d.hub).enter()
			r := p.rpc("$cbs")
			require.EqualValues(t, 200, r.putToken(sasToken, d.Resource(), d.Token(time.Hour)))
			l := p.sender(d.address("messages/events"))
			status := r.putToken(sasToken, d.Resource(), d.Token(2*time.Hour))
			d.hub.Advance(t, 66*time.Minute)
			l.accepts(message{})
			return fmt.Sprintf("put-token: status %d, and all goes on", status)
		},
		func(t *testing.T, d identity) string {
			c := d.join(t)
			hello := d.hello()
			hello.password = d.Token(2 * time.Hour)
			c.send(hello.bytes())
			return "a second CONNECT: " + d.closedFor(c) + "; devices connect anew"
		},
	},
	{
		"bytes that are not the protocol",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			p.write([]byte("HELLO WORLD, HELLO"))
			return "connection closed, " + told(p.gone())
		},
		func(t *testing.T, d identity) string {
			c := d.join(t)
			c.send([]byte("HELLO WORLD, HELLO"))
			return d.closedFor(c)
		},
	},
}

// publishes says what becomes of a PUBLISH.
func publishes(sent func(d identity) []byte) func(*testing.T, identity) string {
	return func(t *testing.T, d identity) string {
		c := d.join(t)
		c.send(sent(d))
		first, err := c.read(harness.Deadline)
		if err == nil {
			require.Equal(t, puback(1), first)
			return "PUBACK"
		}
		return d.closedFor(c)
	}
}

// delivers says what becomes of a message sent on the device's own link.
func delivers(m message) func(*testing.T, identity) string {
	return func(t *testing.T, d identity) string {
		return says(d.amqp(t).sender(d.address("messages/events")).deliverLong(m.bytes()))
	}
}

// deliverLong sends an encoded message in as many frames as it takes.
func (l *attached) deliverLong(b []byte) (outcome uint64, why *failure) {
	l.t.Helper()
	id := l.deliveries
	l.deliveries++
	for first := true; first || len(b) > 0; first = false {
		part := b[:min(len(b), 60_000)]
		b = b[len(part):]
		transfer := of(performTransfer, l.handle, nil, nil, nil, nil, len(b) > 0)
		if first {
			transfer = of(performTransfer, l.handle, id, []byte{1}, uint32(0), false, len(b) > 0)
		}
		l.write(frameOf(amqpFrame, 0, transfer, part))
	}
	return l.settlement(id)
}

var telemetryRows = []migrationRow{
	{
		"a message",
		delivers(message{body: []byte("x")}),
		publishes(func(d identity) []byte { return publish(1, d.events(), "x") }),
	},
	{
		"a message of more than 256 KB",
		delivers(message{body: make([]byte, 256*1024+1)}),
		publishes(func(d identity) []byte { return publish(1, d.events(), strings.Repeat("x", 256*1024+1)) }),
	},
	{
		"bytes that are no message",
		func(t *testing.T, d identity) string {
			return says(d.amqp(t).sender(d.address("messages/events")).deliverLong([]byte("hello")))
		},
		publishes(func(identity) []byte { return []byte{0x32, 4, 0, 99, 'a', 'b'} }),
	},
	{
		"a property that only the hub may set",
		func(t *testing.T, d identity) string {
			said := delivers(message{application: dict{"iothub-connection-device-id": "other"}})(t, d)
			return said + withoutProperties(t, d)
		},
		func(t *testing.T, d identity) string {
			said := publishes(func(d identity) []byte { return publish(1, d.events()+"iothub-connection-device-id=other", "x") })(t, d)
			return said + withoutProperties(t, d)
		},
	},
	{
		"another device's address",
		func(t *testing.T, d identity) string {
			return d.amqp(t).tries(false, newDeviceOf(t, d.hub).address("messages/events"))
		},
		func(t *testing.T, d identity) string {
			other := newDeviceOf(t, d.hub)
			return publishes(func(identity) []byte { return publish(1, other.events(), "x") })(t, d)
		},
	},
	{
		"an address that there is not",
		func(t *testing.T, d identity) string { return d.amqp(t).tries(false, d.address("messages/event")) },
		publishes(func(d identity) []byte { return publish(1, d.path()+"/messages/event/", "x") }),
	},
	{
		"receiving where one can only send",
		func(t *testing.T, d identity) string { return d.amqp(t).tries(true, d.address("messages/events")) },
		func(t *testing.T, d identity) string {
			c := d.join(t)
			c.send(subscribe(1, 1, d.events()+"#"))
			return d.closedFor(c)
		},
	},
	{
		"delivery exactly once",
		func(t *testing.T, d identity) string {
			l, refusal := d.amqp(t).attach(false, d.address("messages/events"), terms{second: uint8(1)})
			require.Nil(t, refusal)
			require.Equal(t, uint8(0), l.answer.at(4))
			return "attached with `rcv-settle-mode` first"
		},
		publishes(func(d identity) []byte { return packetOf(0x34, text(d.events()), 0, 1) }),
	},
}

// withoutProperties says that the device's only event has none.
func withoutProperties(t *testing.T, d identity) string {
	e := d.theEvent(t)
	require.Equal(t, d.DeviceID, e.SystemProperties["iothub-connection-device-id"])
	require.Empty(t, e.Properties)
	return "; the property is dropped"
}

// settles is what a device does with a message over AMQP, and what becomes of it.
func settles(outcome described) func(*testing.T, identity) string {
	return func(t *testing.T, d identity) string {
		p := d.amqp(t)
		p.receiver(d.address("messages/devicebound"), 10, terms{})
		d.hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "full"})
		f, _ := p.transfer()
		p.settle(f, outcome)
		if outcome.descriptor == uint64(outcomeReleased) {
			_, m := p.transfer()
			return fmt.Sprintf("comes again, delivery count %d", m.header[4])
		}
		return "feedback " + d.hub.WaitFeedback(t, 1, d.DeviceID)[0].StatusCode
	}
}

const notPossible = "not possible"

var deviceBoundRows = []migrationRow{
	{
		"the device takes a message (accepted, PUBACK)",
		settles(acceptedOutcome),
		func(t *testing.T, d identity) string {
			c := d.receiver(t)
			d.hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", Ack: "full"})
			c.send(puback(c.publication().id))
			return "feedback " + d.hub.WaitFeedback(t, 1, d.DeviceID)[0].StatusCode
		},
	},
	{"the device rejects a message", settles(rejectedOutcome), always(notPossible)},
	{"the device abandons a message (released)", settles(releasedOutcome), always(notPossible)},
	{
		"it goes away with a message unsettled",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			p.receiver(d.address("messages/devicebound"), 10, terms{})
			d.tell(t, "x")
			p.transfer()
			require.NoError(t, p.conn.Close())
			p = d.amqp(t)
			p.receiver(d.address("messages/devicebound"), 10, terms{})
			_, m := p.transfer()
			return fmt.Sprintf("comes again, delivery count %d", m.header[4])
		},
		func(t *testing.T, d identity) string {
			c := d.resume(t, accepted)
			c.subscribe(1, d.deviceBound())
			d.tell(t, "x")
			c.publication()
			c.vanish()
			require.True(t, d.resume(t, resumed).publication().dup)
			return "comes again with DUP, to a session with CleanSession 0"
		},
	},
	{
		"the lock runs out",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			p.receiver(d.address("messages/devicebound"), 10, terms{})
			d.tell(t, "x")
			p.transfer()
			d.hub.Advance(t, 61*time.Second)
			_, m := p.transfer()
			return fmt.Sprintf("comes again, delivery count %d", m.header[4])
		},
		func(t *testing.T, d identity) string {
			c := d.receiver(t)
			d.tell(t, "x")
			c.publication()
			d.hub.Advance(t, 61*time.Second)
			require.True(t, c.publication().dup)
			return "comes again with DUP"
		},
	},
	{
		"it settles a message whose lock has run out",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			p.receiver(d.address("messages/devicebound"), 1, terms{})
			d.tell(t, "x")
			f, _ := p.transfer()
			d.hub.Advance(t, 61*time.Second)
			p.settle(f, acceptedOutcome)
			p.quiet()
			require.Equal(t, 1, d.queued(t))
			return "nothing; the message stays in the queue"
		},
		func(t *testing.T, d identity) string {
			c := d.receiver(t)
			d.tell(t, "x")
			m := c.publication()
			c.send(unsubscribe(1, d.deviceBound()))
			c.expect(packetOf(0xB0, 0, 1))
			d.hub.Advance(t, 61*time.Second)
			c.send(puback(m.id))
			c.ping()
			require.Equal(t, 1, d.queued(t))
			return "nothing; the message stays in the queue"
		},
	},
	{
		"another device's messages",
		func(t *testing.T, d identity) string {
			return d.amqp(t).tries(true, newDeviceOf(t, d.hub).address("messages/devicebound"))
		},
		func(t *testing.T, d identity) string {
			c := d.join(t)
			c.send(subscribe(1, 1, newDeviceOf(t, d.hub).deviceBound()))
			return d.closedFor(c)
		},
	},
}

// reports is a row about a patch of reported properties: both have an answer.
func reports(condition, body string, version string) migrationRow {
	return migrationRow{
		condition,
		func(t *testing.T, d identity) string {
			_, l := d.amqp(t).twinLinks(d)
			annotations := dict{symbol("operation"): "PATCH", symbol("resource"): "/properties/reported"}
			if version != "" {
				annotations[symbol("version")] = version
			}
			outcome, why := l.deliverLong(message{
				annotations: annotations, properties: map[int]any{propertyCorrelation: "7"}, body: []byte(body),
			}.bytes())
			require.Equal(t, "accepted", says(outcome, why))
			_, answer := l.transfer()
			return fmt.Sprintf("answer with status %d", answer.annotations.get("status"))
		},
		func(t *testing.T, d identity) string {
			c := d.twinClient(t)
			topic := patch + "7"
			if version != "" {
				topic += "&$version=" + version
			}
			c.send(publish(0, topic, body))
			status, _, ok := strings.Cut(strings.TrimPrefix(c.publication().topic, "$iothub/twin/res/"), "/")
			require.True(t, ok)
			return "answer with status " + status
		},
	}
}

var twinRows = []migrationRow{
	reports("a patch", `{"a":1}`, ""),
	reports("a patch that is no JSON", `{"a":`, ""),
	reports("a patch with an illegal key", `{"a.b":1}`, ""),
	reports("a patch that makes the section too large", `{"a":"`+strings.Repeat("x", 3000)+`","b":["`+strings.Repeat(strings.Repeat("y", 3000)+`","`, 11)+`"]}`, ""),
	reports("a patch of another version", `{"a":1}`, "9"),
	{
		"a request that there is not",
		func(t *testing.T, d identity) string {
			_, l := d.amqp(t).twinLinks(d)
			return fmt.Sprintf("answer with status %d", l.twinRequest("PUT", "/properties/reported", "{}").annotations.get("status"))
		},
		publishes(func(identity) []byte { return publish(1, "$iothub/twin/PUT/?$rid=1", "{}") }),
	},
	{
		"a request without an id",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			_, l := p.twinLinks(d)
			l.accepts(message{annotations: dict{symbol("operation"): "GET"}})
			_, answer := p.transfer()
			require.Nil(t, answer.properties[propertyCorrelation])
			return fmt.Sprintf("answer with status %d, without an id", answer.annotations.get("status"))
		},
		publishes(func(identity) []byte { return publish(1, "$iothub/twin/GET/?", "") }),
	},
	{
		"nobody listens to the answer",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			l := p.sender(d.address("twin"))
			l.accepts(message{annotations: dict{symbol("operation"): "PATCH", symbol("resource"): "/properties/reported"}, body: []byte(`{"a":1}`)})
			p.quiet()
			return carriedOut(t, d)
		},
		func(t *testing.T, d identity) string {
			c := d.join(t)
			c.send(publish(1, patch+"1", `{"a":1}`))
			c.expect(puback(1))
			c.ping()
			return carriedOut(t, d)
		},
	},
}

// carriedOut says that the twin has a reported property a.
func carriedOut(t *testing.T, d identity) string {
	reported := d.twin(t)["properties"].(map[string]any)["reported"].(map[string]any)
	require.EqualValues(t, 1, reported["a"])
	return "it is carried out, and not answered"
}

// answers is a row about a device's answer to a method; RID stands for the
// call's id in the topic.
func answers(condition string, status any, body, topic string) migrationRow {
	return migrationRow{
		condition,
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			p.receiver(d.address("methods/devicebound"), 10, terms{})
			l := p.sender(d.address("methods/devicebound"))
			call := d.invoke(t, `{"methodName":"m"}`)
			_, m := p.transfer()
			application := dict{}
			if status != nil {
				application["IoThub-status"] = status
			}
			outcome, why := l.deliverLong(message{
				properties: map[int]any{propertyCorrelation: m.properties[propertyCorrelation]}, application: application, body: []byte(body),
			}.bytes())
			return says(outcome, why) + "; " + callerGets(t, call)
		},
		func(t *testing.T, d identity) string {
			c := d.listener(t)
			call := d.invoke(t, `{"methodName":"m"}`)
			c.send(publish(1, strings.ReplaceAll(topic, "RID", c.methodCall("m", "")), body))
			said := "PUBACK"
			if got, err := c.read(harness.Deadline); err != nil {
				said = d.closedFor(c)
			} else {
				require.Equal(t, puback(1), got)
			}
			return said + "; " + callerGets(t, call)
		},
	}
}

// callerGets is what the back end got, in words.
func callerGets(t *testing.T, c call) string {
	t.Helper()
	r := c.answer(t)
	if r.Status == 200 {
		return "the caller gets the answer"
	}
	code, _, _ := strings.Cut(r.Header.Get("iothub-errorcode"), " ")
	var envelope struct{ Message string }
	r.JSON(t, &envelope)
	if _, after, ok := strings.Cut(envelope.Message, `"errorCode":`); ok {
		code = after[:6]
	}
	return fmt.Sprintf("the caller gets %d (%s)", r.Status, code)
}

const answerTopic = "$iothub/methods/res/200/?$rid=RID"

var methodRows = []migrationRow{
	answers("an answer", int32(200), "{}", answerTopic),
	answers("an answer that is no JSON", int32(200), "{", answerTopic),
	answers("an answer of more than 128 KB", int32(200), `"`+strings.Repeat("x", 128*1024)+`"`, answerTopic),
	answers("an answer without a status", nil, "{}", "$iothub/methods/res//?$rid=RID"),
	{
		"an answer to no call",
		func(t *testing.T, d identity) string {
			l := d.amqp(t).sender(d.address("methods/devicebound"))
			return says(l.deliver(message{properties: map[int]any{propertyCorrelation: uuid{1}}, application: dict{"IoThub-status": int32(200)}})) + ", and dropped"
		},
		func(t *testing.T, d identity) string {
			return publishes(func(identity) []byte { return publish(1, strings.ReplaceAll(answerTopic, "RID", "99"), "{}") })(t, d) + ", and dropped"
		},
	},
	{
		"no answer in time",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			p.receiver(d.address("methods/devicebound"), 10, terms{})
			call := d.invoke(t, `{"methodName":"m","responseTimeoutInSeconds":5}`)
			p.transfer()
			d.hub.Advance(t, 6*time.Second)
			return callerGets(t, call)
		},
		func(t *testing.T, d identity) string {
			c := d.listener(t)
			call := d.invoke(t, `{"methodName":"m","responseTimeoutInSeconds":5}`)
			c.methodCall("m", "")
			d.hub.Advance(t, 6*time.Second)
			return callerGets(t, call)
		},
	},
	{
		"the device goes away meanwhile",
		func(t *testing.T, d identity) string {
			p := d.amqp(t)
			p.receiver(d.address("methods/devicebound"), 10, terms{})
			call := d.invoke(t, `{"methodName":"m"}`)
			p.transfer()
			require.NoError(t, p.conn.Close())
			return callerGets(t, call)
		},
		func(t *testing.T, d identity) string {
			c := d.listener(t)
			call := d.invoke(t, `{"methodName":"m"}`)
			c.methodCall("m", "")
			c.vanish()
			return callerGets(t, call)
		},
	},
	{
		"the device does not listen",
		func(t *testing.T, d identity) string {
			d.amqp(t).sender(d.address("messages/events"))
			return callerGets(t, d.invoke(t, `{"methodName":"m"}`))
		},
		func(t *testing.T, d identity) string {
			d.join(t)
			return callerGets(t, d.invoke(t, `{"methodName":"m"}`))
		},
	},
}
