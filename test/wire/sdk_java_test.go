package wire_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// The sequences of Azure/azure-iot-sdk-java, iot-device-client, below
// com/microsoft/azure/sdk/iot/device/transport/mqtt. What the hub sends is read
// by the SDK's own rules, told again here; each panics where Java would throw.

// javaSplit is String.split: empty strings at the end are dropped.
func javaSplit(s, separator string) []string {
	parts := strings.Split(s, separator)
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// javaMessage reads the properties of a cloud-to-device message: whatever comes
// before the first %24 is ignored, a pair needs a "=" and a value, and URLDecoder
// makes a space of a plus. Mqtt.java:409-480, constructMessage and
// assignPropertiesToMessage.
func javaMessage(topic string) map[string]string {
	properties := map[string]string{}
	at := strings.Index(topic, "%24")
	if at == -1 {
		return properties
	}
	for _, pair := range javaSplit(topic[at:], "&") {
		if !strings.Contains(pair, "=") {
			panic("IllegalArgumentException: Expected '=' symbol in " + pair)
		}
		parts := javaSplit(pair, "=")
		key, err := url.QueryUnescape(parts[0])
		if err != nil {
			panic(err)
		}
		if properties[key], err = url.QueryUnescape(parts[1]); err != nil {
			panic(err)
		}
	}
	return properties
}

// javaTwinAnswer reads an answer of the twin: a status of three digits, the
// request id up to the character before $version=, the version up to the end.
// MqttTwin.java, getStatus, getRequestId, getVersion, receive.
func javaTwinAnswer(topic string) (status, rid string, version int) {
	tokens := javaSplit(topic, "/")
	if !regexp.MustCompile(`^\d{3}$`).MatchString(tokens[3]) {
		panic("IllegalArgumentException: Status could not be parsed")
	}
	token := tokens[4]
	if start := strings.Index(token, "?$rid="); start >= 0 {
		end := len(token)
		if at := strings.Index(token, "$version="); at >= 0 {
			end = at - 1
		}
		rid = token[start+len("?$rid=") : end]
	}
	return tokens[3], rid, javaVersion(token)
}

// javaVersion is MqttTwin.java, getVersion and Integer.parseInt; 0 is none.
func javaVersion(token string) int {
	_, text, ok := strings.Cut(token, "$version=")
	if !ok || text == "" {
		return 0
	}
	version, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		panic("NumberFormatException: " + err.Error())
	}
	return int(version)
}

// javaDesiredVersion is MqttTwin.java, PATCH_VERSION_TOKEN.
func javaDesiredVersion(topic string) int { return javaVersion(javaSplit(topic, "/")[5]) }

// javaMethod is MqttDirectMethod.java, receive, and TopicParser.java.
func javaMethod(topic string) (name, rid string) {
	tokens := javaSplit(topic, "/")
	if at := strings.Index(tokens[4], "$rid="); at >= 0 && strings.Contains(tokens[4], "?") {
		rid = tokens[4][at+len("$rid="):]
	}
	return tokens[3], rid
}

// javaConnect is MqttIotHubConnection.java and paho: level 4, user name and
// password, CleanSession 0, 230 s. The token's fields stand in Java's order
// (sdk-wire.md 0.3).
func javaConnect(i identity) []byte {
	user := i.Host + "/" + i.ClientID() + "/?api-version=2020-09-30&DeviceClientType=" +
		"com.microsoft.azure.sdk.iot.iot-device-client%2F2.5.0%20%28Linux%3B%20amd64%29"
	f := fields(i.Token(time.Hour))
	password := "SharedAccessSignature sig=" + f["sig"] + "&se=" + f["se"] + "&sr=" + f["sr"]
	return packetOf(0x10, text("MQTT"), 4, 0xC0, 0x00, 0xE6, text(i.ClientID()), text(user), text(password))
}

