package endpoints_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/endpoints"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// receiver is somebody who takes events.
type receiver struct {
	*httptest.Server
	shy    bool             // it does not shake hands
	answer http.HandlerFunc // of notifications; nil: status

	mu       sync.Mutex
	status   []int // of the answers to come; 200 after them
	requests []received
}

type received struct {
	method string
	header http.Header
	body   string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, received{request.Method, request.Header, string(body)})
	switch {
	case request.Method == http.MethodOptions && !r.shy:
		w.Header().Set("WebHook-Allowed-Origin", request.Header.Get("WebHook-Request-Origin"))
	case request.Header.Get("Aeg-Event-Type") == "SubscriptionValidation" && !r.shy:
		var events []struct {
			Data struct{ ValidationCode string }
		}
		_ = json.Unmarshal(body, &events)
		_ = json.NewEncoder(w).Encode(map[string]string{"validationResponse": events[0].Data.ValidationCode})
	case r.answer != nil:
		r.answer(w, request)
	case len(r.status) > 0:
		w.WriteHeader(r.status[0])
		r.status = r.status[1:]
	}
}

// answers has it answer the next requests with these statuses.
func (r *receiver) answers(status ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// took is what it was sent since the last call.
func (r *receiver) took() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

// settings are a webhook's; more continues them.
func (r *receiver) settings(more string) string { return fmt.Sprintf(`{"url":%q%s}`, r.URL, more) }

func TestAWebhookIsAskedFirst(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	sink := must(t, endpoints.Opener{}, "webhook", r.settings(""))
	deliver(t, sink, telemetry(`{"t":21}`))
	deliver(t, sink, telemetry(`{"t":22}`))
	took := r.took()
	require.Len(t, took, 3, "asked once, then two messages")
	assert.Equal(t, "SubscriptionValidation", took[0].header.Get("aeg-event-type"))
	assert.Equal(t, "archive", took[0].header.Get("aeg-subscription-name"))
	assert.Contains(t, took[0].body, `"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"`)
	assert.Equal(t, "Notification", took[1].header.Get("aeg-event-type"))
	assert.Equal(t, "0", took[1].header.Get("aeg-delivery-count"))
}

func TestAWebhookThatDoesNotAnswerGetsNothing(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", `,"schema":"cloudEvents"`} {
		r := newReceiver(t)
		r.shy = true
		sink := must(t, endpoints.Opener{}, "webhook", r.settings(more))
		done, err := sink.Deliver(t.Context(), telemetry("1"))
		require.ErrorContains(t, err, "the webhook did not")
		assert.Zero(t, done)
		assert.Len(t, r.took(), 1)
	}
}

// The message's id stays, so that a receiver knows it again.
func TestAWebhookIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	sink := must(t, endpoints.Opener{}, "webhook", r.settings(""))
	deliver(t, sink, telemetry("0"))
	r.took()
	batch := telemetry("0", "1", "2")
	r.answers(204, 503)
	done, err := sink.Deliver(t.Context(), batch)
	require.ErrorContains(t, err, "answered 503")
	assert.Equal(t, 1, done)
	deliver(t, sink, batch[done:])
	took := r.took()
	require.Len(t, took, 4)
	assert.Equal(t, idOf(t, took[1]), idOf(t, took[2]))
	assert.NotEqual(t, idOf(t, took[2]), idOf(t, took[3]))
	assert.Equal(t, "0", took[1].header.Get("aeg-delivery-count"))
	assert.Equal(t, "1", took[2].header.Get("aeg-delivery-count"))
	assert.Equal(t, "0", took[3].header.Get("aeg-delivery-count"))
}

func idOf(t *testing.T, r received) string {
	t.Helper()
	var events []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(r.body), &events))
	require.NotEmpty(t, events[0].ID)
	return events[0].ID
}

func TestAMessageThatIsRefusedForGoodIsDropped(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	refused := map[string]int{}
	sink, err := endpoints.Opener{}.Open(
		routing.Endpoint{Name: "hook", Type: "webhook", Settings: json.RawMessage(r.settings(""))},
		hub.SinkOptions{Hub: "plant", Log: "0123456789abcdef", Clock: clock.NewManual(moment), Refused: func(n int, why string) { refused[why] += n }},
	)
	require.NoError(t, err)
	defer func() { assert.NoError(t, sink.Close()) }()
	r.answers(413, 400, 401)
	deliver(t, sink, telemetry("0", "1", "2", "3"))
	assert.Len(t, r.took(), 5)
	assert.Equal(t, map[string]int{"the webhook answered 413": 1, "the webhook answered 400": 1, "the webhook answered 401": 1}, refused)
}

