package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// call is a direct method that a back end has called and waits for.
type call struct{ done chan outcome }

type outcome struct {
	response harness.Response
	err      error
}

// invoke calls a method as a back end does, in the background.
func (i identity) invoke(t testing.TB, body string) call {
	t.Helper()
	c := call{make(chan outcome, 1)}
	go func() {
		response, err := i.hub.Service("POST", i.restPath("/twins/")+"/methods", body)
		c.done <- outcome{response, err}
	}()
	return c
}

// answer is what the back end got. It must not hang.
func (c call) answer(t testing.TB) harness.Response {
	t.Helper()
	select {
	case o := <-c.done:
		require.NoError(t, o.err)
		return o.response
	case <-time.After(harness.Deadline):
		require.FailNow(t, "the caller of the method hangs")
	}
	return harness.Response{}
}

// failed is answer for a call that has to fail with a code.
func (c call) failed(t testing.TB, status, code int) {
	t.Helper()
	r := c.answer(t)
	require.Equal(t, status, r.Status, "%s", r.Body)
	var envelope struct{ Message string }
	r.JSON(t, &envelope)
	require.Contains(t, envelope.Message, fmt.Sprint(code))
}

// methodCall reads a call of a method and returns its request id.
func (c *client) methodCall(name, body string) string {
	c.t.Helper()
	p := c.publication()
	rid, ok := strings.CutPrefix(p.topic, "$iothub/methods/POST/"+name+"/?$rid=")
	require.True(c.t, ok, p.topic)
	require.NotEmpty(c.t, rid)
	require.NotContains(c.t, rid, "&", "nothing stands after the request id")
	require.Equal(c.t, publication{topic: p.topic, body: body}, p, "QoS 0")
	return rid
}

// listener connects an identity that listens to methods.
func (i identity) listener(t testing.TB) *client {
	t.Helper()
	c := i.join(t)
	c.subscribe(0, methods)
	return c
}