// javaOpens connects and subscribes as the SDK does on open, each topic with a
// SUBSCRIBE of its own, QoS 1. MqttMessaging.java, MqttTwin.java, start;
// MqttDirectMethod.java.
func javaOpens(c *client, i identity, connack []byte) {
	c.t.Helper()
	c.send(javaConnect(i))
	c.expect(connack)
	for id, filter := range []string{i.path() + "/messages/devicebound/#", twinAnswers, desired, methods} {
		c.send(packetOf(0x82, 0, id+1, text(filter), 1))
		c.expect(packetOf(0x90, 0, id+1, 1))
	}
}

func TestJavaSendsTelemetry(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for name, c := range map[string]struct {
		who     identity
		tail    string
		message string // message-id
	}{
		"a device":                          {device, "$.mid=m-1&$.cid=c-1&$.uid=u%40x&$.ce=utf-8&$.ct=application%2Fjson&$.ctime=2026-01-01T00%3A00%3A00.000Z&a%20b=c%20d", "m-1"},
		"a module, with a slash at the end": {device.module(t), "$.mid=m-2&$.cid=c-1&$.uid=u%40x&$.on=out&$.ce=utf-8&$.ct=application%2Fjson&$.ctime=2026-01-01T00%3A00%3A00.000Z&a%20b=c%20d/", "m-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := dial(t, hub)
			javaOpens(client, c.who, accepted)
			client.send(packetOf(0x32, text(c.who.events()+c.tail), 0, 5, "{}")) // MqttMessaging.java, send: raw `$.` keys
			client.expect(puback(5))
			var event harness.Event
			for _, e := range hub.WaitEvents(t, 1, harness.Filter{Device: c.who.DeviceID}) {
				if e.ModuleID == c.who.ModuleID {
					event = e
				}
			}
			got := event.SystemProperties
			require.Equal(t, c.message, got["message-id"])
			require.Equal(t, "c-1", got["correlation-id"])
			require.Equal(t, "u@x", got["user-id"])
			require.Equal(t, "utf-8", got["content-encoding"])
			require.Equal(t, "application/json", got["content-type"])
			require.Equal(t, "2026-01-01T00:00:00.000Z", got["iothub-creation-time-utc"])
			require.Equal(t, map[string]any{"a b": "c d"}, event.Properties)
		})
	}
	t.Run("a module without any property", func(t *testing.T) {
		t.Parallel()
		m := newModule(t)
		client := dial(t, hub)
		javaOpens(client, m, accepted)
		client.send(packetOf(0x32, text(m.events()+"/"), 0, 5, "x"))
		client.expect(puback(5))
		require.Empty(t, m.theEvent(t).Properties)
	})
}

func TestJavaReadsMessagesAndAcknowledgesThemLate(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dial(t, hub)
	javaOpens(c, d, accepted)
	var ids []uint16
	for n := range 3 {
		hub.Send(t, d.DeviceID, harness.CloudMessage{
			Body: fmt.Sprint(n), MessageID: fmt.Sprintf("m %d+", n), CorrelationID: "c/1", UserID: "u", ContentType: "text/plain",
			ContentEncoding: "utf-8", Ack: "full", TTL: "1h", Properties: map[string]string{"a b": "c=d&e +%"},
		})
		p := c.publication()
		ids = append(ids, p.id)
		got := javaMessage(p.topic)
		require.Equal(t, fmt.Sprintf("m %d+", n), got["$.mid"])
		require.Equal(t, "c/1", got["$.cid"])
		require.Equal(t, "/devices/"+d.DeviceID+"/messages/deviceBound", got["$.to"])
		require.Equal(t, "text/plain", got["$.ct"])
		require.Equal(t, "utf-8", got["$.ce"])
		require.Equal(t, "full", got["iothub-ack"])
		require.Equal(t, "c=d&e +%", got["a b"])
	}
	// The application decides when: Mqtt.java, sendMessageAcknowledgement.
	c.send(packetOf(0x32, text(d.events()+"$.mid=between"), 0, 9, "x"))
	c.expect(puback(9))
	require.Equal(t, 3, d.queued(t))
	c.send(puback(ids[2]), puback(ids[0]))
	require.Len(t, hub.WaitFeedback(t, 2, d.DeviceID), 2)
	c.vanish()

	c = dial(t, hub)
	c.send(javaConnect(d))
	c.expect(resumed)
	p := c.publication() // before the SUBSCRIBE, which the session makes needless
	require.Equal(t, "1", p.body)
	require.True(t, p.dup)
	c.send(packetOf(0x82, 0, 1, text(d.deviceBound()), 1))
	c.expect(packetOf(0x90, 0, 1, 1))
	c.send(puback(p.id))
	require.Len(t, hub.WaitFeedback(t, 3, d.DeviceID), 3)
}

