package wire_test

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// The sequences of Azure/azure-sdk-for-c, sdk/src/azure/iot (embedded C), and of
// amenzhinsky/iothub, iotdevice/transport/mqtt (Go, by the community), with the
// rules by which they read what the hub sends.

// embeddedProperty is az_iot_message_properties_find: the raw value of a raw
// name.
func embeddedProperty(bag, name string) (string, bool) {
	for pair := range strings.SplitSeq(bag, "&") {
		if key, value, ok := strings.Cut(pair, "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

// embeddedTwin is az_iot_hub_client_twin.c,
// az_iot_hub_client_twin_parse_received_topic: what an answer is for follows from
// its status alone.
func embeddedTwin(topic string) (kind string, status int, rid, version string) {
	_, rest, ok := strings.Cut(topic, "$iothub/twin/")
	if !ok {
		panic("AZ_ERROR_IOT_TOPIC_NO_MATCH: " + topic)
	}
	if bag, found := strings.CutPrefix(rest, "PATCH/properties/desired/?"); found {
		if version, ok = embeddedProperty(bag, "$version"); !ok {
			panic("AZ_ERROR_ITEM_NOT_FOUND: " + topic)
		}
		return "desired", 200, "", version
	}
	digits, query, ok := strings.Cut(strings.TrimPrefix(rest, "res/"), "/")
	status, err := strconv.Atoi(digits)
	if !ok || err != nil {
		panic("AZ_ERROR_UNEXPECTED_END: " + topic)
	}
	if rid, ok = embeddedProperty(query[1:], "$rid"); !ok {
		panic("AZ_ERROR_ITEM_NOT_FOUND: " + topic)
	}
	switch {
	case status >= 400:
		return "error", status, rid, ""
	case status == 204:
		version, _ = embeddedProperty(query[1:], "$version")
		return "reported", status, rid, version
	}
	return "get", status, rid, ""
}

// embeddedMethod is az_iot_hub_client_methods.c: all that stands after `/?$rid=`
// is the request id.
func embeddedMethod(topic string) (name, rid string) {
	_, rest, _ := strings.Cut(topic, "$iothub/methods/")
	_, rest, _ = strings.Cut(rest, "POST/")
	name, rid, ok := strings.Cut(rest, "/?$rid=")
	if !ok {
		panic("AZ_ERROR_IOT_TOPIC_NO_MATCH: " + topic)
	}
	return name, rid
}

func TestEmbeddedC(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dial(t, hub)
	user := d.Host + "/" + d.DeviceID + "/?api-version=2020-09-30&DeviceClientType=c%2F1.5.0" // az_iot_hub_client.c
	c.send(packetOf(0x10, text("MQTT"), 4, 0xC0, 0x00, 0xF0, text(d.DeviceID), text(user), text(d.Token(time.Hour))))
	c.expect(accepted)
	for id, filter := range []string{d.deviceBound(), methods, desired, twinAnswers} {
		c.send(packetOf(0x82, 0, id+1, text(filter), 1))
		c.expect(packetOf(0x90, 0, id+1, 1))
	}
	twin := func(kind string, status int, rid, version string) publication {
		t.Helper()
		p := c.publication()
		gotKind, gotStatus, gotRid, gotVersion := embeddedTwin(p.topic)
		require.Equal(t, []any{kind, status, rid, version}, []any{gotKind, gotStatus, gotRid, gotVersion})
		return p
	}
	c.send(packetOf(0x30, text("$iothub/twin/GET/?$rid=get_twin")))
	require.JSONEq(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, twin("get", 200, "get_twin", "").body)
	c.send(packetOf(0x30, text("$iothub/twin/PATCH/properties/reported/?$rid=reported_prop"), `{"device_count":0}`))
	require.Empty(t, twin("reported", 204, "reported_prop", "2").body)
	c.send(packetOf(0x30, text("$iothub/twin/PATCH/properties/reported/?$rid=reported_prop"), `{"$":0}`))
	twin("error", 400, "reported_prop", "")
	d.want(t, "PATCH", `{"properties":{"desired":{"device_count":42}}}`)
	require.Equal(t, `{"device_count":42,"$version":2}`, twin("desired", 200, "", "2").body)

	call := d.invoke(t, `{"methodName":"ping"}`)
	name, rid := embeddedMethod(c.publication().topic)
	require.Equal(t, "ping", name)
	c.send(packetOf(0x30, text("$iothub/methods/res/200/?$rid="+rid), `{"response":"pong"}`))
	require.Equal(t, 200, call.answer(t).Status)

	hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", MessageID: "m/1", Properties: map[string]string{"a b": "c"}})
	p := c.publication()
	_, bag, ok := strings.Cut(p.topic, "/messages/devicebound/") // az_iot_hub_client_c2d.c
	require.True(t, ok)
	value, _ := embeddedProperty(bag, "%24.mid")
	require.Equal(t, "m%2F1", value)
	value, _ = embeddedProperty(bag, "a%20b")
	require.Equal(t, "c", value)
	c.send(puback(p.id))
	c.ping()
}

// goMessage is mqtt.go, parseCloudToDeviceTopic and parseEventMessage: the whole
// topic is decoded, read from "$." on as a query, and its expiry is RFC 3339.
func goMessage(topic string) (url.Values, error) {
	plain, err := url.QueryUnescape(topic)
	if err != nil {
		return nil, err
	}
	at := strings.Index(plain, "$.")
	if at == -1 {
		return nil, errors.New("malformed cloud-to-device topic name")
	}
	values, err := url.ParseQuery(plain[at:])
	if err == nil && values.Has("$.exp") {
		_, err = time.Parse(time.RFC3339, values.Get("$.exp"))
	}
	return values, err
}

// goTwinAnswer is mqtt.go, parseTwinPropsTopic. base is that of its request ids:
// 10, and 16 in the newest source (sdk-wire.md 0.4).
func goTwinAnswer(topic string, base int) (status int, rid int64, version int, err error) {
	u, err := url.Parse(topic)
	if err != nil {
		return 0, 0, 0, err
	}
	digits, ok := strings.CutPrefix(strings.Trim(u.Path, "/"), "$iothub/twin/res/")
	if !ok {
		return 0, 0, 0, errors.New("malformed twin response topic")
	}
	q := u.Query()
	if status, err = strconv.Atoi(digits); err != nil {
		return 0, 0, 0, err
	}
	if rid, err = strconv.ParseInt(q.Get("$rid"), base, 64); err != nil {
		return 0, 0, 0, err
	}
	if q.Has("$version") {
		version, err = strconv.Atoi(q.Get("$version"))
	}
	return status, rid, version, err
}

// goMethod is mqtt.go, parseDirectMethodTopic: the request id has to be a number
// in its base.
func goMethod(topic string, base int) (name string, rid int64, err error) {
	plain, err := url.QueryUnescape(topic)
	if err != nil {
		return "", 0, err
	}
	u, err := url.Parse(plain)
	if err != nil {
		return "", 0, err
	}
	name, ok := strings.CutPrefix(strings.TrimRight(u.Path, "/"), "$iothub/methods/POST/")
	if !ok {
		return "", 0, errors.New("malformed direct method topic")
	}
	rid, err = strconv.ParseInt(u.Query().Get("$rid"), base, 64)
	return name, rid, err
}

// TestAmenzhinskysDevice: CleanSession 1, 30 s, a user name without "?", and a token
// for the bare host under the device's key.
func TestAmenzhinskysDevice(t *testing.T) {
	t.Parallel()
	for _, base := range []int{10, 16} {
		t.Run(fmt.Sprintf("request ids to the base %d", base), func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			c := dial(t, hub)
			user := d.Host + "/" + d.DeviceID + "/api-version=2020-09-30"
			c.send(packetOf(0x10, text("MQTT"), 4, 0xC2, 0x00, 0x1E, text(d.DeviceID), text(user), text(d.signed(d.Host))))
			c.expect(accepted)
			for id, filter := range []string{d.deviceBound(), desired, methods, twinAnswers} {
				c.send(packetOf(0x82, 0, id+1, text(filter), 1))
				c.expect(packetOf(0x90, 0, id+1, 1))
			}
			goTwin(t, c, base)
			goAnswersAMethod(t, c, d, base)

			hub.Send(t, d.DeviceID, harness.CloudMessage{Body: "x", MessageID: "m", TTL: "1h", Properties: map[string]string{"a b": "c"}})
			p := c.publication()
			got, err := goMessage(p.topic)
			require.NoError(t, err)
			require.Equal(t, []string{"m", "/devices/" + d.DeviceID + "/messages/deviceBound", "c"},
				[]string{got.Get("$.mid"), got.Get("$.to"), got.Get("a b")})
			c.send(puback(p.id))

			bag := url.Values{"$.mid": {"1"}, "$.ct": {"text/plain"}, "a b": {"c d"}}.Encode() // a space becomes a plus
			c.send(packetOf(0x32, text(d.events()+bag), 0, 9, "x"))
			c.expect(puback(9))
			require.Equal(t, map[string]any{"a+b": "c+d"}, d.theEvent(t).Properties, "a plus is not decoded (§1 rule 2)")
		})
	}
}

func goTwin(t *testing.T, c *client, base int) {
	t.Helper()
	rid := func(n int64) string { return strconv.FormatInt(n, base) }
	c.send(packetOf(0x32, text("$iothub/twin/GET/?$rid="+rid(173)), 0, 5))
	c.expect(puback(5))
	status, got, _, err := goTwinAnswer(c.publication().topic, base)
	require.NoError(t, err)
	require.Equal(t, []any{200, int64(173)}, []any{status, got})
	c.send(packetOf(0x32, text("$iothub/twin/PATCH/properties/reported/?$rid="+rid(174)), 0, 6, `{"a":1}`))
	c.expect(puback(6))
	status, got, version, err := goTwinAnswer(c.publication().topic, base)
	require.NoError(t, err)
	require.Equal(t, []any{204, int64(174), 2}, []any{status, got, version})
}

func goAnswersAMethod(t *testing.T, c *client, d identity, base int) {
	t.Helper()
	call := d.invoke(t, `{"methodName":"m","payload":{"a":1}}`)
	name, rid, err := goMethod(c.publication().topic, base)
	require.NoError(t, err)
	require.Equal(t, "m", name)
	c.send(packetOf(0x32, text("$iothub/methods/res/200/?$rid="+strconv.FormatInt(rid, base)), 0, 7, `{}`))
	c.expect(puback(7))
	require.Equal(t, 200, call.answer(t).Status)
}

// TestAmenzhinskysModule: module_mqtt.go; the token's resource is encoded twice.
func TestAmenzhinskysModule(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	c := dial(t, hub)
	user := m.Host + "/" + m.ClientID() + "/?api-version=2018-06-30"
	password := m.signed(url.QueryEscape(url.QueryEscape(m.Resource())))
	c.send(packetOf(0x10, text("MQTT"), 4, 0xC2, 0x00, 0x1E, text(m.ClientID()), text(user), text(password)))
	c.expect(accepted)
	c.send(packetOf(0x82, 0, 1, text(m.path()+"/inputs/#"), 1))
	c.expect(packetOf(0x90, 0, 1, 1))
	c.send(packetOf(0x32, text(m.events()+url.Values{"$.mid": {"1"}}.Encode()), 0, 2, "x"))
	c.expect(puback(2))
	require.Equal(t, "1", m.theEvent(t).SystemProperties["message-id"])
}
