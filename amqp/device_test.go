package amqp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp"
	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/twin"
)

// device is a connection that has shown the tokens of identities.
func (r *room) device(ids ...iot.Identity) *client {
	r.t.Helper()
	c := r.stranger()
	c.requests("$cbs")
	for _, id := range ids {
		audience := host + "/" + id.Path()
		require.Equal(r.t, int32(200), c.putToken(audience, token(r.t, audience, "", time.Hour)))
	}
	return c
}

func address(id iot.Identity, rest string) string { return "/" + id.Path() + "/" + rest }

var d, e, dm = iot.Device("d"), iot.Device("e"), iot.Module("d", "m")

func (r *room) connected(id iot.Identity) bool {
	for _, c := range r.Connections() {
		if c.Identity == id {
			return c.Connected
		}
	}
	return false
}

func (r *room) awaitGone(id iot.Identity) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return !r.connected(id) }, patience, time.Millisecond)
}

func TestTelemetryReachesTheLog(t *testing.T) {
	t.Parallel()
	for _, id := range []iot.Identity{d, dm} {
		r := enter(t)
		c := r.device(id)
		link := c.sender(address(id, "messages/events"))
		assert.True(t, r.connected(id))
		m := &codec.Message{
			Properties:  &codec.Properties{MessageID: "mid", ContentType: codec.Some(codec.Symbol("application/json"))},
			Annotations: codec.Map{{Key: codec.Symbol("dt-subject"), Value: "thermostat"}},
			Application: codec.Map{
				{Key: "a", Value: "b"},
				{Key: "iothub-connection-device-id", Value: "spoofed"},
				{Key: "iothub-creation-time-utc", Value: "2030-01-01T00:00:00Z"},
			},
			Data: [][]byte{[]byte("{}")},
		}
		require.Equal(t, &codec.Accepted{}, c.deliver(link, m))
		evs, _ := r.Events().ReadAll(nil, 0)
		require.Len(t, evs, 1)
		assert.Equal(t, id, evs[0].Origin.Identity)
		assert.Equal(t, iot.Properties{{Name: "a", Value: "b"}}, evs[0].Message.Properties)
		assert.Equal(t, iot.Properties{
			{Name: iot.MessageID, Value: "mid"},
			{Name: iot.ContentType, Value: "application/json"},
			{Name: iot.Subject, Value: "thermostat"},
			{Name: iot.CreationTime, Value: "2030-01-01T00:00:00Z"},
		}, evs[0].Message.System)
		assert.Equal(t, "{}", string(evs[0].Message.Body))
	}
}

func TestABatchIsManyEvents(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	link := c.sender(address(d, "messages/events"))
	batch := codec.Message{}
	for _, body := range []string{"1", "2"} {
		m := codec.Message{Data: [][]byte{[]byte(body)}}
		batch.Data = append(batch.Data, m.Append(nil))
	}
	c.raw(frameOf(0, &codec.Transfer{
		Handle: link, DeliveryID: codec.Some(c.id), DeliveryTag: []byte{1}, MessageFormat: codec.Some(codec.FormatBatch),
	}, batch.Append(nil)))
	assert.Equal(t, &codec.Accepted{}, expect[*codec.Disposition](c).State)
	evs, _ := r.Events().ReadAll(nil, 0)
	require.Len(t, evs, 2)
	assert.Equal(t, "2", string(evs[1].Message.Body))
}

// Where MQTT can only close the connection, AMQP says what is wrong.
func TestTelemetryThatIsRejected(t *testing.T) {
	t.Parallel()
	c := enter(t).device(d)
	link := c.sender(address(d, "messages/events"))
	rejected := c.deliver(link, &codec.Message{Data: [][]byte{[]byte(strings.Repeat("x", 300_000))}}).(*codec.Rejected)
	assert.Equal(t, "amqp:link:message-size-exceeded", string(rejected.Error.Condition))
	assert.Equal(t, &codec.Accepted{}, c.deliver(link, &codec.Message{Data: [][]byte{{1}}}), "and goes on")
}

