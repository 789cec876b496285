package mqtt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
)

func TestParsingAUserName(t *testing.T) {
	t.Parallel()
	device := func(host, id string) mqtt.UserName { return mqtt.UserName{Host: host, Identity: iot.Device(id)} }
	with := func(u mqtt.UserName, api, agent, model string) mqtt.UserName {
		u.APIVersion, u.Agent, u.ModelID = api, agent, model
		return u
	}
	for name, c := range map[string]struct {
		text string
		want mqtt.UserName
	}{
		"bare":          {"h/d", device("h", "d")},
		"with a slash":  {"h/d/", device("h", "d")},
		"empty query":   {"h/d/?", device("h", "d")},
		"module, bare":  {"h/d/m", mqtt.UserName{Host: "h", Identity: iot.Module("d", "m")}},
		"module, slash": {"h/d/m/", mqtt.UserName{Host: "h", Identity: iot.Module("d", "m")}},
		"module, query": {"h/d/m/?api-version=1", with(mqtt.UserName{Host: "h", Identity: iot.Module("d", "m")}, "1", "", "")},
		"all keys": {
			"h:8883/d/?api-version=2021-04-12&DeviceClientType=a%2Fb%20c&model-id=dtmi%3Ax%3B1&auth-chain=e%3Bd",
			with(device("h:8883", "d"), "2021-04-12", "a/b c", "dtmi:x;1"),
		},
		"raw model id":            {"h/d/?api-version=1&model-id=dtmi:x;1&DeviceClientType=a", with(device("h", "d"), "1", "a", "dtmi:x;1")},
		"raw slash in a value":    {"h/d/?DeviceClientType=a/b&api-version=1", with(device("h", "d"), "1", "a/b", "")},
		"the first of two counts": {"h/d/?api-version=1&api-version=2", with(device("h", "d"), "1", "", "")},
		"unknown keys":            {"h/d/?x=1&api-version=2&=&y", with(device("h", "d"), "2", "", "")},
		"a malformed escape":      {"h/d/?DeviceClientType=a%2", with(device("h", "d"), "", "a%2", "")},
		"a plus is a plus":        {"h/d/?DeviceClientType=a+b", with(device("h", "d"), "", "a+b", "")},
		"legacy":                  {"h/d/api-version=2016-11-14", with(device("h", "d"), "2016-11-14", "", "")},
		"legacy, slash":           {"h/d/api-version=2016-11-14/", with(device("h", "d"), "2016-11-14", "", "")},
		"legacy, two keys":        {"h/d/api-version=1&DeviceClientType=a%2Fb", with(device("h", "d"), "1", "a/b", "")},
		"legacy, other key first": {"h/d/DeviceClientType=a&api-version=1", with(device("h", "d"), "1", "a", "")},
		"legacy of a module":      {"h/d/m/api-version=1", with(mqtt.UserName{Host: "h", Identity: iot.Module("d", "m")}, "1", "", "")},
		"the oldest": {
			"h/d/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003",
			with(device("h", "d"), "2017-06-30", "Microsoft.Azure.Devices.Client/1.5.1-preview-003", ""),
		},
		"no slash before ?":            {"h/d?api-version=1", with(device("h", "d"), "1", "", "")},
		"ids with ?":                   {"h/?d/?m/?api-version=1", with(mqtt.UserName{Host: "h", Identity: iot.Module("?d", "?m")}, "1", "", "")},
		"ids with =":                   {"h/a=b/c=d/?api-version=1", with(mqtt.UserName{Host: "h", Identity: iot.Module("a=b", "c=d")}, "1", "", "")},
		"ids are not decoded":          {"h/d%2Fx/?api-version=1", with(device("h", "d%2Fx"), "1", "", "")},
		"a host that is an IP address": {"[::1]:8883/d", device("[::1]:8883", "d")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := mqtt.ParseUserName(c.text)
			require.NoError(t, err)
			require.Equal(t, c.want, u)
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "no device": "h", "no device, slash": "h/", "no host": "/d", "an empty module": "h/d//?api-version=1",
		"a device id with a space": "h/d d", "a module id with a space": "h/d/m m", "more ids": "h/d/m/n", "too long an id": "h/" + long(129),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mqtt.ParseUserName(text)
			require.Error(t, err)
		})
	}
}