func TestJavaUsesTheTwin(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device, device.module(t)} {
		c := dial(t, hub)
		javaOpens(c, who, accepted)
		const uuid = "5b3fe9f2-6e8c-4f0e-8e0a-93c1a2e3f4d5"
		c.send(packetOf(0x32, text("$iothub/twin/GET/?$rid="+uuid), 0, 5))
		c.expect(puback(5))
		p := c.publication()
		status, rid, version := javaTwinAnswer(p.topic)
		require.Equal(t, []any{"200", uuid, 0}, []any{status, rid, version})
		require.JSONEq(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, p.body)

		// From 2.5.0 on the version is sent when the application has set one
		// (Azure/azure-iot-sdk-java#1776).
		c.send(packetOf(0x32, text("$iothub/twin/PATCH/properties/reported/?$rid="+uuid), 0, 6, `{"a":1}`))
		c.expect(puback(6))
		status, rid, version = javaTwinAnswer(c.publication().topic)
		require.Equal(t, []any{"204", uuid, 2}, []any{status, rid, version})
		c.send(packetOf(0x32, text("$iothub/twin/PATCH/properties/reported/?$rid="+uuid+"&$version=2"), 0, 7, `{"a":2}`))
		c.expect(puback(7))
		status, _, version = javaTwinAnswer(c.publication().topic)
		require.Equal(t, []any{"204", 3}, []any{status, version})
		c.send(packetOf(0x32, text("$iothub/twin/PATCH/properties/reported/?$rid="+uuid+"&$version=2"), 0, 8, `{"a":3}`))
		c.expect(puback(8))
		status, rid, version = javaTwinAnswer(c.publication().topic)
		require.Equal(t, []any{"412", uuid, 0}, []any{status, rid, version}, "stale")

		who.want(t, "PATCH", `{"properties":{"desired":{"b":1}}}`)
		p = c.publication()
		require.Equal(t, 2, javaDesiredVersion(p.topic))
		require.JSONEq(t, `{"b":1,"$version":2}`, p.body)
	}
}

func TestJavaAnswersAMethod(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device, device.module(t)} {
		c := dial(t, hub)
		javaOpens(c, who, accepted)
		call := who.invoke(t, `{"methodName":"reboot","payload":{"in":1}}`)
		p := c.publication()
		// "Direct method messages and Twin messages are always sent with QoS 0":
		// MqttIotHubConnection.java, open.
		require.Equal(t, byte(0), p.qos)
		name, rid := javaMethod(p.topic)
		require.Equal(t, "reboot", name)
		require.JSONEq(t, `{"in":1}`, p.body)
		c.send(packetOf(0x32, text("$iothub/methods/res/200/?$rid="+rid), 0, 5, `{"out":2}`))
		c.expect(puback(5))
		require.Equal(t, `{"status":200,"payload":{"out":2}}`, string(call.answer(t).Body))
	}
}

// TestJavaOverWebSocket: MqttIotHubConnection.java, NO_CLIENT_CERT_QUERY_STRING;
// a keep-session client that reconnects subscribes all over again.
func TestJavaOverWebSocket(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dialWebSocket(t, hub, "/$iothub/websocket?iothub-no-client-cert=true", "mqtt")
	javaOpens(c, d, accepted)
	c.send(disconnect)
	c.closed()
	c = dialWebSocket(t, hub, "/$iothub/websocket?iothub-no-client-cert=true", "mqtt")
	javaOpens(c, d, resumed)
	d.tell(t, "hello")
	require.Contains(t, javaMessage(c.publication().topic), "$.to")
}
