package amqp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp"
	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// partition is where an address reads.
func partition(group string, n int) string {
	return fmt.Sprintf("linarite/ConsumerGroups/%s/Partitions/%d", group, n)
}

// one opens a room whose event log has one partition.
func one(t testing.TB, groups ...string) *room {
	return open(t, hub.Options{EventLog: events.Options{Partitions: 1}}, amqp.Options{ConsumerGroups: groups})
}

// log appends n events of device d, a second apart.
func (r *room) log(n int) {
	for i := range n {
		r.Events().Append("d", events.Event{Source: "Telemetry", Message: iot.Message{Body: fmt.Append(nil, i)}})
		r.clock.Advance(time.Second)
	}
}

func filtered(address, selector string) *codec.Attach {
	return &codec.Attach{Source: &codec.Source{Address: address, Filter: codec.Map{{
		Key:   codec.Symbol("apache.org:selector-filter:string"),
		Value: codec.Described{Descriptor: codec.Symbol("apache.org:selector-filter:string"), Value: selector},
	}}}}
}

func epoch(n int64) codec.Map { return codec.Map{{Key: codec.Symbol("com.microsoft:epoch"), Value: n}} }

// Trap 4: azeventhubs stalls unless its events come settled.
func TestEventsCarryWhatTheHubStamped(t *testing.T) {
	t.Parallel()
	r := one(t)
	c := r.join("service")
	c.receive(partition("$Default", 0), 10)
	enqueued := r.clock.Now()
	r.Events().Append("d", events.Event{
		Source: "Telemetry", Origin: &iot.Origin{Identity: iot.Module("d", "m"), GenerationID: "7", AuthMethod: "{}", ModelID: "dtmi:x;1"},
		Message: iot.Message{
			System: iot.Properties{
				{Name: iot.MessageID, Value: "mid"},
				{Name: iot.CorrelationID, Value: "cid"},
				{Name: iot.UserID, Value: "uid"},
				{Name: iot.ContentType, Value: "application/json"},
				{Name: iot.ContentEncoding, Value: "utf-8"},
				{Name: iot.CreationTime, Value: "2026-01-01T00:00:00Z"},
				{Name: iot.Subject, Value: "thermostat"},
			},
			Properties: iot.Properties{{Name: "a", Value: "b"}, {Name: "n", Null: true}, {Name: "bad", Value: "\xff"}},
			Body:       []byte(`{"t":1}`),
		},
	})
	tr, m := c.message()
	assert.True(t, tr.Settled.Value)
	at := enqueued.Truncate(time.Millisecond)
	for name, want := range map[string]any{
		"x-opt-sequence-number": int64(0), "x-opt-offset": "0", "x-opt-enqueued-time": at, "iothub-enqueuedtime": at,
		"iothub-message-source": "Telemetry", "iothub-connection-device-id": "d", "iothub-connection-module-id": "m",
		"iothub-connection-auth-generation-id": "7", "iothub-connection-auth-method": "{}", "dt-dataschema": "dtmi:x;1",
		"iothub-creation-time-utc": "2026-01-01T00:00:00Z", "dt-subject": "thermostat",
	} {
		assert.Equal(t, want, m.Annotations.Get(name), name)
	}
	assert.Equal(t, &codec.Properties{
		MessageID: "mid", CorrelationID: "cid", UserID: []byte("uid"),
		ContentType: codec.Some(codec.Symbol("application/json")), ContentEncoding: codec.Some(codec.Symbol("utf-8")),
	}, m.Properties)
	assert.Equal(t, codec.Map{{Key: "a", Value: "b"}, {Key: "n"}, {Key: "bad", Value: "\uFFFD"}}, m.Application)
	assert.Equal(t, `{"t":1}`, string(m.Body()))
}