// hijacked answers with bytes of one's own, and hangs up.
func hijacked(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// What is wrong with a webhook is told without its URL, which may hold a key, and
// without what it sent, which may hold the URL.
func TestAWebhookThatMisbehavesHasTakenNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		timeout string
		want    string
	}{
		"it hangs up":             {hijacked(""), "1m", "hung up instead of answering"},
		"it hangs up in a header": {hijacked("HTTP/1.1 200 OK\r\nContent-Le"), "1m", "did not answer as HTTP has it"},
		"it says what it was sent": {func(w http.ResponseWriter, r *http.Request) {
			hijacked("POST "+r.URL.String()+" HTTP/1.1\r\n\r\n")(w, r)
		}, "1m", "did not answer as HTTP has it"},
		"its headers do not end": {func(w http.ResponseWriter, r *http.Request) {
			hijacked("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20))(w, r)
		}, "1m", "the webhook "},
		"it never answers": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "1s", "did not answer in time"},
		"it leads elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/?code=hidden", http.StatusTemporaryRedirect)
		}, "1m", "answered 307"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			settings := fmt.Sprintf(`{"url":"http://user:hidden@%s/?code=hidden","timeout":%q}`, r.Listener.Addr(), c.timeout)
			sink := must(t, endpoints.Opener{}, "webhook", settings)
			deliver(t, sink, telemetry("0"))
			r.answer = c.answer
			done, err := sink.Deliver(t.Context(), telemetry("1"))
			require.ErrorContains(t, err, c.want)
			assert.Zero(t, done)
			assert.NotContains(t, err.Error(), "hidden")
			assert.Less(t, len(err.Error()), 200)
		})
	}
}

// Nobody reads the body of an answer: it may be as it likes.
func TestAWebhookHasAnsweredOnceItsStatusIsThere(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a body that is too short": hijacked("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
		"a body without end": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		},
		"a body that does not come": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			sink := must(t, endpoints.Opener{}, "webhook", r.settings(`,"timeout":"1s"`))
			r.answer = answer
			deliver(t, sink, telemetry("0"))
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	sink := must(t, endpoints.Opener{}, "webhook", r.settings(""))
	r.answers(302)
	_, err := sink.Deliver(t.Context(), telemetry("0"))
	require.ErrorContains(t, err, "answered 302")
}

func TestNobodyIsThereYet(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	sink := must(t, endpoints.Opener{}, "webhook", r.settings(""))
	r.Close()
	done, err := sink.Deliver(t.Context(), telemetry("0"))
	require.Error(t, err)
	assert.Zero(t, done)
}

func TestABatchIsOnePost(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", `,"schema":"cloudEvents"`} {
		r := newReceiver(t)
		sink := must(t, endpoints.Opener{}, "webhook", r.settings(`,"maxEventsPerBatch":2`+more))
		deliver(t, sink, telemetry("0", "1", "2"))
		took := r.took()[1:]
		require.Len(t, took, 2)
		for i, n := range []int{2, 1} {
			var events []map[string]any
			require.NoError(t, json.Unmarshal([]byte(took[i].body), &events))
			assert.Len(t, events, n)
		}
	}
}

