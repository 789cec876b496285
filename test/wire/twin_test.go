package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	get   = "$iothub/twin/GET/?$rid="
	patch = "$iothub/twin/PATCH/properties/reported/?$rid="
)

// twinClient connects an identity that listens to the twin.
func (i identity) twinClient(t testing.TB) *client {
	t.Helper()
	c := i.join(t)
	c.subscribe(0, twinAnswers, desired)
	return c
}

// reads expects the twin to be this JSON, byte by byte.
func (c *client) reads(body string) {
	c.t.Helper()
	c.send(publish(0, get+"r", ""))
	require.Equal(c.t, publication{topic: "$iothub/twin/res/200/?$rid=r", body: body}, c.publication())
}

// reports sends a patch and expects the new version.
func (c *client) reports(body string, version int) {
	c.t.Helper()
	c.send(publish(0, patch+"p", body))
	require.Equal(c.t, publication{topic: fmt.Sprintf("$iothub/twin/res/204/?$rid=p&$version=%d", version)}, c.publication())
}

func TestReadingTheTwin(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device, device.module(t)} {
		c := who.twinClient(t)
		c.reads(`{"desired":{"$version":1},"reported":{"$version":1}}`)
		who.want(t, "PATCH", `{"tags":{"secret":1},"properties":{"desired":{"b":{"c":[1,2.50,"ü"]},"a":1}}}`)
		c.publication() // the notification
		c.reports(`{"z":null,"y":{"x":true}}`, 2)
		c.reads(`{"desired":{"b":{"c":[1,2.50,"ü"]},"a":1,"$version":2},"reported":{"y":{"x":true},"$version":2}}`)
	}
}

func TestTheBodyOfAGetIsIgnored(t *testing.T) {
	t.Parallel()
	c := newDevice(t).twinClient(t)
	for _, body := range []string{"", " ", "{}", "junk", "\xff"} { // Node and Python send a space
		c.send(publish(0, get+"1", body))
		require.Equal(t, "$iothub/twin/res/200/?$rid=1", c.publication().topic)
	}
}

func TestATwinRequestOfQoS1IsAcknowledgedFirst(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.subscribe(1, twinAnswers)
	c.send(publish(7, get+"1", ""))
	c.expect(puback(7))
	require.Equal(t, byte(0), c.publication().qos, "answers have QoS 0 (Java: MqttIotHubConnection.java)")
	c.send(publish(8, patch+"2", `{"a":1}`))
	c.expect(puback(8))
	require.Equal(t, "$iothub/twin/res/204/?$rid=2&$version=2", c.publication().topic)
	c.send(publish(9, patch+"3", `{`))
	c.expect(puback(9))
	require.Equal(t, "$iothub/twin/res/400/?$rid=3", c.publication().topic)
}

func TestReportedProperties(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.twinClient(t)
	c.reports(`{"a":{"b":1,"c":2},"d":[1,{"e":2}]}`, 2)
	c.reports(`{"a":{"b":null,"f":"g"},"d":[3]}`, 3)
	c.reports(`{}`, 4) // changes nothing and counts
	c.reads(`{"desired":{"$version":1},"reported":{"a":{"c":2,"f":"g"},"d":[3],"$version":4}}`)
	c.reports(`{"a":null,"d":null}`, 5)
	c.reads(`{"desired":{"$version":1},"reported":{"$version":5}}`)

	c.reports(`{"t":1}`, 6)
	reported := d.twin(t)["properties"].(map[string]any)["reported"].(map[string]any)
	require.InDelta(t, 6, reported["$version"], 0)
	stamp := reported["$metadata"].(map[string]any)["t"].(map[string]any)["$lastUpdated"].(string)
	at, err := time.Parse("2006-01-02T15:04:05.9999999Z", stamp)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
}

func TestAPatchMayNameTheVersionItIsFor(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.twinClient(t)
	c.send(publish(0, patch+"1&$version=1", `{"a":1}`))
	require.Equal(t, publication{topic: "$iothub/twin/res/204/?$rid=1&$version=2"}, c.publication())
	for _, version := range []string{"1", "3", "0"} {
		// 0 is what Java's SDK sent up to 2.4 when it knew no version, and IoT
		// Hub's answer was 412 (Azure/azure-iot-sdk-java#1776).
		c.send(publish(0, patch+"2&$version="+version, `{"a":2}`))
		c.refusal("412", "2", 412001)
	}
	for _, version := range []string{"x", "-1", "", "1.5"} {
		c.send(publish(0, patch+"3&$version="+version, `{"a":2}`))
		c.refusal("400", "3", 400004)
	}
	c.send(publish(0, "$iothub/twin/PATCH/properties/reported/?$version=2&$rid=4", `{"a":3}`))
	require.Equal(t, "$iothub/twin/res/204/?$rid=4&$version=3", c.publication().topic, "in either order; $rid comes first in the answer")
	c.reads(`{"desired":{"$version":1},"reported":{"a":3,"$version":3}}`)
}