func TestVerdictsOnTelemetry(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name    string
		verdict hub.Verdict
		outcome any // nil: the connection is cut first
		detach  bool
	}{
		{"refuse", hub.Verdict{Action: hub.Refuse, Err: iot.ErrThrottled}, &codec.Rejected{}, false},
		{"cut before", hub.Verdict{Action: hub.CutBefore, Err: iot.ErrServer}, nil, false},
		{"cut after", hub.Verdict{Action: hub.CutAfter, Err: iot.ErrServer}, &codec.Accepted{}, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := open(t, hub.Options{Verdicts: func(o hub.Operation, _ iot.Identity) hub.Verdict {
				if o == hub.OpConnect {
					return hub.Verdict{}
				}
				return k.verdict
			}}, amqp.Options{})
			c := r.device(d)
			link := c.sender(address(d, "messages/events"))
			if k.outcome == nil {
				c.transfer(link, &codec.Message{})
				r.awaitGone(d)
				return
			}
			assert.IsType(t, k.outcome, c.deliver(link, &codec.Message{}))
			if k.detach {
				expect[*codec.Detach](c)
			}
		})
	}
}

func TestAVerdictsDelayHoldsTheOutcomeBack(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Verdicts: func(o hub.Operation, _ iot.Identity) hub.Verdict {
		if o == hub.OpTelemetry {
			return hub.Verdict{Delay: time.Minute}
		}
		return hub.Verdict{}
	}}, amqp.Options{})
	c := r.device(d)
	link := c.sender(address(d, "messages/events"))
	c.transfer(link, &codec.Message{})
	c.quiet()
	r.clock.Advance(time.Minute)
	assert.Equal(t, &codec.Accepted{}, expect[*codec.Disposition](c).State)
}

func TestADeviceNeedsItsOwnToken(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	assert.Equal(t, "amqp:unauthorized-access", string(c.refused(codec.RoleSender, address(e, "messages/events")).Condition))
	assert.Equal(t, "amqp:not-found", string(c.refused(codec.RoleSender, address(d, "elsewhere")).Condition))
	assert.Equal(t, "amqp:not-found", string(c.refused(codec.RoleReceiver, address(d, "messages/events")).Condition))
	gateway := r.join("device") // whose token is good for all
	gateway.sender(address(d, "messages/events"))
	gateway.sender(address(e, "messages/events"))
	assert.Equal(t, "amqp:unauthorized-access", string(r.join("service").refused(codec.RoleSender, address(d, "messages/events")).Condition))
}

func TestADeviceIsConnectedFromItsFirstLinkToItsLast(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d, e)
	assert.False(t, r.connected(d))
	first, second := c.sender(address(d, "messages/events")), c.receive(address(d, "messages/devicebound"), 1)
	c.sender(address(e, "messages/events"))
	c.send(&codec.Detach{Handle: first, Closed: true})
	expect[*codec.Detach](c)
	assert.True(t, r.connected(d))
	c.send(&codec.Detach{Handle: second, Closed: true})
	expect[*codec.Detach](c)
	assert.False(t, r.connected(d))
	assert.True(t, r.connected(e), "the connection carries others")
	_ = c.conn.Close()
	r.awaitGone(e)
}

func TestANewerConnectionTakesADeviceOver(t *testing.T) {
	t.Parallel()
	r := enter(t)
	first, second := r.device(d, e), r.device(d)
	first.sender(address(d, "messages/events"))
	other := first.sender(address(e, "messages/events"))
	second.sender(address(d, "messages/events"))
	assert.Equal(t, "amqp:link:stolen", string(expect[*codec.Detach](first).Error.Condition))
	assert.Equal(t, &codec.Accepted{}, first.deliver(other, &codec.Message{Data: [][]byte{{1}}}), "others go on")
	assert.True(t, r.connected(d))
}