// Documents of each kind, but for the id.
func TestEventsInTheEventGridSchema(t *testing.T) {
	t.Parallel()
	const topic = `"topic":"/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/LINARITE/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/PLANT"`
	const rest = `"eventTime":"2026-01-02T03:04:05.6000000Z","metadataVersion":"1"`
	const module = topic + `,"subject":"devices/d1/m1",` + rest + `,"dataVersion":"1"`
	for name, c := range map[string]struct {
		message routing.Message
		want    string
	}{
		"telemetry": {telemetry(`{"t": 21}`)[0], `{` + topic + `,"subject":"devices/d1",` + rest + `,"dataVersion":"",
			"eventType":"Microsoft.Devices.DeviceTelemetry","data":{"properties":{"alert":"<high>","null":""},"systemProperties":{
			"iothub-content-type":"application/json","iothub-content-encoding":"utf-8","iothub-connection-device-id":"d1",
			"iothub-connection-auth-method":"{\"scope\":\"device\"}","iothub-connection-auth-generation-id":"637",
			"iothub-enqueuedtime":"2026-01-02T03:04:05.6000000Z","iothub-message-source":"Telemetry"},"body":{"t":21}}}`},
		"connected": {event(routing.DeviceConnectionStateEvents, "moduleConnected", `{"sequenceNumber":"01"}`), `{` + module + `,
			"eventType":"Microsoft.Devices.DeviceConnected","data":{"deviceConnectionStateEventInfo":{"sequenceNumber":"01"},
			"hubName":"plant","deviceId":"d1","moduleId":"m1"}}`},
		"disconnected": {event(routing.DeviceConnectionStateEvents, "moduleDisconnected", `{"sequenceNumber":"02"}`), `{` + module + `,
			"eventType":"Microsoft.Devices.DeviceDisconnected","data":{"deviceConnectionStateEventInfo":{"sequenceNumber":"02"},
			"hubName":"plant","deviceId":"d1","moduleId":"m1"}}`},
		"created": {event(routing.DeviceLifecycleEvents, "createModuleIdentity",
			`{"deviceId":"d1","moduleId":"m1","etag":"AAAAAAAAAAE=","version":2,"properties":{"desired":{},"reported":{}}}`), `{` + module + `,
			"eventType":"Microsoft.Devices.DeviceCreated","data":{"hubName":"plant","deviceId":"d1","moduleId":"m1","twin":{
			"deviceId":"d1","moduleId":"m1","etag":"AAAAAAAAAAE=","deviceEtag":"null","status":"enabled",
			"statusUpdateTime":"0001-01-01T00:00:00Z","connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z",
			"cloudToDeviceMessageCount":0,"authenticationType":"sas","x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
			"version":2,"properties":{"desired":{},"reported":{}}}}}`},
		"deleted": {event(routing.DeviceLifecycleEvents, "deleteModuleIdentity",
			`{"deviceId":"d1","moduleId":"m1","etag":"e","version":3,"tags":{"a":1},"properties":{}}`), `{` + module + `,
			"eventType":"Microsoft.Devices.DeviceDeleted","data":{"hubName":"plant","deviceId":"d1","moduleId":"m1","twin":{
			"deviceId":"d1","moduleId":"m1","etag":"e","deviceEtag":"null","status":"enabled",
			"statusUpdateTime":"0001-01-01T00:00:00Z","connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z",
			"cloudToDeviceMessageCount":0,"authenticationType":"sas","x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
			"version":3,"tags":{"a":1},"properties":{}}}}`},
		"a changed twin": {event(routing.TwinChangeEvents, "updateTwin", `{"version":3}`), `{` + module + `,
			"eventType":"Linarite.TwinChangeEvents","data":{"properties":{"opType":"updateTwin"},"systemProperties":{
			"iothub-content-type":"application/json","iothub-content-encoding":"utf-8","iothub-connection-device-id":"d1",
			"iothub-connection-module-id":"m1","iothub-enqueuedtime":"2026-01-02T03:04:05.6000000Z",
			"iothub-message-source":"twinChangeEvents"},"body":{"version":3}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			deliver(t, must(t, endpoints.Opener{}, "webhook", r.settings("")), []routing.Message{c.message})
			took := r.took()[1]
			assert.Equal(t, "application/json; charset=utf-8", took.header.Get("Content-Type"))
			var events []map[string]any
			require.NoError(t, json.Unmarshal([]byte(took.body), &events))
			require.Len(t, events, 1)
			assert.Equal(t, "01234567-89ab-cdef-0000-000000000000", events[0]["id"])
			delete(events[0], "id")
			text, err := json.Marshal(events[0])
			require.NoError(t, err)
			assert.JSONEq(t, c.want, string(text))
		})
	}
}

func TestCloudEvents(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	deliver(t, must(t, endpoints.Opener{}, "webhook", r.settings(`,"schema":"cloudEvents"`)),
		[]routing.Message{event(routing.DeviceConnectionStateEvents, "moduleConnected", `{"sequenceNumber":"01"}`)})
	took := r.took()
	require.Len(t, took, 2)
	assert.Equal(t, http.MethodOptions, took[0].method)
	assert.Equal(t, "eventgrid.azure.net", took[0].header.Get("WebHook-Request-Origin"))
	assert.Equal(t, "eventgrid.azure.net", took[1].header.Get("Origin"))
	assert.Equal(t, "application/cloudevents+json; charset=utf-8", took[1].header.Get("Content-Type"))
	var one map[string]any
	require.NoError(t, json.Unmarshal([]byte(took[1].body), &one))
	delete(one, "id")
	text, err := json.Marshal(one)
	require.NoError(t, err)
	assert.JSONEq(t, `{"specversion":"1.0","type":"Microsoft.Devices.DeviceConnected","subject":"devices/d1/m1",
		"source":"/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/LINARITE/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/PLANT",
		"time":"2026-01-02T03:04:05.6000000Z","datacontenttype":"application/json",
		"data":{"deviceConnectionStateEventInfo":{"sequenceNumber":"01"},"hubName":"plant","deviceId":"d1","moduleId":"m1"}}`, string(text))
}

// Whatever a device sends makes an event.
func FuzzEvent(f *testing.F) {
	f.Add("application/json", "utf-8", "key", "value", []byte(`{"a":1}`))
	f.Add("application/json; charset=UTF-8", "", "", "\xff", []byte("\xff"))
	f.Add(";;", "utf-16", "\x00", "<>", []byte(nil))
	f.Fuzz(func(t *testing.T, contentType, encoding, name, value string, body []byte) {
		m := routing.Message{
			Source: routing.DeviceMessages, Enqueued: moment, Origin: &iot.Origin{Identity: iot.Device("d1")},
			Message: iot.Message{
				System:     iot.Properties{{Name: iot.ContentType, Value: contentType}, {Name: iot.ContentEncoding, Value: encoding}},
				Properties: iot.Properties{{Name: name, Value: value}}, Body: body,
			},
		}
		for _, text := range [][]byte{endpoints.EncodeRecord(&m), endpoints.EncodeEvent(&m)} {
			if !json.Valid(text) {
				t.Fatalf("%q is no JSON", text)
			}
		}
	})
}
