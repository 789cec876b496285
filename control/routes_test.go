package control_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/routing"
	"github.com/linarite/linarite/twin"
)

// down is an endpoint that takes nothing.
type down struct{}

func (down) Deliver(context.Context, []routing.Message) (int, error) {
	return 0, errors.New("out of order")
}
func (down) Close() error { return nil }

// openSink knows endpoints of type file only.
func openSink(e routing.Endpoint, _ hub.SinkOptions) (hub.Sink, error) {
	if e.Type != "file" {
		return nil, iot.ErrArgumentInvalid.Because("there are no endpoints of type %q", e.Type)
	}
	return down{}, nil
}

func (d *desk) put(path, body string) answer {
	d.t.Helper()
	a := d.ask("PUT", path, body)
	require.Equal(d.t, http.StatusOK, a.status, a.body)
	return a
}

func TestRoutesComeChangeAndGo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	assert.JSONEq(t, `{"routes":[],"fallbackRoute":{"isEnabled":true}}`, d.ask("GET", "/v1/routes", "").body)

	hot := `{"name":"hot","source":"DeviceMessages","condition":"level = 'high'","endpointNames":["events"],"isEnabled":true}`
	assert.JSONEq(t, hot, d.put("/v1/routes/hot", `{"source":"DeviceMessages","condition":"level = 'high'","endpointNames":["events"]}`).body)
	twins := `{"name":"twins","source":"TwinChangeEvents","condition":"true","endpointNames":["events"],"isEnabled":false}`
	assert.JSONEq(t, twins, d.put("/v1/routes/twins", `{"name":"twins","source":"TwinChangeEvents","endpointNames":["events"],"isEnabled":false}`).body)
	assert.JSONEq(t, hot, d.ask("GET", "/v1/routes/hot", "").body)
	assert.JSONEq(t, `{"routes":[`+hot+`,`+twins+`],"fallbackRoute":{"isEnabled":true}}`, d.ask("GET", "/v1/routes", "").body)

	hot = `{"name":"HOT","source":"DeviceMessages","condition":"level = 'low'","endpointNames":["events"],"isEnabled":true}`
	d.put("/v1/routes/HOT", hot)
	assert.JSONEq(t, hot, d.ask("GET", "/v1/routes/hot", "").body, "the case of names does not matter")
	assert.JSONEq(t, `{"routes":[`+hot+`,`+twins+`],"fallbackRoute":{"isEnabled":true}}`, d.ask("GET", "/v1/routes", "").body)

	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/routes/hot", "").status)
	d.ask("DELETE", "/v1/routes/hot", "").refused(t, 404, "GenericNotFound", `there is no route "hot"`)
	d.ask("GET", "/v1/routes/hot", "").refused(t, 404, "GenericNotFound", `there is no route "hot"`)
	assert.JSONEq(t, `{"routes":[`+twins+`],"fallbackRoute":{"isEnabled":true}}`, d.ask("GET", "/v1/routes", "").body)
}

func TestARouteMayBeCalledTest(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put("/v1/routes/test", `{"source":"DeviceMessages","endpointNames":["events"]}`)
	assert.Contains(t, d.ask("GET", "/v1/routes/test", "").body, `"name":"test"`)
	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/routes/test", "").status)
}

func TestTheFallbackRouteIsSwitched(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	assert.JSONEq(t, `{"isEnabled":false}`, d.put("/v1/routes/$fallback", `{"isEnabled":false}`).body)
	assert.JSONEq(t, `{"isEnabled":false}`, d.ask("GET", "/v1/routes/$fallback", "").body)
	d.ask("PUT", "/v1/routes/$fallback", `{}`).refused(t, 400, "ArgumentNull", "isEnabled is missing")
	d.ask("DELETE", "/v1/routes/$fallback", "").refused(t, 400, "InvalidOperation", "cannot be deleted")

	v := d.connect(iot.Device("d1"))
	v.Telemetry(iot.Message{})
	assert.Contains(t, d.ask("GET", "/v1/events", "").body, `"events":[]`)
	assert.Contains(t, d.ask("GET", "/metrics", "").body, `linarite_routing_messages_total{outcome="orphaned"} 1`)
	d.put("/v1/routes/$fallback", `{"isEnabled":true}`)
	v.Telemetry(iot.Message{})
	assert.Contains(t, d.ask("GET", "/v1/events", "").body, `"source":"Telemetry"`)
	assert.Contains(t, d.ask("GET", "/metrics", "").body, `linarite_routing_messages_total{outcome="fallback"} 1`)
}

func TestARouteThatIsNotRightIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct{ name, path, body, code, because string }{
		{"another name", "/v1/routes/a", `{"name":"b","source":"DeviceMessages","endpointNames":["events"]}`, "ArgumentInvalid", `the body is about "b", the path about "a"`},
		{"no endpoint", "/v1/routes/a", `{"source":"DeviceMessages"}`, "ArgumentInvalid", "must name an endpoint"},
		{"no source", "/v1/routes/a", `{"endpointNames":["events"]}`, "ArgumentInvalid", "routes[0].source: must be DeviceMessages"},
		{"a bad condition", "/v1/routes/a", `{"source":"DeviceMessages","endpointNames":["events"],"condition":"a ="}`, "ArgumentInvalid", "routes[0].condition: Error at column 4"},
		{"an unknown member", "/v1/routes/a", `{"enabled":true}`, "DeserializationError", `unknown field "enabled"`},
		{"no body", "/v1/routes/a", ``, "DeserializationError", "the body is missing"},
		{"a bad name", "/v1/routes/a%20b", `{"source":"DeviceMessages","endpointNames":["events"]}`, "ArgumentInvalid", "routes[0].name"},
		{"an endpoint without a type", "/v1/endpoints/a", `{}`, "ArgumentNull", "the type is missing"},
		{"an endpoint of two types", "/v1/endpoints/a", `{"file":{},"webhook":{}}`, "ArgumentInvalid", "an endpoint has one type; there are file and webhook"},
		{"an endpoint of an unknown type", "/v1/endpoints/a", `{"kafka":{}}`, "ArgumentInvalid", `there are no endpoints of type "kafka"`},
		{"settings that are text", "/v1/endpoints/a", `{"file":"x"}`, "DeserializationError", "file must be an object"},
		{"a name that is a number", "/v1/endpoints/a", `{"name":1,"file":{}}`, "DeserializationError", "name must be a string"},
		{"another endpoint's name", "/v1/endpoints/a", `{"name":"b","file":{}}`, "ArgumentInvalid", `the body is about "b"`},
		{"the built-in endpoint", "/v1/endpoints/events", `{"file":{}}`, "ArgumentInvalid", "events is reserved"},
		{"an enrichment of nothing", "/v1/enrichments/a", `{"value":"v","endpointNames":[]}`, "ArgumentInvalid", "must name an endpoint"},
		{"an enrichment of the body", "/v1/enrichments/a", `{"value":"$body.x","endpointNames":["events"]}`, "ArgumentInvalid", "is no text"},
		{"another key", "/v1/enrichments/a", `{"key":"b","value":"v","endpointNames":["events"]}`, "ArgumentInvalid", `the body is about "b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d.ask("PUT", c.path, c.body).refused(t, 400, c.code, c.because)
		})
	}
}

func TestEndpointsComeChangeAndGo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	assert.JSONEq(t, `{"endpoints":[]}`, d.ask("GET", "/v1/endpoints", "").body)
	fresh := `{"name":"archive","file":%s,"health":{"state":"unknown"},"waiting":0,"waitingBytes":0,"accepted":0,"delivered":0,"dropped":0}`
	assert.JSONEq(t, fmt.Sprintf(fresh, `{"path":"x"}`), d.put("/v1/endpoints/archive", `{"file":{"path":"x"}}`).body)
	assert.JSONEq(t, `{"endpoints":[`+fmt.Sprintf(fresh, `{"path":"x"}`)+`]}`, d.ask("GET", "/v1/endpoints", "").body)
	assert.JSONEq(t, fmt.Sprintf(fresh, `{"path":"y"}`), d.put("/v1/endpoints/archive", `{"name":"archive","file":{"path":"y"}}`).body)

	d.put("/v1/routes/all", `{"source":"DeviceMessages","endpointNames":["archive"]}`)
	d.ask("DELETE", "/v1/endpoints/archive", "").refused(t, 400, "ArgumentInvalid", `routes[0].endpointNames[0]: there is no endpoint "archive"`)
	d.connect(iot.Device("d1")).Telemetry(iot.Message{Body: []byte("x")})
	require.Eventually(t, func() bool {
		return strings.Contains(d.ask("GET", "/v1/endpoints/archive", "").body, `"unhealthy"`)
	}, 10*time.Second, time.Millisecond)
	a := d.ask("GET", "/v1/endpoints/archive", "")
	assert.JSONEq(t, `{"name":"archive","file":{"path":"y"},"waiting":1,"waitingBytes":103,"accepted":1,"delivered":0,"dropped":0,
		"health":{"state":"unhealthy","since":"2026-11-24T10:00:00.000Z","failingSince":"2026-11-24T10:00:00.000Z","failedAttempts":1,"reason":"out of order"}}`, a.body)
	figures := d.ask("GET", "/metrics", "").body
	assert.Contains(t, figures, `linarite_endpoint_messages_total{endpoint="archive",outcome="accepted"} 1`)
	assert.Contains(t, figures, `linarite_endpoint_waiting_messages{endpoint="archive"} 1`)
	assert.Contains(t, figures, `linarite_endpoint_state{endpoint="archive",state="unhealthy"} 1`)

	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/routes/all", "").status)
	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/endpoints/archive", "").status)
	d.ask("GET", "/v1/endpoints/archive", "").refused(t, 404, "GenericNotFound", `there is no endpoint "archive"`)
	d.ask("DELETE", "/v1/endpoints/archive", "").refused(t, 404, "GenericNotFound", `there is no endpoint "archive"`)
}

func TestEnrichmentsComeChangeAndGo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	assert.JSONEq(t, `{"enrichments":[]}`, d.ask("GET", "/v1/enrichments", "").body)
	d.put("/v1/enrichments/floor", `{"value":"ground","endpointNames":["events"]}`)
	floor := `{"key":"floor","value":"$twin.tags.floor","endpointNames":["events"]}`
	assert.JSONEq(t, floor, d.put("/v1/enrichments/floor", floor).body)
	assert.JSONEq(t, floor, d.ask("GET", "/v1/enrichments/floor", "").body)
	assert.JSONEq(t, `{"enrichments":[`+floor+`]}`, d.ask("GET", "/v1/enrichments", "").body)

	v := d.connect(iot.Device("d1"))
	_, err := d.hub.PatchTwin(iot.Device("d1"), twin.Update{Tags: []byte(`{"floor":3}`)}, "")
	require.NoError(t, err)
	v.Telemetry(iot.Message{Properties: iot.Properties{{Name: "own", Value: "1"}}})
	assert.Contains(t, d.ask("GET", "/v1/events", "").body, `"properties":{"floor":"3","own":"1"}`)

	assert.Equal(t, http.StatusNoContent, d.ask("DELETE", "/v1/enrichments/floor", "").status)
	d.ask("GET", "/v1/enrichments/floor", "").refused(t, 404, "GenericNotFound", `there is no enrichment "floor"`)
}

func TestRoutesAreTriedWithAMessage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.hub.CreateDeviceWithTwin(registry.Device{ID: "d1"}, twin.Initial{Tags: []byte(`{"floor":3}`)})
	require.NoError(t, err)
	d.put("/v1/routes/hot", `{"source":"DeviceMessages","condition":"level = 'high' AND $body.temperature > 80","endpointNames":["events"]}`)
	d.put("/v1/routes/floor", `{"source":"DeviceMessages","condition":"$twin.tags.floor = 3","endpointNames":["events"]}`)
	d.put("/v1/routes/off", `{"source":"DeviceMessages","endpointNames":["events"],"isEnabled":false}`)
	d.put("/v1/routes/twins", `{"source":"TwinChangeEvents","endpointNames":["events"]}`)
	tried := d.ask("POST", "/v1/routes/test", `{"deviceId":"d1","properties":{"level":"high"},"body":"{\"temperature\":71.5}",
		"contentType":"application/json","contentEncoding":"utf-8"}`)
	assert.JSONEq(t, `{"routes":[
		{"name":"hot","matched":false,"result":"false","clause":"$body.temperature > 80","column":20,
		 "seen":[{"name":"$body.temperature","value":"71.5"}]},
		{"name":"floor","matched":true,"result":"true","clause":"$twin.tags.floor = 3","column":1,
		 "seen":[{"name":"$twin.tags.floor","value":"3"}]},
		{"name":"off","matched":false,"skipped":"disabled"},
		{"name":"twins","matched":false,"skipped":"source"}
	],"fallback":false,"endpointNames":["events"]}`, tried.body)

	tried = d.ask("POST", "/v1/routes/test", `{"deviceId":"d1","twin":{"tags":{"floor":4}},"properties":{"level":"high"},
		"body":"/w==","bodyEncoding":"base64"}`)
	assert.JSONEq(t, `{"routes":[
		{"name":"hot","matched":false,"result":"undefined","clause":"$body.temperature > 80","column":20,
		 "seen":[{"name":"$body.temperature","value":"undefined"}],"error":"the content type (none) is not application/json"},
		{"name":"floor","matched":false,"result":"false","clause":"$twin.tags.floor = 3","column":1,
		 "seen":[{"name":"$twin.tags.floor","value":"4"}]},
		{"name":"off","matched":false,"skipped":"disabled"},
		{"name":"twins","matched":false,"skipped":"source"}
	],"fallback":true,"endpointNames":["events"]}`, tried.body)
	assert.Contains(t, d.ask("GET", "/v1/events", "").body, `"events":[]`, "nothing is sent")

	d.ask("POST", "/v1/routes/test", `{"source":"Telemetry"}`).refused(t, 400, "ArgumentInvalid", `source "Telemetry"`)
	d.ask("POST", "/v1/routes/test", `{"bodyEncoding":"hex"}`).refused(t, 400, "ArgumentInvalid", "must be utf-8 or base64")
	d.ask("POST", "/v1/routes/test", `{"colour":"red"}`).refused(t, 400, "DeserializationError", "unknown field")
}

func TestEveryOtherSourceCanBeTried(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.put("/v1/routes/twins", `{"source":"TwinChangeEvents","condition":"opType = 'updateTwin' AND $dt-subject = 'x'","endpointNames":["events"]}`)
	tried := d.ask("POST", "/v1/routes/test", `{"source":"TwinChangeEvents","deviceId":"d1","moduleId":"m","properties":{"opType":"updateTwin"},"subject":"x"}`)
	assert.Contains(t, tried.body, `"matched":true`)
	assert.Contains(t, tried.body, `"endpointNames":["events"]`)
	tried = d.ask("POST", "/v1/routes/test", `{"source":"DeviceLifecycleEvents"}`)
	assert.Contains(t, tried.body, `"endpointNames":[]`)
}