// Trap 9: where readers begin.
func TestReadersBeginWhereTheirFilterSays(t *testing.T) {
	t.Parallel()
	r := one(t)
	start := r.clock.Now()
	r.log(5)
	evs, _ := r.Events().Read(0, 0, 0)
	offset, at := evs[2].Offset, start.Add(2*time.Second).UnixMilli()
	for _, c := range []struct {
		selector string
		first    string // the body of the first event; "": none
	}{
		{"amqp.annotation.x-opt-offset > '-1'", "0"},
		{"amqp.annotation.x-opt-offset > '@latest'", ""},
		{"amqp.annotation.x-opt-offset >= '@latest'", ""},
		{fmt.Sprintf("amqp.annotation.x-opt-offset > '%d'", offset), "3"},
		{fmt.Sprintf("amqp.annotation.x-opt-offset >= '%d'", offset), "2"},
		{fmt.Sprintf("amqp.annotation.x-opt-offset > %d", offset), "3"},
		{"amqp.annotation.x-opt-sequence-number > '2'", "3"},
		{"amqp.annotation.x-opt-sequence-number >='2'", "2"},
		{"amqp.annotation.x-opt-sequence-number > '-1'", "0"},
		{"amqp.annotation.x-opt-sequence-number > '99'", ""},
		{fmt.Sprintf("amqp.annotation.x-opt-enqueued-time > '%d'", at), "3"},
		{fmt.Sprintf("amqp.annotation.x-opt-enqueued-time >= '%d'", at), "2"},
		{fmt.Sprintf("amqp.annotation.x-opt-enqueuedtimeutc > '%d'", at-1), "2"},
	} {
		t.Run(c.selector, func(t *testing.T) {
			cl := r.join("service")
			defer cl.conn.Close()
			handle := cl.receiveWith(filtered(partition("$Default", 0), c.selector), 1)
			if c.first == "" {
				cl.drained(handle)
				return
			}
			_, m := cl.message()
			assert.Equal(t, c.first, string(m.Body()))
		})
	}
}

// drained asks to drain a link that has nothing to send.
func (c *client) drained(handle uint32) {
	c.t.Helper()
	c.send(&codec.Flow{
		IncomingWindow: 1 << 16, OutgoingWindow: 1 << 16, Handle: codec.Some(handle),
		DeliveryCount: codec.Some(uint32(0)), LinkCredit: codec.Some(uint32(1)), Drain: true,
	})
	f := expect[*codec.Flow](c)
	assert.Equal(c.t, uint32(1), f.DeliveryCount.Value)
	assert.Zero(c.t, f.LinkCredit.Value)
}

func TestFiltersThatAreNone(t *testing.T) {
	t.Parallel()
	c := one(t).join("service")
	for _, selector := range []string{"x", "amqp.annotation.x-opt-offset", "amqp.annotation.x-opt-offset > 'x'", "amqp.annotation.color > '1'"} {
		a := filtered(partition("$Default", 0), selector)
		a.Role, a.Target = codec.RoleReceiver, &codec.Target{}
		assert.Equal(t, "amqp:invalid-field", string(c.refusedWith(a).Condition), selector)
	}
}

