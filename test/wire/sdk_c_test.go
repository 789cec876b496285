package wire_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// The sequences of Azure/azure-iot-sdk-c, iothub_client/src, with the rules by
// which it reads what the hub sends: iothubtransport_mqtt_common.c unless another
// file is named.

// cTokens is STRING_TOKENIZER_get_next_token: empty tokens are passed over.
func cTokens(s, separator string) []string {
	var tokens []string
	for token := range strings.SplitSeq(s, separator) {
		if token != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// cNumber is atol: digits up to what is none.
func cNumber(s string) int {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}

// cTwinTopic is parseDeviceTwinTopicInfo. ok is false where it logs an error.
func cTwinTopic(topic string) (patch bool, rid, status int, ok bool) {
	tokens := cTokens(topic, "/")
	if tokens[2] == "PATCH" {
		return true, 0, 0, true
	}
	after, found := strings.CutPrefix(tokens[4], "?$rid=") // strncmp
	return false, cNumber(after), cNumber(tokens[3]), found
}

// cMethod is retrieveDeviceMethodRidInfo: memcmp with "?$rid=", and all that
// stands after it.
func cMethod(topic string) (name, rid string, ok bool) {
	tokens := cTokens(topic, "/")
	rid, ok = strings.CutPrefix(tokens[4], "?$rid=")
	return tokens[3], rid, ok
}

// cMessage is extractMqttProperties: the literal text %24. makes a system
// property, pairs without a value are passed over, and nothing is decoded unless
// the application turned auto_url_encode_decode on.
func cMessage(i identity, topic string, decode bool) (system, application map[string]string) {
	system, application = map[string]string{}, map[string]string{}
	ignored := map[string]bool{"%24.on": true, "%24.exp": true, "%24.to": true, "devices/": true, "iothub-operation": true, "iothub-ack": true}
	known := map[string]bool{
		"%24.mid": true, "%24.uid": true, "%24.cid": true, "%24.ct": true, "%24.ce": true, "%24.cdid": true, "%24.cmid": true, "%24.ctime": true,
	}
	for _, pair := range cTokens(topic[len(i.path()+"/messages/devicebound/"):], "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" || ignored[name] {
			continue
		}
		into := application
		if known[name] {
			into = system
		}
		if decode {
			value, _ = url.PathUnescape(value)
			if !known[name] {
				name, _ = url.PathUnescape(name)
			}
		}
		into[name] = value
	}
	return system, application
}

// cConnect is umqtt's CONNECT: user name and password, CleanSession 0, 240 s
// (DEFAULT_MQTT_KEEPALIVE). URL_Encode writes escapes in lower case.
func cConnect(i identity) []byte {
	user := i.Host + "/" + i.ClientID() + "/?api-version=2020-09-30&DeviceClientType=iothubclient%2f1.13.0%20(native%3b%20Linux%3b%20x86_64)"
	sr := strings.ReplaceAll(url.QueryEscape(i.Resource()), "%2F", "%2f")
	password := harness.SignRaw(sr, i.Key, "", expiry(time.Hour)) + "&skn="
	return packetOf(0x10, text("MQTT"), 4, 0xC0, 0x00, 0xF0, text(i.ClientID()), text(user), text(password))
}

// cOpens connects and subscribes to several topics with one SUBSCRIBE
// (SubscribeToMqttProtocol): messages at QoS 1, the others at 0. Packet ids begin
// with 2 (getNextPacketId).
func cOpens(c *client, i identity, connack []byte) {
	c.t.Helper()
	c.send(cConnect(i))
	c.expect(connack)
	if i.ModuleID != "" {
		c.send(packetOf(0x82, 0, 2, text(twinAnswers), 0, text(methods), 0, text(i.path()+"/#"), 1))
		c.expect(packetOf(0x90, 0, 2, 0, 0, 1))
		return
	}
	c.send(packetOf(0x82, 0, 2, text(i.deviceBound()), 1, text(twinAnswers), 0, text(methods), 0))
	c.expect(packetOf(0x90, 0, 2, 1, 0, 0))
}

// cTwin reads an answer of the twin as processTwinNotification does.
func (c *client) cTwin(status, rid int) publication {
	c.t.Helper()
	p := c.publication()
	patch, gotRid, gotStatus, ok := cTwinTopic(p.topic)
	require.True(c.t, ok && !patch, p.topic)
	require.Equal(c.t, []int{status, rid}, []int{gotStatus, gotRid})
	return p
}

func TestCSpeaks(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) *client{
		"over TLS": func(t testing.TB) *client { return dial(t, hub) },
		// iothubtransportmqtt_websockets.c:31
		"over WebSocket, whose sub-protocol it writes MQTT": func(t testing.TB) *client {
			c := dialWebSocket(t, hub, webSocketPath, "MQTT")
			require.Equal(t, "MQTT", c.webSocket().Subprotocol())
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device := newDevice(t)
			for _, who := range []identity{device, device.module(t)} {
				c := open(t)
				cOpens(c, who, accepted)
				cTwinAndDesired(t, c, who)
				cAnswersAMethod(t, c, who)
			}
		})
	}
}