func TestADevicesLinksEndWithItsToken(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	c.sender(address(d, "messages/events"))
	audience := host + "/devices/d"
	c.requests("$cbs")
	require.Equal(t, int32(200), c.putToken(audience, token(t, audience, "", 3*time.Hour)))
	r.clock.Advance(2 * time.Hour)
	assert.True(t, r.connected(d), "it was renewed")
	r.clock.Advance(2 * time.Hour)
	assert.Equal(t, "amqp:unauthorized-access", string(expect[*codec.Detach](c).Error.Condition))
	assert.False(t, r.connected(d))
}

func sendTo(t *testing.T, r *room, id, body string) {
	t.Helper()
	_, err := r.Send(iot.Device("d"), c2d.Message{Ack: c2d.AckFull, Message: iot.Message{
		System: iot.Properties{{Name: iot.MessageID, Value: id}}, Properties: iot.Properties{{Name: "k", Value: "v"}}, Body: []byte(body),
	}})
	require.NoError(t, err)
}

func TestMessagesForADeviceAreSettledAsItSays(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name    string
		state   any
		outcome string // of the feedback; "": it comes again
	}{
		{"accepted", &codec.Accepted{}, c2d.Success},
		{"rejected", &codec.Rejected{}, c2d.Rejected},
		{"released", &codec.Released{}, ""},
		{"modified", &codec.Modified{}, ""},
		{"modified, and not to come here again", &codec.Modified{UndeliverableHere: true}, c2d.Rejected},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			sendTo(t, r, "one", "hi") // before it is there
			c := r.device(d)
			c.receive(address(d, "messages/devicebound"), 10)
			tr, m := c.message()
			assert.Equal(t, "hi", string(m.Body()))
			assert.Equal(t, "one", m.Properties.MessageID)
			assert.Equal(t, "/devices/d/messages/devicebound", m.Properties.To)
			assert.Equal(t, "full", m.Application.Get("iothub-ack"))
			assert.Equal(t, "v", m.Application.Get("k"))
			assert.Len(t, tr.DeliveryTag, 16)
			c.send(&codec.Disposition{Role: codec.RoleReceiver, First: tr.DeliveryID.Value, Settled: true, State: k.state})
			if k.outcome == "" {
				_, m = c.message()
				assert.Equal(t, uint32(1), m.Header.DeliveryCount)
				return
			}
			c.quiet()
			records := r.Feedback().History()
			require.Len(t, records, 1)
			assert.Equal(t, k.outcome, records[0].StatusCode)
		})
	}
}

func TestMessagesForADeviceWaitForCredit(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	link := c.receive(address(d, "messages/devicebound"), 0)
	sendTo(t, r, "one", "1")
	r.clock.Advance(time.Minute) // its lock runs out, and it comes again in the place of itself
	sendTo(t, r, "two", "2")
	c.quiet()
	c.grant(link, 10)
	for _, want := range []string{"1", "2"} {
		_, m := c.message()
		assert.Equal(t, want, string(m.Body()))
	}
	c.quiet()
}

func TestAMessageComesAgainWhenItsLockHasRunOut(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	c.receive(address(d, "messages/devicebound"), 10)
	sendTo(t, r, "one", "1")
	first, _ := c.message()
	r.clock.Advance(time.Minute)
	second, m := c.message()
	assert.Zero(t, m.Header.DeliveryCount)
	accept := func(tr *codec.Transfer) {
		c.send(&codec.Disposition{Role: codec.RoleReceiver, First: tr.DeliveryID.Value, Settled: true, State: &codec.Accepted{}})
		c.quiet()
	}
	accept(first) // too late
	assert.Empty(t, r.Feedback().History())
	accept(second)
	assert.Len(t, r.Feedback().History(), 1)
}

