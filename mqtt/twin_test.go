package mqtt_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/mqtt"
	"github.com/linarite/linarite/twin"
)

// listenTwin subscribes to what a twin sends.
func (c *client) listenTwin() *client {
	c.t.Helper()
	c.send(subscribe(1, 0, "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"))
	c.expect(0x90, 4, 0, 1, 0, 0)
	return c
}

// refused checks the answer to a twin request that is an error.
func (c *client) refused(topic string, code int, why string) {
	c.t.Helper()
	m := c.message()
	require.Equal(c.t, topic, m.topic)
	var body map[string]any
	require.NoError(c.t, json.Unmarshal([]byte(m.body), &body))
	require.InDelta(c.t, code, body["errorCode"], 0)
	require.Contains(c.t, body["message"], why)
	require.Regexp(c.t, `^[0-9A-F]{32}-G:0-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$`, body["trackingId"])
	require.Regexp(c.t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$`, body["timestampUtc"])
	require.Len(c.t, body, 4)
}

func TestReadingTheTwin(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]iot.Identity{"of a device": iot.Device("d"), "of a module": iot.Module("d", "m")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := enter(t).join(id).listenTwin()
			c.send(publish(0, "$iothub/twin/GET/?$rid=a-1", " "))
			require.Equal(t, message{
				topic: "$iothub/twin/res/200/?$rid=a-1",
				body:  `{"desired":{"$version":1},"reported":{"$version":1}}`,
			}, c.message())
		})
	}
}

func TestATwinRequestWithQoS1IsAcknowledgedFirst(t *testing.T) {
	t.Parallel()
	c := enter(t).join(iot.Device("d")).listenTwin()
	c.send(publish(9, "$iothub/twin/GET/?$rid=1", ""), publish(10, "$iothub/twin/PATCH/properties/reported/?$rid=2", "{}"))
	c.expect(puback(9)...)
	require.Equal(t, "$iothub/twin/res/200/?$rid=1", c.message().topic)
	c.expect(puback(10)...)
	require.Equal(t, "$iothub/twin/res/204/?$rid=2&$version=2", c.message().topic)
}

func TestReporting(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listenTwin()
	c.send(publish(0, "$iothub/twin/PATCH/properties/reported/?$rid=1", `{"a":1,"b":2}`))
	require.Equal(t, message{topic: "$iothub/twin/res/204/?$rid=1&$version=2"}, c.message())
	c.send(publish(0, "$iothub/twin/PATCH/properties/reported/?$rid=2&$version=2", `{"b":null}`))
	require.Equal(t, message{topic: "$iothub/twin/res/204/?$rid=2&$version=3"}, c.message())
	c.send(publish(0, "$iothub/twin/PATCH/properties/reported/?$version=2&$rid=3", `{"c":1}`))
	c.refused("$iothub/twin/res/412/?$rid=3", 412001, "PreconditionFailed")
	c.send(publish(0, "$iothub/twin/GET/?$rid=4", ""))
	require.Equal(t, `{"desired":{"$version":1},"reported":{"a":1,"$version":3}}`, c.message().body)
}

func TestAPatchThatIsRefused(t *testing.T) {
	t.Parallel()
	c := enter(t).join(iot.Device("d")).listenTwin()
	const patch = "$iothub/twin/PATCH/properties/reported/?$rid=1"
	for name, p := range map[string]struct {
		query, body, status string
		code                int
	}{
		"no JSON":                     {"", "{", "400", 400004},
		"a $ key":                     {"", `{"$version":7}`, "400", 400004},
		"a version that is no number": {"&$version=x", "{}", "400", 400004},
		"a negative version":          {"&$version=-1", "{}", "400", 400004},
		"an empty version":            {"&$version=", "{}", "400", 400004},
		"version 0":                   {"&$version=0", "{}", "412", 412001},
		"a version of the future":     {"&$version=99", "{}", "412", 412001},
	} {
		t.Run(name, func(t *testing.T) {
			c.send(publish(0, patch+p.query, p.body))
			c.refused("$iothub/twin/res/"+p.status+"/?$rid=1", p.code, "")
		})
	}
}

func TestTheRequestIDIsEchoedByteForByte(t *testing.T) {
	t.Parallel()
	c := enter(t).join(iot.Device("d")).listenTwin()
	for _, rid := range []string{
		"1", "0a1f", "d8a3b3c4-1111-2222-3333-444455556666", "%20", "a%2Fb%2f", "!#$%'*+-.^_`|~", "$rid",
	} {
		c.send(publish(0, "$iothub/twin/GET/?$rid="+rid, ""))
		require.Equal(t, "$iothub/twin/res/200/?$rid="+rid, c.message().topic)
	}
	c.send(publish(0, "$iothub/twin/GET/?%24rid=7&x=y", ""))
	require.Equal(t, "$iothub/twin/res/200/?$rid=7", c.message().topic)
}

func TestARequestIDThatIsNoneClosesTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ topic, why string }{
		"missing":             {"$iothub/twin/GET/?", "twin GET without a $rid"},
		"missing, in a query": {"$iothub/twin/PATCH/properties/reported/?$version=1", "twin PATCH without a $rid"},
		"empty":               {"$iothub/twin/GET/?$rid=", "twin GET with an empty $rid"},
		"with a slash":        {"$iothub/twin/GET/?$rid=a/b", "not allowed"},
		"with an equals sign": {"$iothub/twin/GET/?$rid=a=b", "not allowed"},
		"with a space":        {"$iothub/twin/GET/?$rid=a b", "not allowed"},
		"not ASCII":           {"$iothub/twin/GET/?$rid=é", "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := enter(t)
			cl := r.join(iot.Device("d")).listenTwin()
			cl.send(publish(0, c.topic, ""))
			cl.closed()
			last := r.goodbye(iot.Device("d"))
			require.Contains(t, last.Reason, c.why)
			require.Equal(t, iot.ErrArgumentInvalid.Code, last.Code)
		})
	}
}

func TestAnAnswerThatNobodyListensToIsDropped(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d"))
	c.send(publish(0, "$iothub/twin/GET/?$rid=1", ""), publish(0, "$iothub/twin/PATCH/properties/reported/?$rid=2", `{"a":1}`))
	c.quiet()
	doc, err := r.Twin(iot.Device("d"))
	require.NoError(t, err)
	b, err := json.Marshal(doc)
	require.NoError(t, err)
	require.Contains(t, string(b), `"reported":{"a":1`, "but the operation was done")
}

func TestDesiredProperties(t *testing.T) {
	t.Parallel()
	r := enter(t)
	c := r.join(iot.Device("d")).listenTwin()
	deaf := r.join(iot.Device("e"))
	for _, id := range []string{"d", "e"} {
		_, err := r.PatchTwin(iot.Device(id), twin.Update{Desired: json.RawMessage(`{"a":{"b":1},"c":null}`)}, "")
		require.NoError(t, err)
	}
	require.Equal(t, message{
		topic: "$iothub/twin/PATCH/properties/desired/?$version=2", body: `{"a":{"b":1},"c":null,"$version":2}`,
	}, c.message())
	deaf.quiet()
}

// A device that was told of a change must not be given a twin without it
// afterwards: SDKs put what they are given in the place of what they have.
func TestATwinIsNotOlderThanTheChangeBeforeIt(t *testing.T) {
	t.Parallel()
	const changes = 500
	r := enter(t)
	c := r.join(iot.Device("d")).listenTwin()
	changed := make(chan error, 1)
	go func() {
		for i := range changes {
			_, err := r.PatchTwin(iot.Device("d"), twin.Update{Desired: json.RawMessage(fmt.Sprintf(`{"a":%d}`, i))}, "")
			if err != nil {
				changed <- err
				return
			}
		}
		changed <- nil
	}()
	for told := int64(1); told < changes+1; {
		c.send(publish(0, "$iothub/twin/GET/?$rid=1", ""))
		for answered := false; !answered; {
			m := c.message()
			var got struct {
				Version int64 `json:"$version"` // of a change
				Desired struct {
					Version int64 `json:"$version"`
				}
			}
			require.NoError(t, json.Unmarshal([]byte(m.body), &got))
			if answered = strings.HasPrefix(m.topic, "$iothub/twin/res/200/"); answered {
				require.GreaterOrEqual(t, got.Desired.Version, told)
				continue
			}
			require.Equal(t, told+1, got.Version)
			told++
		}
	}
	require.NoError(t, <-changed)
}

func TestStatusesThatATestForces(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]*iot.Error{
		"429": iot.ErrThrottled, "500": iot.ErrServer, "503": iot.ErrServiceUnavailable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t, hub.Options{Log: zerolog.Nop(), Verdicts: func(o hub.Operation, _ iot.Identity) hub.Verdict {
				if o == hub.OpTwinRead || o == hub.OpTwinUpdate {
					return hub.Verdict{Action: hub.Refuse, Err: err}
				}
				return hub.Verdict{}
			}}, mqtt.Options{Log: zerolog.Nop()})
			c := r.join(iot.Device("d")).listenTwin()
			c.send(publish(5, "$iothub/twin/GET/?$rid=1", ""))
			c.expect(puback(5)...)
			c.refused("$iothub/twin/res/"+name+"/?$rid=1", err.Code, err.Name)
			c.send(publish(0, "$iothub/twin/PATCH/properties/reported/?$rid=2", "{}"))
			c.refused("$iothub/twin/res/"+name+"/?$rid=2", err.Code, err.Name)
			c.quiet()
		})
	}
}