func TestEventsAreReadUnderEveryName(t *testing.T) {
	t.Parallel()
	r := one(t, "Mine")
	r.log(1)
	for _, address := range []string{
		partition("$Default", 0), "/" + partition("$default", 0), "LINARITE/consumergroups/mine/partitions/0",
		"messages/events/ConsumerGroups/$Default/Partitions/0", "amqps://127.0.0.1:5671/" + partition("mine", 0),
	} {
		c := r.join("service")
		c.receive(address, 1)
		_, m := c.message()
		assert.Equal(t, "0", string(m.Body()), address)
		_ = c.conn.Close()
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := one(t).join("service")
	for _, k := range []struct{ address, condition string }{
		{partition("$Default", 1), "com.microsoft:argument-out-of-range"},
		{partition("other", 0), "amqp:not-found"},
		{"other/ConsumerGroups/$Default/Partitions/0", "amqp:not-found"},
		{"linarite", "amqp:not-found"},
		{"amqps://example.com/" + partition("$Default", 0), "amqp:not-found"},
	} {
		assert.Equal(t, k.condition, string(c.refused(codec.RoleReceiver, k.address).Condition), k.address)
	}
	for _, address := range []string{"linarite", "linarite/Partitions/0", "messages/events"} {
		assert.Equal(t, "amqp:not-allowed", string(c.refused(codec.RoleSender, address).Condition), address)
	}
}

func TestTheHubSendsReadersToTheEventEndpoint(t *testing.T) {
	t.Parallel()
	c := one(t).join("service")
	for address, rest := range map[string]string{"messages/events/": "", "/messages/events/$management": "$management"} {
		e := c.refused(codec.RoleReceiver, address)
		assert.Equal(t, "amqp:link:redirect", string(e.Condition))
		assert.Equal(t, "127.0.0.1", e.Info.Text("hostname"))
		assert.Equal(t, "amqps://127.0.0.1:5671/linarite/"+rest, e.Info.Text("address"))
	}
}

func TestAReaderWithAnEpochReadsAlone(t *testing.T) {
	t.Parallel()
	r := one(t)
	attach := func(n int64) *codec.Attach {
		return &codec.Attach{Role: codec.RoleReceiver, Source: &codec.Source{Address: partition("$Default", 0)}, Target: &codec.Target{}, Properties: epoch(n)}
	}
	none := r.join("service")
	none.receive(partition("$Default", 0), 1)
	first := r.join("service")
	first.receiveWith(attach(1), 1)
	assert.Equal(t, "amqp:link:stolen", string(expect[*codec.Detach](none).Error.Condition))
	assert.Equal(t, "amqp:link:stolen", string(r.join("service").refusedWith(attach(0)).Condition))
	assert.Equal(t, "amqp:link:stolen", string(r.join("service").refused(codec.RoleReceiver, partition("$Default", 0)).Condition))
	second := r.join("service")
	second.receiveWith(attach(1), 1)
	assert.Equal(t, "amqp:link:stolen", string(expect[*codec.Detach](first).Error.Condition))
	second.send(&codec.Detach{Handle: 2, Closed: true})
	expect[*codec.Detach](second)
	r.join("service").receive(partition("$Default", 0), 1) // the place is free again
}

func TestReadersWithoutAnEpochAreFive(t *testing.T) {
	t.Parallel()
	c := one(t, "other").join("service")
	for range 5 {
		c.receive(partition("$Default", 0), 1)
	}
	assert.Equal(t, "amqp:resource-limit-exceeded", string(c.refused(codec.RoleReceiver, partition("$Default", 0)).Condition))
	c.receive(partition("other", 0), 1)
}

func TestAReaderHearsHowFarBehindItIs(t *testing.T) {
	t.Parallel()
	r := one(t)
	r.log(3)
	c := r.join("service")
	c.receiveWith(&codec.Attach{
		Source:              &codec.Source{Address: partition("$Default", 0)},
		DesiredCapabilities: []codec.Symbol{"com.microsoft:enable-receiver-runtime-metric"},
	}, 1)
	_, m := c.message()
	assert.Equal(t, int64(2), m.DeliveryAnnotations.Get("last_enqueued_sequence_number"))
	assert.IsType(t, "", m.DeliveryAnnotations.Get("last_enqueued_offset"))
}

// A reader gets what comes while it reads, each event once and in order.
func TestAReaderFollowsTheLog(t *testing.T) {
	t.Parallel()
	r := one(t)
	c := r.join("service")
	c.receive(partition("$Default", 0), 10_000)
	go func() {
		for i := range 3000 {
			r.Events().Append("d", events.Event{Message: iot.Message{Body: fmt.Append(nil, i)}})
		}
	}()
	for i := range 3000 {
		_, m := c.message()
		require.Equal(t, fmt.Sprint(i), string(m.Body()))
	}
}

// What waits for a reader that has credit and does not read is bounded in bytes:
// large events are taken out of the log a few at a time, and none is left out.
func TestAReaderGetsLargeEvents(t *testing.T) {
	t.Parallel()
	r := one(t)
	const large = 20
	for i := range large {
		body := fmt.Append(nil, i, strings.Repeat("x", 100_000*(i%3)))
		r.Events().Append("d", events.Event{Message: iot.Message{Body: body}})
	}
	c := r.join("service")
	c.receive(partition("$Default", 0), 10_000)
	for i := range large {
		_, m := c.message()
		require.Equal(t, fmt.Sprint(i, strings.Repeat("x", 100_000*(i%3))), string(m.Body()))
	}
}