func TestMessagesGoBackWhenTheirLinkIsGone(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	c.sender(address(d, "messages/events")) // which keeps the device connected
	link := c.receive(address(d, "messages/devicebound"), 1)
	sendTo(t, r, "one", "1")
	sendTo(t, r, "two", "2")
	c.message()
	c.send(&codec.Detach{Handle: link, Closed: true})
	expect[*codec.Detach](c)
	c.receive(address(d, "messages/devicebound"), 10)
	for _, want := range []string{"1", "2"} {
		_, m := c.message()
		assert.Equal(t, want, string(m.Body()))
		assert.Zero(t, m.Header.DeliveryCount)
	}
}

func TestMessagesGoBackWhenAnotherLinkHasTakenThePlaceOfTheirs(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	first := c.receive(address(d, "messages/devicebound"), 1)
	sendTo(t, r, "one", "1")
	c.message()
	c.receive(address(d, "messages/devicebound"), 10)
	c.send(&codec.Detach{Handle: first, Closed: true})
	expect[*codec.Detach](c)
	_, m := c.message()
	assert.Equal(t, "1", string(m.Body()))
	assert.Zero(t, m.Header.DeliveryCount)
}

func TestDirectMethods(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name   string
		id     func(id any) any // what the device makes of the correlation-id
		status any
		body   string
		err    error
	}{
		{"an answer", func(id any) any { return id }, int32(201), `{"ok":true}`, nil},
		{"an id as text", func(id any) any { u := id.(codec.UUID); return uuidText(u) }, int32(201), `{"ok":true}`, nil},
		{"no JSON", func(id any) any { return id }, int32(200), "{", iot.ErrDeserialization},
		{"no status", func(id any) any { return id }, nil, "{}", iot.ErrArgumentInvalid},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			c := r.device(d)
			answers := c.sender(address(d, "methods/devicebound"))
			c.receive(address(d, "methods/devicebound"), 10)
			type result struct {
				methods.Response
				err error
			}
			done := make(chan result, 1)
			go func() {
				answer, err := r.Invoke(context.Background(), d, hub.MethodCall{Name: "reboot", Payload: json.RawMessage(`1`)})
				done <- result{answer, err}
			}()
			_, m := c.message()
			assert.Equal(t, "reboot", m.Application.Get("IoThub-methodname"))
			assert.Equal(t, "1", string(m.Body()))
			c.deliver(answers, &codec.Message{
				Properties:  &codec.Properties{CorrelationID: k.id(m.Properties.CorrelationID)},
				Application: codec.Map{{Key: "IoThub-status", Value: k.status}}, Data: [][]byte{[]byte(k.body)},
			})
			got := <-done
			if k.err != nil {
				require.ErrorIs(t, got.err, k.err)
				return
			}
			require.NoError(t, got.err)
			assert.Equal(t, 201, got.Status)
			assert.JSONEq(t, `{"ok":true}`, string(got.Payload))
		})
	}
}

