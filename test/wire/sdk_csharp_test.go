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

// The sequences of Azure/azure-iot-sdk-csharp, iothub/device/src/Transport/Mqtt,
// with the rules by which it reads what the hub sends. Each panics where C# would
// throw: there, that shuts the channel down.

// csharpMessage reads the properties of a message: the fifth segment, or the
// seventh where there is one, taken apart by UrlEncodedDictionarySerializer.cs; an
// expiry has exactly seven fractional digits. MqttIotHubAdapter.cs,
// PopulateMessagePropertiesFromPacket and ConvertToSystemProperty.
func csharpMessage(topic string) map[string]any {
	var segments []string
	for segment := range strings.SplitSeq(topic, "/") { // RemoveEmptyEntries
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	segment := segments[4] // IndexOutOfRangeException without a bag
	if len(segments) > 6 {
		segment = segments[6]
	}
	properties := map[string]any{}
	for pair := range strings.SplitSeq(segment, "&") {
		key, value, valued := strings.Cut(pair, "=")
		if key == "" || strings.Contains(value, "=") {
			panic("FormatException: " + pair)
		}
		key = csharpUnescape(key)
		switch {
		case !valued || value == "":
			properties[key] = nil
		case key == "$.exp" || key == "$.ctime":
			properties[key] = csharpTime(csharpUnescape(value))
		default:
			properties[key] = csharpUnescape(value)
		}
	}
	return properties
}

// csharpUnescape is Uri.UnescapeDataString: a plus stays one.
func csharpUnescape(s string) string {
	plain, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return plain
}

// csharpTime is DateTime.ParseExact(value, "o").
func csharpTime(value string) time.Time {
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}(Z|[+-]\d\d:\d\d)?$`).MatchString(value) {
		panic("FormatException: " + value)
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		panic(err)
	}
	return at
}

// csharpTwinAnswer is MqttTransportHandler.cs, ParseResponseTopic: a regular
// expression and HttpUtility.ParseQueryString.
func csharpTwinAnswer(topic string) (status int, query url.Values) {
	match := regexp.MustCompile(`\$iothub/twin/res/(\d+)/(\?.+)`).FindStringSubmatch(topic)
	if match == nil {
		panic("no answer of the twin: " + topic)
	}
	status, _ = strconv.Atoi(match[1])
	query, err := url.ParseQuery(strings.TrimPrefix(match[2], "?"))
	if err != nil {
		panic(err)
	}
	return status, query
}

// csharpMethod is MqttTransportHandler.cs, HandleIncomingMethodPostAsync:
// tokens[3] and tokens[4].Substring(6).
func csharpMethod(topic string) (name, rid string) {
	tokens := strings.Split(topic, "/")
	return tokens[3], tokens[4][6:]
}

// csharpConnect is MqttIotHubAdapter.cs, ConnectAsync: CleanSession 0, 300 s.
func csharpConnect(i identity, more string) []byte {
	return packetOf(0x10, text("MQTT"), 4, 0xC0, 0x01, 0x2C, text(i.ClientID()), text(csharpUser(i, more)), text(i.Token(time.Hour)))
}

func csharpUser(i identity, more string) string {
	return i.Host + "/" + i.ClientID() + "/?api-version=2020-09-30&DeviceClientType=" +
		".NET%2F1.42.3%20%28.NET%206.0.36%3B%20Linux%20Debian%3B%20X64%3B%20%7Ba-b%7D%29" + more
}

// csharpOpens connects and subscribes to the twin's answers, as OpenInternalAsync
// does, then to what the application wants, each with a SUBSCRIBE of its own;
// packet ids count from 1.
func csharpOpens(c *client, i identity, connack []byte, filters ...string) {
	c.t.Helper()
	c.send(csharpConnect(i, ""))
	c.expect(connack)
	for id, filter := range append([]string{twinAnswers}, filters...) {
		c.send(packetOf(0x82, 0, id+1, text(filter), 1))
		c.expect(packetOf(0x90, 0, id+1, 1))
	}
}

func TestCSharpConnects(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dial(t, hub)
	c.send(csharpConnect(d, "&auth-chain=leaf%3Bparent&model-id=dtmi:com:example:Thermostat;1")) // the model id is not encoded
	c.expect(accepted)
	require.Equal(t, "dtmi:com:example:Thermostat;1", d.twin(t)["modelId"])
	require.Equal(t, ".NET/1.42.3 (.NET 6.0.36; Linux Debian; X64; {a-b})", d.connection(t).Agent)
}

// TestCSharpLeavesAWill: ConnectAsync with HasWill; the topic is made as
// telemetry's is, with a slash behind the bag.
func TestCSharpLeavesAWill(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dial(t, hub)
	c.send(packetOf(0x10, text("MQTT"), 4, 0xCC, 0x01, 0x2C, text(d.ClientID()), // QoS 1, CleanSession 0
		text(d.events()+"%24.mid=w-1&a=b/"), text("gone"), text(csharpUser(d, "")), text(d.Token(time.Hour))))
	c.expect(accepted)
	c.vanish()
	event := hub.WaitEvents(t, 1, harness.Filter{Device: d.DeviceID})[0]
	require.Equal(t, "w-1", event.SystemProperties["message-id"])
	require.Equal(t, map[string]any{"a": "b", "iothub-MessageType": "Will"}, event.Properties)
}

// TestCSharpSendsTelemetry: PopulateMessagePropertiesFromMessage. Dates are in
// the round-trip format, a property that is null is a key without "=", and a
// slash follows the bag.
func TestCSharpSendsTelemetry(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device.module(t), device} {
		c := dial(t, hub)
		csharpOpens(c, who, accepted)
		c.send(packetOf(0x32, text(who.events()+"%24.mid=m%2F1&%24.cid=c&%24.uid=u&%24.ct=application%2Fjson&%24.ce=utf-8"+
			"&%24.exp=2030-01-01T00%3A00%3A00.0000000Z&%24.ctime=2026-01-01T00%3A00%3A00.1234567Z&%24.ifid=urn&%24.sub=th&%24.on=out"+
			"&a%20b=c%2Bd&nothing/"), 0, 2, "{}"))
		c.expect(puback(2))
		events := hub.WaitEvents(t, 1, harness.Filter{Device: who.DeviceID, Module: who.ModuleID})
		event := events[len(events)-1]
		require.Equal(t, map[string]any{"a b": "c+d", "nothing": nil}, event.Properties)
		for name, want := range map[string]string{
			"message-id": "m/1", "correlation-id": "c", "user-id": "u", "content-type": "application/json", "content-encoding": "utf-8",
			"absolute-expiry-time": "2030-01-01T00:00:00.0000000Z", "iothub-creation-time-utc": "2026-01-01T00:00:00.1234567Z",
			"iothub-interface-id": "urn", "dt-subject": "th", "iothub-outputname": "out",
		} {
			require.Equal(t, want, event.SystemProperties[name], name)
		}
		c.send(packetOf(0x32, text(who.events()), 0, 3, "{}")) // without properties there is one slash
		c.expect(puback(3))
	}
}

func TestCSharpReadsMessages(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := dial(t, hub)
	csharpOpens(c, d, accepted, d.deviceBound())
	for name, m := range map[string]harness.CloudMessage{
		"least": {Body: "x"},
		"most": {
			Body: "x", MessageID: "m=1&2", CorrelationID: "c/1", UserID: "u", ContentType: "text/plain", ContentEncoding: "utf-8",
			Ack: "full", TTL: "90s", Properties: map[string]string{"a b": "c=d/e&f", "empty": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			hub.Send(t, d.DeviceID, m)
			p := c.publication()
			got := csharpMessage(p.topic)
			require.Equal(t, "/devices/"+d.DeviceID+"/messages/deviceBound", got["$.to"])
			if name == "most" {
				require.Equal(t, []any{"m=1&2", "c/1", "text/plain", "full", "c=d/e&f", nil},
					[]any{got["$.mid"], got["$.cid"], got["$.ct"], got["iothub-ack"], got["a b"], got["empty"]})
				require.WithinDuration(t, hub.Now(t).Add(90*time.Second), got["$.exp"].(time.Time), 10*time.Second)
			}
			c.send(puback(p.id)) // CompleteAsync: in the order of delivery
			c.ping()
			require.Zero(t, d.queued(t))
		})
	}
}

func TestCSharpUsesTheTwin(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device, device.module(t)} {
		c := dial(t, hub)
		csharpOpens(c, who, accepted, desired)
		const guid = "8d6bfb0e-7bb5-4c86-9f61-2b8a9c52a8d1" // Guid.NewGuid().ToString()
		answer := func(status int, version string) publication {
			t.Helper()
			p := c.publication()
			got, query := csharpTwinAnswer(p.topic)
			require.Equal(t, status, got)
			require.Equal(t, guid, query.Get("$rid"))
			require.Equal(t, version, query.Get("$version"))
			return p
		}
		c.send(packetOf(0x32, text("$iothub/twin/GET/?$rid="+guid), 0, 3))
		c.expect(puback(3))
		require.JSONEq(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, answer(200, "").body)
		c.send(packetOf(0x32, text("$iothub/twin/PATCH/properties/reported/?$rid="+guid), 0, 4, `{"a":1}`))
		c.expect(puback(4))
		require.Empty(t, answer(204, "2").body)
		c.send(packetOf(0x32, text("$iothub/twin/PATCH/properties/reported/?$rid="+guid), 0, 5, `{"a b":1}`))
		c.expect(puback(5))
		require.Contains(t, answer(400, "").body, "errorCode")

		who.want(t, "PATCH", `{"properties":{"desired":{"b":1}}}`)
		p := c.publication()
		require.True(t, strings.HasPrefix(p.topic, "$iothub/twin/PATCH/properties/desired/"))
		require.JSONEq(t, `{"b":1,"$version":2}`, p.body)
	}
}

func TestCSharpAnswersAMethod(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device, device.module(t)} {
		c := dial(t, hub)
		csharpOpens(c, who, accepted, methods)
		call := who.invoke(t, `{"methodName":"WriteToConsole","payload":null}`)
		p := c.publication()
		name, rid := csharpMethod(p.topic)
		require.Equal(t, "WriteToConsole", name)
		require.Equal(t, "null", p.body)
		c.send(packetOf(0x32, text(fmt.Sprintf("$iothub/methods/res/%d/?$rid=%s", 200, rid)), 0, 3, `{}`))
		c.expect(puback(3))
		require.Equal(t, `{"status":200,"payload":{}}`, string(call.answer(t).Body))
	}
}

// TestCSharpModuleSubscribes: EnableEventReceiveAsync, receiveEventMessagePatternFilter.
func TestCSharpModuleSubscribes(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	c := dialWebSocket(t, hub, webSocketPath, "mqtt")
	csharpOpens(c, m, accepted, m.path()+"/#", methods, desired)
	c.send(unsubscribe(5, m.path()+"/#")) // DisableEventReceiveAsync
	c.expect(packetOf(0xB0, 0, 5))
	c.send(disconnect)
	c.closed()
}