// refusal reads the answer to a request that failed: a status and the JSON that
// Node needs, which looks at nothing else (§1 rule 8, §9.2).
func (c *client) refusal(status, rid string, code int) {
	c.t.Helper()
	p := c.publication()
	require.Equal(c.t, "$iothub/twin/res/"+status+"/?$rid="+rid, p.topic, "no $version: %s", p.body)
	var body map[string]any
	require.NoError(c.t, json.Unmarshal([]byte(p.body), &body))
	require.Len(c.t, body, 4)
	require.InDelta(c.t, code, body["errorCode"], 0)
	require.Regexp(c.t, `^[0-9A-F]{32}-`, body["trackingId"])
	require.NotEmpty(c.t, body["message"])
	_, err := time.Parse(time.RFC3339, body["timestampUtc"].(string))
	require.NoError(c.t, err)
}

// badPatches break the rules of §10.3.
var badPatches = map[string]struct {
	body   string
	status string
	code   int
}{
	"nothing":                       {"", "400", 400004},
	"no JSON":                       {"hello", "400", 400004},
	"JSON cut short":                {`{"a":`, "400", 400004},
	"JSON and more":                 {`{"a":1}{}`, "400", 400004},
	"not UTF-8":                     {"{\"a\":\"\xff\"}", "400", 400004},
	"an array":                      {`[1]`, "400", 400004},
	"a number":                      {`1`, "400", 400004},
	"null":                          {`null`, "400", 400004},
	"a $ key":                       {`{"$version":7}`, "400", 400004},
	"a $ in a key":                  {`{"a$b":7}`, "400", 400004},
	"a dot in a key":                {`{"a.b":7}`, "400", 400004},
	"a space in a key":              {`{"a b":7}`, "400", 400004},
	"a # in a key":                  {`{"a#":7}`, "400", 400004},
	"a control character":           {`{"a\u0001":7}`, "400", 400004},
	"a bad key further down":        {`{"a":{"b":{"$c":7}}}`, "400", 400004},
	"a key of 1,025 bytes":          {`{"` + strings.Repeat("k", 1025) + `":7}`, "400", 400004},
	"a string of 4,097 bytes":       {`{"a":"` + strings.Repeat("v", 4097) + `"}`, "400", 400004},
	"2^52":                          {`{"a":4503599627370496}`, "400", 400004},
	"-2^52 - 1":                     {`{"a":-4503599627370497}`, "400", 400004},
	"11 levels":                     {nested(11), "400", 400004},
	"null in an array":              {`{"a":[null]}`, "400", 400004},
	"null in an object in an array": {`{"a":[{"b":null}]}`, "400", 400004},
	"33 KB":                         {wide(33), "413", 413000},
}

// nested has that many objects in one another, the root not counted.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + "{}" + strings.Repeat("}", levels)
}

// wide has so many kilobytes of values.
func wide(kilobytes int) string {
	var parts []string
	for i := range kilobytes {
		parts = append(parts, fmt.Sprintf(`"k%02d":%q`, i, strings.Repeat("v", 1021)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestAPatchThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range badPatches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newDevice(t).twinClient(t)
			client.send(publish(0, patch+"17", c.body))
			client.refusal(c.status, "17", c.code)
			client.reads(`{"desired":{"$version":1},"reported":{"$version":1}}`) // nothing has changed, nobody was cut off
		})
	}
}