func uuidText(u codec.UUID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func TestADeviceWithoutAMethodLinkIsNotOnline(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.device(d)
	c.sender(address(d, "messages/events"))
	_, err := r.Invoke(context.Background(), d, hub.MethodCall{Name: "reboot"})
	require.ErrorIs(t, err, iot.ErrDeviceNotOnline)
}

// twinClient opens the two links of a twin and returns how to ask.
func twinClient(c *client, id iot.Identity) func(operation, resource, body string) *codec.Message {
	c.receive(address(id, "twin"), 100)
	link := c.sender(address(id, "twin"))
	return func(operation, resource, body string) *codec.Message {
		m := &codec.Message{
			Annotations: codec.Map{{Key: codec.Symbol("operation"), Value: operation}},
			Properties:  &codec.Properties{CorrelationID: "id"}, Data: [][]byte{[]byte(body)},
		}
		if resource != "" {
			m.Annotations = append(m.Annotations, codec.Entry{Key: codec.Symbol("resource"), Value: resource})
		}
		c.deliver(link, m)
		_, answer := c.message()
		require.Equal(c.t, "id", answer.Properties.CorrelationID)
		return answer
	}
}

// A device that grants no credit for answers is cut off once they have half a
// megabyte, however few they are.
func TestTwinAnswersThatNobodyTakesAreBounded(t *testing.T) {
	t.Parallel()
	r := enter(t)
	_, err := r.PatchTwin(d, twin.Update{Desired: json.RawMessage(`{"a":"` + strings.Repeat("x", 4000) + `"}`)}, "")
	require.NoError(t, err)
	c := r.device(d)
	c.receive("/devices/d/twin", 0)
	link := c.sender("/devices/d/twin")
	request := &codec.Message{
		Annotations: codec.Map{{Key: codec.Symbol("operation"), Value: "GET"}},
		Properties:  &codec.Properties{CorrelationID: "id"}, Data: [][]byte{[]byte(" ")},
	}
	for range 128 {
		require.IsType(t, &codec.Accepted{}, c.deliver(link, request))
	}
	var more strings.Builder
	for id := range uint32(10) {
		more.WriteString(frameOf(0, &codec.Transfer{
			Handle: link, DeliveryID: codec.Some(c.id + id), DeliveryTag: []byte{1}, MessageFormat: codec.Some(uint32(0)),
		}, request.Append(nil)))
	}
	_, _ = c.conn.Write([]byte(more.String())) // it may be closed before the last is written
	c.closed()
}

// IoT Hub: contract.md §5.3. The SDKs' own idle timeouts are minutes.
func TestOperationsTellOfADeviceThatFallsSilent(t *testing.T) {
	t.Parallel()
	r := open(t, hub.Options{Log: zerolog.Nop()}, amqp.Options{
		Log: zerolog.Nop(), Timeouts: transport.Options{IdleTimeout: 500 * time.Millisecond},
	})
	r.device(d).sender("/devices/d/messages/events")
	r.awaitGone(d)
	told, _ := r.Operations().ReadAll(r.Operations().Start(), 0)
	require.Len(t, told, 2)
	var end struct {
		OperationName, StatusDescription string
		StatusType                       int
	}
	require.NoError(t, json.Unmarshal(told[1].Message.Body, &end))
	assert.Equal(t, "deviceDisconnect", end.OperationName)
	assert.Equal(t, 404104, end.StatusType)
	assert.Contains(t, end.StatusDescription, "for 500ms")
}

func TestTwins(t *testing.T) {
	t.Parallel()
	for _, id := range []iot.Identity{d, dm} {
		r := enter(t)
		c := r.device(id)
		ask := twinClient(c, id)
		m := ask("GET", "", " ")
		assert.Equal(t, int32(200), m.Annotations.Get("status"))
		assert.JSONEq(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, string(m.Body()))
		m = ask("PATCH", "/properties/reported", `{"fw":"1"}`)
		assert.Equal(t, int32(204), m.Annotations.Get("status"))
		assert.Equal(t, int64(2), m.Annotations.Get("version"))
		m = ask("PATCH", "/properties/reported", `{"$bad":1}`)
		assert.Equal(t, int32(400), m.Annotations.Get("status"))
		assert.Contains(t, string(m.Body()), "400004")
		m = ask("POST", "/tags", "")
		assert.Equal(t, int32(400), m.Annotations.Get("status"))

		change := func(color string) {
			_, err := r.PatchTwin(id, twin.Update{Desired: json.RawMessage(`{"color":"` + color + `"}`)}, "")
			require.NoError(t, err)
		}
		change("red")
		c.quiet()
		assert.Equal(t, int32(200), ask("PUT", "/notifications/twin/properties/desired", "").Annotations.Get("status"))
		change("green")
		_, m = c.message()
		assert.Nil(t, m.Properties, "it has no correlation-id")
		assert.Equal(t, int64(3), m.Annotations.Get("version"))
		assert.JSONEq(t, `{"color":"green","$version":3}`, string(m.Body()))
		ask("DELETE", "/notifications/twin/properties/desired", "")
		change("blue")
		c.quiet()
	}
}
