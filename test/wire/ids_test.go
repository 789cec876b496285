package wire_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// signs are the characters of ids beside letters and digits.
const signs = "-:.%_#*?!(),=@;$'+"

// ids are ids with every legal character: each sign at the start, inside and at
// the end, all of them together, and what looks percent-encoded.
func ids() []string {
	all := []string{"ids" + signs + "z", "%41%2F%zz", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", strings.Repeat("x", 128)}
	for _, sign := range strings.Split(signs, "") {
		all = append(all, sign+"ids"+sign+"z"+sign)
	}
	return all
}

// An id is percent-encoded in the paths of the service API, raw in topics, in
// client ids and user names, and encoded in AMQP's addresses, as SDKs have them.
func TestIdsWithEveryCharacterOverEveryProtocol(t *testing.T) {
	t.Parallel()
	for _, id := range ids() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			d := identity{hub.CreateDevice(t, id), hub}
			requireOverREST(t, d)
			requireOverMQTT(t, d)
			requireOverAMQP(t, d)

			module := "m" + id[:min(len(id), 127)]
			if strings.HasPrefix(id, "$") {
				require.Equal(t, 400, hub.REST(t, "PUT", "/devices/"+encoded(id)+"/modules/"+encoded(id), `{}`).Status)
			}
			m := identity{hub.CreateModule(t, id, module), hub}
			requireOverREST(t, m)
			requireOverMQTT(t, m)
			requireOverAMQP(t, m)
		})
	}
}

// encoded is the id with every byte percent-encoded.
func encoded(id string) string {
	var b strings.Builder
	for i := range len(id) {
		fmt.Fprintf(&b, "%%%02X", id[i])
	}
	return b.String()
}

// requireOverREST reads and changes an identity and its twin, its ids encoded as
// little and as much as may be.
func requireOverREST(t *testing.T, i identity) {
	t.Helper()
	for _, encode := range []func(string) string{url.PathEscape, encoded} {
		path := encode(i.DeviceID)
		if i.ModuleID != "" {
			path += "/modules/" + encode(i.ModuleID)
		}
		var doc struct{ DeviceID, ModuleID, ETag string }
		r := i.hub.REST(t, "GET", "/devices/"+path, nil)
		require.Equal(t, 200, r.Status, "%s", r.Body)
		r.JSON(t, &doc)
		require.Equal(t, []string{i.DeviceID, i.ModuleID}, []string{doc.DeviceID, doc.ModuleID})
		r = i.hub.REST(t, "PATCH", "/twins/"+path, `{"tags":{"a":1}}`, "If-Match", "*")
		require.Equal(t, 200, r.Status, "%s", r.Body)
		require.Equal(t, 200, i.hub.REST(t, "GET", "/digitaltwins/"+encode(i.DeviceID), nil).Status)
		item := []map[string]any{{"id": i.DeviceID, "importMode": "updateTwin", "tags": map[string]any{"a": 2}}}
		if i.ModuleID != "" {
			item[0]["moduleId"] = i.ModuleID
		}
		require.Equal(t, 200, i.hub.REST(t, "POST", "/devices", item).Status)
	}
	require.Equal(t, map[string]any{"a": 2.0}, i.twin(t)["tags"])
}

func requireOverMQTT(t *testing.T, i identity) {
	t.Helper()
	c := i.join(t)
	c.subscribe(0, twinAnswers, desired, methods)
	c.send(publish(1, i.events(), "over MQTT"))
	c.expect(puback(1))
	require.Equal(t, "over MQTT", i.lastEvent(t).Body)
	c.reads(`{"desired":{"$version":1},"reported":{"$version":1}}`)
	call := i.invoke(t, `{"methodName":"reboot","payload":1}`)
	c.send(publish(0, "$iothub/methods/res/200/?$rid="+c.methodCall("reboot", "1"), "2"))
	require.JSONEq(t, `{"status":200,"payload":2}`, string(call.answer(t).Body))
	if i.ModuleID == "" {
		c.subscribe(1, i.deviceBound())
		i.tell(t, "hello")
		p := c.publication()
		require.Equal(t, "hello", p.body)
		require.True(t, strings.HasPrefix(p.topic, "devices/"+i.DeviceID+"/messages/devicebound/%24."), p.topic)
		require.Contains(t, p.topic, "%24.to=%2Fdevices%2F"+strictly(i.DeviceID)+"%2Fmessages%2FdeviceBound")
		c.send(puback(p.id))
	}
	c.leave()
}

// strictly is the id as it stands in a property bag.
func strictly(id string) string { return strings.ReplaceAll(url.QueryEscape(id), "+", "%20") }

// lastEvent is the newest of the identity's events.
func (i identity) lastEvent(t testing.TB) harness.Event {
	t.Helper()
	events, _ := i.hub.Events(t, harness.Filter{Device: i.DeviceID, Module: i.ModuleID})
	require.NotEmpty(t, events)
	return events[len(events)-1]
}

func requireOverAMQP(t *testing.T, i identity) {
	t.Helper()
	p := i.amqp(t)
	address := "/devices/" + url.PathEscape(i.DeviceID)
	if i.ModuleID != "" {
		address += "/modules/" + url.PathEscape(i.ModuleID)
	}
	p.sender(address + "/messages/events").accepts(message{body: []byte("over AMQP")})
	require.Equal(t, "over AMQP", i.lastEvent(t).Body)
	if i.ModuleID != "" {
		return
	}
	p.receiver(address+"/messages/devicebound", 10, terms{})
	service := backEnd(t, hub, "service").sender("/messages/devicebound")
	service.accepts(message{properties: map[int]any{propertyTo: address + "/messages/devicebound"}, body: []byte("hello")})
	f, m := p.transfer()
	require.Equal(t, "hello", string(m.body))
	p.settle(f, acceptedOutcome)
}