func TestADirectMethod(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked string // of the back end
		gets  string // body for the device
		topic string // where the device answers; RID stands for the request id
		says  string // body from the device
		want  string // for the back end
	}{
		"an object both ways": {
			`{"methodName":"reboot","payload":{"a":[1,2.50]}}`, `{"a":[1,2.50]}`,
			"200/?$rid=RID", `{"b":true}`, `{"status":200,"payload":{"b":true}}`,
		},
		"no body either way": {`{"methodName":"m"}`, ``, "200/?$rid=RID", ``, `{"status":200,"payload":null}`},
		"null both ways":     {`{"methodName":"m","payload":null}`, `null`, "200/?$rid=RID", `null`, `{"status":200,"payload":null}`},
		"plain values":       {`{"methodName":"m","payload":"<&>"}`, `"<&>"`, "200/?$rid=RID", `12`, `{"status":200,"payload":12}`},
		"a status that is no HTTP status": {
			`{"methodName":"m"}`, ``, "42/?$rid=RID", `{}`, `{"status":42,"payload":{}}`,
		},
		"a negative status":        {`{"methodName":"m"}`, ``, "-1/?$rid=RID", `{}`, `{"status":-1,"payload":{}}`},
		"a failure":                {`{"methodName":"m"}`, ``, "500/?$rid=RID", `{"error":"no"}`, `{"status":500,"payload":{"error":"no"}}`},
		"more in the topic":        {`{"methodName":"m"}`, ``, "200/?$rid=RID&x=1", `{}`, `{"status":200,"payload":{}}`},
		"the dollar sign encoded":  {`{"methodName":"m"}`, ``, "200/?%24rid=RID", `{}`, `{"status":200,"payload":{}}`},
		"space around the payload": {`{"methodName":"m"}`, ``, "200/?$rid=RID", ` {} `, `{"status":200,"payload":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			device := newDevice(t)
			for _, who := range []identity{device, device.module(t)} {
				client := who.listener(t)
				call := who.invoke(t, c.asked)
				var asked struct{ MethodName string }
				require.NoError(t, json.Unmarshal([]byte(c.asked), &asked))
				rid := client.methodCall(asked.MethodName, c.gets)
				client.send(publish(1, "$iothub/methods/res/"+strings.ReplaceAll(c.topic, "RID", rid), c.says))
				client.expect(puback(1))
				r := call.answer(t)
				require.Equal(t, 200, r.Status)
				require.Equal(t, c.want, string(r.Body))
			}
		})
	}
}

// TestAnAnswerThatIsNone: the caller never hangs, whatever the device answers.
func TestAnAnswerThatIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		topic string
		why   string
	}{
		"a status that is a word":   {"ok/?$rid=RID", "is no integer"},
		"a status with a fraction":  {"200.5/?$rid=RID", "is no integer"},
		"a status out of range":     {"99999999999/?$rid=RID", "is no integer"},
		"no status":                 {"/?$rid=RID", "is no integer"},
		"no request id":             {"200/?x=RID", "without a $rid"},
		"an empty request id":       {"200/?$rid=", "with an empty $rid"},
		"no query":                  {"200/RID", "without a $rid"},
		"no slash before the query": {"200?$rid=RID", "without a $rid"},
		"an illegal request id":     {"200/?$rid=RID/x", "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			client := d.listener(t)
			call := d.invoke(t, `{"methodName":"m"}`)
			rid := client.methodCall("m", "")
			client.send(publish(1, "$iothub/methods/res/"+strings.ReplaceAll(c.topic, "RID", rid), "{}"))
			d.cutOff(client, 400004, c.why)
			call.failed(t, 404, 404103)
		})
	}
	t.Run("a body that is no JSON fails the call and nothing else", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		client := d.listener(t)
		for _, body := range []string{"{", "hello", "{}{}", `{"a":1,}`, "\xff", " "} {
			call := d.invoke(t, `{"methodName":"m"}`)
			client.send(publish(0, "$iothub/methods/res/200/?$rid="+client.methodCall("m", ""), body))
			call.failed(t, 400, 400012)
		}
		client.ping()
	})
	t.Run("a body over 128 KB fails the call and nothing else", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		client := d.listener(t)
		call := d.invoke(t, `{"methodName":"m"}`)
		rid := client.methodCall("m", "")
		client.send(publish(0, "$iothub/methods/res/200/?$rid="+rid, `"`+strings.Repeat("x", 128*1024-1)+`"`))
		call.failed(t, 413, 413001)
		client.ping()
	})
	t.Run("a body of 128 KB is one", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		client := d.listener(t)
		call := d.invoke(t, `{"methodName":"m"}`)
		rid := client.methodCall("m", "")
		client.send(publish(0, "$iothub/methods/res/200/?$rid="+rid, `"`+strings.Repeat("x", 128*1024-2)+`"`))
		require.Equal(t, 200, call.answer(t).Status)
	})
}

func TestAnAnswerThatNobodyWaitsForIsDropped(t *testing.T) {
	t.Parallel()
	d, e := newDevice(t), newDevice(t)
	client, other := d.listener(t), e.listener(t)
	call := d.invoke(t, `{"methodName":"m"}`)
	rid := client.methodCall("m", "")
	other.send(publish(1, "$iothub/methods/res/500/?$rid="+rid, `"foreign"`))
	other.expect(puback(1))
	client.send(publish(2, "$iothub/methods/res/500/?$rid=unknown", `"unknown"`))
	client.expect(puback(2))
	client.send(publish(3, "$iothub/methods/res/200/?$rid="+rid, `"mine"`))
	client.expect(puback(3))
	require.Equal(t, `{"status":200,"payload":"mine"}`, string(call.answer(t).Body))
	client.send(publish(4, "$iothub/methods/res/500/?$rid="+rid, `"late"`))
	client.expect(puback(4))
	client.ping()
	other.ping()
}

func TestAMethodThatCannotBeDelivered(t *testing.T) {
	t.Parallel()
	const body = `{"methodName":"m"}`
	t.Run("the device is offline", func(t *testing.T) {
		t.Parallel()
		newDevice(t).invoke(t, body).failed(t, 404, 404103)
	})
	t.Run("the device is connected and does not listen", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.join(t)
		c.subscribe(1, twinAnswers, desired, d.deviceBound())
		d.invoke(t, body).failed(t, 404, 404103)
		c.ping()
	})
	t.Run("its module listens, the device does not", func(t *testing.T) {
		t.Parallel()
		m := newModule(t)
		c := m.listener(t)
		d := m
		d.ModuleID = ""
		d.invoke(t, body).failed(t, 404, 404103)
		c.ping()
	})
	t.Run("the device has unsubscribed", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.listener(t)
		c.send(unsubscribe(1, methods))
		c.expect(packetOf(0xB0, 0, 1))
		d.invoke(t, body).failed(t, 404, 404103)
	})
	t.Run("there is no such device", func(t *testing.T) {
		t.Parallel()
		nobody := identity{harness.Identity{Host: hub.Address, DeviceID: "nobody"}, hub}
		nobody.invoke(t, body).failed(t, 404, 404001)
	})
	t.Run("there is no such module", func(t *testing.T) {
		t.Parallel()
		nobody := newDevice(t)
		nobody.ModuleID = "nobody"
		nobody.invoke(t, body).failed(t, 404, 404010)
	})
	t.Run("the payload is over 128 KB", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.listener(t)
		d.invoke(t, `{"methodName":"m","payload":"`+strings.Repeat("x", 128*1024-1)+`"}`).failed(t, 413, 413001)
		c.ping()
	})
}

func TestADeviceThatGoesWhileTheCallerWaits(t *testing.T) {
	t.Parallel()
	const body = `{"methodName":"m"}`
	t.Run("the connection ends while the caller waits", func(t *testing.T) {
		t.Parallel()
		for _, end := range []func(*client){(*client).leave, (*client).vanish} {
			d := newDevice(t)
			c := d.listener(t)
			call := d.invoke(t, body)
			c.methodCall("m", "")
			end(c)
			call.failed(t, 404, 404103)
		}
	})
	t.Run("a newer connection comes while the caller waits", func(t *testing.T) {
		t.Parallel()
		d := newDevice(t)
		c := d.listener(t)
		call := d.invoke(t, body)
		c.methodCall("m", "")
		d.join(t)
		call.failed(t, 404, 404103)
	})
}

func TestACallerMayWaitForTheDevice(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	call := d.invoke(t, `{"methodName":"m","connectTimeoutInSeconds":15,"responseTimeoutInSeconds":15}`)
	c := d.join(t)
	c.ping()
	c.subscribe(0, methods)
	c.send(publish(0, "$iothub/methods/res/200/?$rid="+c.methodCall("m", ""), `"here"`))
	require.Equal(t, `{"status":200,"payload":"here"}`, string(call.answer(t).Body))
}

func TestManyCallsAtOnceKeepTheirAnswersApart(t *testing.T) {
	t.Parallel()
	const crowd = 20
	d := newDevice(t)
	c := d.listener(t)
	calls := map[string]call{}
	rids := map[string]string{}
	for i := range crowd {
		name := fmt.Sprintf("m%d", i)
		calls[name] = d.invoke(t, fmt.Sprintf(`{"methodName":%q}`, name))
	}
	for range crowd {
		p := c.publication()
		segments := strings.Split(p.topic, "/")
		rids[segments[3]] = strings.TrimPrefix(segments[4], "?$rid=")
	}
	require.Len(t, rids, crowd)
	for name, rid := range rids {
		c.send(publish(0, "$iothub/methods/res/200/?$rid="+rid, fmt.Sprintf("%q", name)))
	}
	for name, call := range calls {
		require.Equal(t, fmt.Sprintf(`{"status":200,"payload":%q}`, name), string(call.answer(t).Body))
	}
}