func TestAPatchAtTheLimits(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a key of 1,024 bytes":    `{"` + strings.Repeat("k", 1024) + `":7}`,
		"a string of 4,096 bytes": `{"a":"` + strings.Repeat("v", 4096) + `"}`,
		"2^52 - 1":                `{"a":4503599627370495}`,
		"-2^52":                   `{"a":-4503599627370496}`,
		"32 KB":                   wide(32),
		"9 levels":                nested(9),
		"a fraction":              `{"a":0.1e-5}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newDevice(t).twinClient(t).reports(body, 2)
		})
	}
}

func TestTheRequestIDIsEchoedByteForByte(t *testing.T) {
	t.Parallel()
	c := newDevice(t).twinClient(t)
	for _, rid := range []string{
		"1", "ff", "65535", "2f3c1d66-1df3-4d2c-9d0f-0c9a4c1b7f10", "A!*'-._~", "a%20b", "%41", "a+b", "#", "a|b^c`d", strings.Repeat("x", 500),
	} {
		c.send(publish(0, get+rid, ""))
		require.Equal(t, "$iothub/twin/res/200/?$rid="+rid, c.publication().topic)
		c.send(publish(0, patch+rid, "{"))
		require.Equal(t, "$iothub/twin/res/400/?$rid="+rid, c.publication().topic)
	}
}

func TestRequestsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	c := newDevice(t).twinClient(t)
	var packets [][]byte
	for i := range 30 {
		packets = append(packets, publish(0, fmt.Sprintf("%sp%d", patch, i), fmt.Sprintf(`{"a":%d}`, i)), publish(0, fmt.Sprintf("%sg%d", get, i), ""))
	}
	c.send(packets...)
	for i := range 30 {
		require.Equal(t, fmt.Sprintf("$iothub/twin/res/204/?$rid=p%d&$version=%d", i, i+2), c.publication().topic)
		require.Equal(t, fmt.Sprintf(`{"desired":{"$version":1},"reported":{"a":%d,"$version":%d}}`, i, i+2), c.publication().body)
	}
}

func TestAnAnswerThatNobodyListensToIsDropped(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.join(t)
	c.send(publish(0, get+"1", ""), publish(0, patch+"2", `{"a":1}`), publish(0, patch+"3", `{`))
	c.ping()
	c.subscribe(0, twinAnswers)
	c.reads(`{"desired":{"$version":1},"reported":{"a":1,"$version":2}}`) // but it was done
}

func TestDesiredProperties(t *testing.T) {
	t.Parallel()
	device := newDevice(t)
	for _, who := range []identity{device, device.module(t)} {
		c := who.twinClient(t)
		told := func(version int, body string) {
			t.Helper()
			topic := fmt.Sprintf("$iothub/twin/PATCH/properties/desired/?$version=%d", version)
			require.Equal(t, publication{topic: topic, body: body}, c.publication())
		}
		who.want(t, "PATCH", `{"properties":{"desired":{"a":{"b":1,"c":2}}}}`)
		told(2, `{"a":{"b":1,"c":2},"$version":2}`)
		who.want(t, "PATCH", `{"properties":{"desired":{"a":{"b":null},"d":3}}}`)
		told(3, `{"a":{"b":null},"d":3,"$version":3}`)
		who.want(t, "PATCH", `{"tags":{"x":1}}`) // devices do not hear of tags
		who.want(t, "PUT", `{"properties":{"desired":{"e":[4]}}}`)
		told(4, `{"e":[4],"$version":4}`)
		c.reads(`{"desired":{"e":[4],"$version":4},"reported":{"$version":1}}`)
	}
}

func TestDesiredPropertiesAreNeverQueued(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	c := d.resume(t, accepted)
	c.subscribe(1, twinAnswers, desired)
	c.leave()
	d.want(t, "PATCH", `{"properties":{"desired":{"a":1}}}`)
	d.want(t, "PATCH", `{"properties":{"desired":{"a":2}}}`)
	c = d.resume(t, resumed)
	c.ping() // no stale notification
	c.reads(`{"desired":{"a":2,"$version":3},"reported":{"$version":1}}`)
	d.want(t, "PATCH", `{"properties":{"desired":{"a":3}}}`)
	require.Equal(t, `{"a":3,"$version":4}`, c.publication().body)
}

func TestAModulesTwinIsItsOwn(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	m := d.module(t)
	cd, cm := d.twinClient(t), m.twinClient(t)
	cm.reports(`{"m":1}`, 2)
	cd.reports(`{"d":1}`, 2)
	m.want(t, "PATCH", `{"properties":{"desired":{"x":1}}}`)
	require.Equal(t, `{"x":1,"$version":2}`, cm.publication().body)
	cd.reads(`{"desired":{"$version":1},"reported":{"d":1,"$version":2}}`)
	cm.reads(`{"desired":{"x":1,"$version":2},"reported":{"m":1,"$version":2}}`)
}