// cTwinAndDesired: requests have QoS 0 and the packet id for a request id; only
// after the first answer is the SDK's second SUBSCRIBE sent
// (subscribeToNotifyStateIfNeeded).
func cTwinAndDesired(t *testing.T, c *client, who identity) {
	t.Helper()
	c.send(packetOf(0x30, text("$iothub/twin/GET/?$rid=3")))
	require.Equal(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, c.cTwin(200, 3).body)
	c.send(packetOf(0x82, 0, 4, text(desired), 0))
	c.expect(packetOf(0x90, 0, 4, 0))
	c.send(packetOf(0x30, text("$iothub/twin/PATCH/properties/reported/?$rid=5"), `{"a":1}`))
	require.Empty(t, c.cTwin(204, 5).body)
	c.send(packetOf(0x30, text("$iothub/twin/PATCH/properties/reported/?$rid=65535"), `{"$a":1}`))
	c.cTwin(400, 65535)

	who.want(t, "PATCH", `{"properties":{"desired":{"b":1}}}`)
	p := c.publication()
	patch, _, _, ok := cTwinTopic(p.topic)
	require.True(t, ok && patch)
	require.Equal(t, `{"b":1,"$version":2}`, p.body)
}

// cAnswersAMethod: DEVICE_METHOD_RESPONSE_TOPIC, QoS 0.
func cAnswersAMethod(t *testing.T, c *client, who identity) {
	t.Helper()
	call := who.invoke(t, `{"methodName":"GetFirmwareVersion"}`)
	p := c.publication()
	name, rid, ok := cMethod(p.topic)
	require.True(t, ok)
	require.Equal(t, "GetFirmwareVersion", name)
	require.Empty(t, p.body)
	c.send(packetOf(0x30, text("$iothub/methods/res/200/?$rid="+rid), `{"v":"1.0"}`))
	require.Equal(t, `{"status":200,"payload":{"v":"1.0"}}`, string(call.answer(t).Body))
}

// TestCSendsTelemetry: addPropertiesTouMqttMessage puts application properties
// first, then cid, mid, ct, ce, ctime, on, sub, then diagnostics; escapes are in
// lower case. What is not acknowledged in a minute is sent again with DUP
// (ProcessPendingTelemetryMessages).
func TestCSendsTelemetry(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device.module(t), device} {
		c := dial(t, hub)
		cOpens(c, who, accepted)
		topic := who.events() + "temperature%20alert=true&a=b%2fc&%24.cid=c%2f1&%24.mid=m%201&%24.ct=application%2fjson&%24.ce=utf-8" +
			"&%24.ctime=2026-01-01T00%3a00%3a00.000Z&%24.on=out&%24.sub=thermostat&%24.diagid=abcd1234&%24.diagctx=creationtimeutc%3d1700000000.000"
		c.send(packetOf(0x32, text(topic), 0, 3, "{}"), packetOf(0x3A, text(topic), 0, 3, "{}"))
		c.expect(puback(3), puback(3))
		events := hub.WaitEvents(t, 2, harness.Filter{Device: who.DeviceID, Module: who.ModuleID})
		event := events[len(events)-1]
		require.Equal(t, map[string]any{
			"temperature alert": "true", "a": "b/c", "$.diagid": "abcd1234", "$.diagctx": "creationtimeutc=1700000000.000",
		}, event.Properties)
		for name, want := range map[string]string{
			"correlation-id": "c/1", "message-id": "m 1", "content-type": "application/json", "content-encoding": "utf-8",
			"iothub-creation-time-utc": "2026-01-01T00:00:00.000Z", "iothub-outputname": "out", "dt-subject": "thermostat",
		} {
			require.Equal(t, want, event.SystemProperties[name], name)
		}
	}
}

func TestCReadsMessagesAndAcknowledgesThemLate(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dial(t, hub)
	cOpens(c, d, accepted)
	var ids []uint16
	for n := range 2 {
		hub.Send(t, d.DeviceID, harness.CloudMessage{
			Body: "x", MessageID: fmt.Sprintf("m/%d", n), CorrelationID: "c", UserID: "u", ContentType: "text/plain", Ack: "positive",
			Properties: map[string]string{"a b": "c d", "%24": "y"},
		})
		p := c.publication()
		ids = append(ids, p.id)
		system, application := cMessage(d, p.topic, false)
		require.Equal(t, map[string]string{"%24.mid": fmt.Sprintf("m%%2F%d", n), "%24.cid": "c", "%24.uid": "u", "%24.ct": "text%2Fplain"}, system)
		require.Equal(t, map[string]string{"a%20b": "c%20d", "%2524": "y"}, application)
		system, application = cMessage(d, p.topic, true)
		require.Equal(t, "text/plain", system["%24.ct"])
		require.Equal(t, map[string]string{"a b": "c d", "%24": "y"}, application)
	}
	// mqttNotificationCallback returns MQTT_CLIENT_ACK_NONE: the application
	// acknowledges, in whatever order (IoTHubDeviceClient_LL_SendMessageDisposition).
	c.send(packetOf(0x30, text("$iothub/twin/GET/?$rid=3")))
	c.cTwin(200, 3)
	c.send(puback(ids[1]), puback(ids[0]))
	require.Len(t, hub.WaitFeedback(t, 2, d.DeviceID), 2)
	require.Zero(t, d.queued(t))
}

// TestCReconnects: after a broken line it subscribes to everything again, with
// one SUBSCRIBE (processErrorCallback).
func TestCReconnects(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dial(t, hub)
	cOpens(c, d, accepted)
	c.vanish()
	c = dial(t, hub)
	c.send(cConnect(d))
	c.expect(resumed)
	c.send(packetOf(0x82, 0, 6, text(d.deviceBound()), 1, text(twinAnswers), 0, text(desired), 0, text(methods), 0))
	c.expect(packetOf(0x90, 0, 6, 1, 0, 0, 0))
	c.send(pingreq)
	c.expect(pingresp)
	c.send(disconnect)
	c.closed()
	d.hub.WaitLog(t, quoted("device", d.DeviceID), "disconnected by the device")
}