func long(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

func TestParsingATopic(t *testing.T) {
	t.Parallel()
	d, m := iot.Device("d"), iot.Module("d", "m")
	for name, c := range map[string]struct {
		id   iot.Identity
		text string
		want mqtt.Topic
	}{
		"telemetry":               {d, "devices/d/messages/events/", mqtt.Topic{Kind: "telemetry"}},
		"telemetry, no slash":     {d, "devices/d/messages/events", mqtt.Topic{Kind: "telemetry"}},
		"telemetry, bag":          {d, "devices/d/messages/events/a=b&c", mqtt.Topic{Kind: "telemetry", Bag: "a=b&c"}},
		"telemetry, bag, slash":   {d, "devices/d/messages/events/a=b/", mqtt.Topic{Kind: "telemetry", Bag: "a=b"}},
		"telemetry, ?":            {d, "devices/d/messages/events/?a=b", mqtt.Topic{Kind: "telemetry", Bag: "a=b"}},
		"telemetry, slash in bag": {d, "devices/d/messages/events/$.ct=a/b&c=d", mqtt.Topic{Kind: "telemetry", Bag: "$.ct=a/b&c=d"}},
		"telemetry of a module":   {m, "devices/d/modules/m/messages/events/a=b", mqtt.Topic{Kind: "telemetry", Bag: "a=b"}},
		"GET":                     {d, "$iothub/twin/GET/?$rid=1", mqtt.Topic{Kind: "GET", RID: "1"}},
		"GET of a module":         {m, "$iothub/twin/GET/?$rid=1", mqtt.Topic{Kind: "GET", RID: "1"}},
		"GET, more in the query":  {d, "$iothub/twin/GET/?a=b&$rid=1&c", mqtt.Topic{Kind: "GET", RID: "1"}},
		"GET, two ids":            {d, "$iothub/twin/GET/?$rid=1&$rid=2", mqtt.Topic{Kind: "GET", RID: "1"}},
		"PATCH":                   {d, "$iothub/twin/PATCH/properties/reported/?$rid=1", mqtt.Topic{Kind: "PATCH", RID: "1"}},
		"PATCH with a version":    {d, "$iothub/twin/PATCH/properties/reported/?$rid=1&$version=7", mqtt.Topic{Kind: "PATCH", RID: "1", Version: "7", Guarded: true}},
		"PATCH, version first":    {d, "$iothub/twin/PATCH/properties/reported/?$version=7&$rid=1", mqtt.Topic{Kind: "PATCH", RID: "1", Version: "7", Guarded: true}},
		"PATCH, encoded $":        {d, "$iothub/twin/PATCH/properties/reported/?%24rid=1&%24version=7", mqtt.Topic{Kind: "PATCH", RID: "1", Version: "7", Guarded: true}},
		"PATCH, an empty version": {d, "$iothub/twin/PATCH/properties/reported/?$rid=1&$version", mqtt.Topic{Kind: "PATCH", RID: "1", Guarded: true}},
		"answer":                  {d, "$iothub/methods/res/200/?$rid=ab", mqtt.Topic{Kind: "answer", RID: "ab", Status: 200}},
		"answer, negative":        {d, "$iothub/methods/res/-5/?$rid=ab", mqtt.Topic{Kind: "answer", RID: "ab", Status: -5}},
		"answer, leading zeros":   {d, "$iothub/methods/res/007/?$rid=ab", mqtt.Topic{Kind: "answer", RID: "ab", Status: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := mqtt.ParseTopic(c.text, c.id)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for _, text := range []string{
		"", "/", "devices", "devices/d", "devices/d/messages", "devices/d/messages/eventsx", "devices/d/messages/Events/",
		"/devices/d/messages/events/", "$iothub", "$iothub/twin", "$iothub/twin/", "$iothub/twin/GET", "$iothub/twin/GET/",
		"$iothub/twin/GET/$rid=1", "$iothub/twin/get/?$rid=1", "$iothub/twin/PATCH/properties/desired/?$rid=1",
		"$iothub/twin/PATCH/properties/reported?$rid=1", "$iothub/methods/res", "$iothub/methods/res/200?$rid=1",
		"$iothub/methods/POST/m/?$rid=1", "$iothub/methods/res/2 0/?$rid=1", "$iothub/twin/res/200/?$rid=1",
	} {
		t.Run("not "+text, func(t *testing.T) {
			t.Parallel()
			_, err := mqtt.ParseTopic(text, d)
			require.Error(t, err)
		})
	}
}

func TestParsingABag(t *testing.T) {
	t.Parallel()
	one := func(name, value string) iot.Properties { return iot.Properties{{Name: name, Value: value}} }
	for name, c := range map[string]struct {
		bag         string
		system, app iot.Properties
	}{
		"nothing":                  {"", nil, nil},
		"only separators":          {"&&&", nil, nil},
		"one":                      {"a=b", nil, one("a", "b")},
		"an empty value":           {"a=", nil, one("a", "")},
		"no value":                 {"a", nil, iot.Properties{{Name: "a", Null: true}}},
		"no key":                   {"=b&a=b", nil, one("a", "b")},
		"an equals sign in it":     {"a=b=c", nil, one("a", "b=c")},
		"encoded":                  {"%61%20=%C3%A9%2f", nil, one("a ", "é/")},
		"a plus":                   {"a=b+c", nil, one("a", "b+c")},
		"a bad escape":             {"a=%zz", nil, one("a", "%zz")},
		"half an escape":           {"a=%4", nil, one("a", "%4")},
		"a lone percent":           {"a=%", nil, one("a", "%")},
		"a bad escape after good":  {"a=%41%4x", nil, one("a", "%41%4x")},
		"not UTF-8":                {"a=%ff", nil, one("a", "%ff")},
		"the last of two survives": {"a=1&b=2&a=3", nil, iot.Properties{{Name: "a", Value: "3"}, {Name: "b", Value: "2"}}},
		"names differ by case":     {"a=1&A=2", nil, iot.Properties{{Name: "a", Value: "1"}, {Name: "A", Value: "2"}}},
		"all system properties": {
			"$.mid=1&%24.cid=2&$.uid=3&$.to=4&$.exp=5&$.ct=6&$.ce=7&$.on=8&$.schema=9&$.ctime=10&$.ifid=11&$.sub=12&%24%2Ecid=13",
			iot.Properties{
				{Name: "message-id", Value: "1"},
				{Name: "correlation-id", Value: "13"},
				{Name: "user-id", Value: "3"},
				{Name: "to", Value: "4"},
				{Name: "absolute-expiry-time", Value: "5"},
				{Name: "content-type", Value: "6"},
				{Name: "content-encoding", Value: "7"},
				{Name: "iothub-outputname", Value: "8"},
				{Name: "iothub-messageschema", Value: "9"},
				{Name: "iothub-creation-time-utc", Value: "10"},
				{Name: "iothub-interface-id", Value: "11"},
				{Name: "dt-subject", Value: "12"},
			},
			nil,
		},
		"unknown $. keys":             {"$.diagid=1&$.x=2&$.=3", nil, iot.Properties{{Name: "$.diagid", Value: "1"}, {Name: "$.x", Value: "2"}, {Name: "$.", Value: "3"}}},
		"a system key without value":  {"$.mid&a=b", nil, one("a", "b")},
		"what devices may not set":    {"$.cdid=e&$.cmid=m&iothub-connection-device-id=e&IOTHUB-ENQUEUEDTIME=1&dt-dataschema=x", nil, nil},
		"encoded, what they may not":  {"iothub%2Dmessage%2Dsource=x", nil, nil},
		"properties that merely look": {"iothub-message-source2=x", nil, one("iothub-message-source2", "x")},
		"iothub-ack is the device's":  {"iothub-ack=full", nil, one("iothub-ack", "full")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			system, app := mqtt.ParseBag(c.bag)
			require.Equal(t, c.system, system)
			require.Equal(t, c.app, app)
		})
	}
}
