package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

var update = flag.Bool("update", false, "write what endpoints were given to testdata")

// hook is a webhook of a test, which wants events in either schema.
type hook struct {
	events chan json.RawMessage // those that were welcome
	status atomic.Int32         // of the answers to events
	shy    atomic.Bool          // it does not say that it wants events
	asked  chan json.RawMessage // the validation events that came meanwhile
}

func startHook(t *testing.T, addr string) *hook {
	t.Helper()
	h := &hook{events: make(chan json.RawMessage, 200_000), asked: make(chan json.RawMessage, 100)}
	h.status.Store(http.StatusOK)
	listener, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	server := &http.Server{Handler: h, ReadHeaderTimeout: harness.Deadline}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		return
	}
	events := []json.RawMessage{body.Bytes()}
	if strings.HasPrefix(body.String(), "[") {
		_ = json.Unmarshal(body.Bytes(), &events)
	}
	switch {
	case h.shy.Load() && r.Method == http.MethodOptions:
	case h.shy.Load() && r.Header.Get("Aeg-Event-Type") == "SubscriptionValidation":
		h.asked <- events[0]
	case r.Method == http.MethodOptions:
		w.Header().Set("WebHook-Allowed-Origin", "eventgrid.azure.net")
	case r.Header.Get("Aeg-Event-Type") == "SubscriptionValidation":
		var e struct {
			Data struct{ ValidationCode string }
		}
		_ = json.Unmarshal(events[0], &e)
		_ = json.NewEncoder(w).Encode(map[string]string{"validationResponse": e.Data.ValidationCode})
	case h.status.Load() != http.StatusOK:
		w.WriteHeader(int(h.status.Load()))
	default:
		for _, e := range events {
			h.events <- e
		}
	}
}

// take is the next n events.
func (h *hook) take(t *testing.T, n int) (taken []json.RawMessage) {
	t.Helper()
	for range n {
		taken = append(taken, next(t, h.events))
	}
	return taken
}

// next is what comes next.
func next[T any](t *testing.T, from <-chan T) (one T) {
	t.Helper()
	select {
	case one = <-from:
	case <-time.After(harness.Deadline):
		require.FailNow(t, "nothing comes")
	}
	return one
}

// endpointView is what the control API says of an endpoint.
type endpointView struct {
	Health struct {
		State, Reason string
		Attempts      int `json:"failedAttempts"`
	}
	Waiting, Accepted, Delivered, Dropped int
}

func viewEndpoint(t *testing.T, h *harness.Hub, name string) (v endpointView) {
	t.Helper()
	h.Control(t, http.MethodGet, "/v1/endpoints/"+name, nil, &v)
	return v
}

func awaitEndpoint(t *testing.T, h *harness.Hub, name string, ready func(endpointView) bool) (v endpointView) {
	t.Helper()
	require.Eventually(t, func() bool { v = viewEndpoint(t, h, name); return ready(v) }, harness.Deadline, 5*time.Millisecond, "%+v", &v)
	return v
}

// startWith runs a hub at an address with a configuration, and gives its folder.
func startWith(t *testing.T, at, config string) (h *harness.Hub, folder string) {
	t.Helper()
	folder = t.TempDir()
	path := filepath.Join(folder, "linarite.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	return harness.Start(t, harness.Options{Address: at, Args: []string{"--config", path}}), folder
}

// Every source there is, to every type of endpoint there is: what each is given is
// compared with testdata/endpoints, but for moments and numbers.
func TestEverySourceReachesEveryEndpoint(t *testing.T) {
	t.Parallel()
	const at = endpointAddress
	grid, cloud := startHook(t, at+":9000"), startHook(t, at+":9001")
	sources := []string{
		"DeviceMessages", "TwinChangeEvents", "DeviceLifecycleEvents", "DeviceConnectionStateEvents",
		"DeviceJobLifecycleEvents", "DigitalTwinChangeEvents",
	}
	config := `
endpoints:
  - {name: archive, file: {path: archive.jsonl}}
  - {name: grid, webhook: {url: "http://` + at + `:9000/?code=hidden-1"}}
  - {name: cloud, webhook: {url: "http://user:hidden-2@` + at + `:9001", schema: cloudEvents}}
routes:
`
	for _, s := range sources {
		config += "  - {name: " + s + ", source: " + s + ", endpointNames: [archive, grid, cloud, events]}\n"
	}
	h, folder := startWith(t, at, config)
	liveThrough(t, identity{h.CreateDevice(t, "alive"), h})

	const told = 7
	journal := h.WaitEvents(t, told, harness.Filter{})
	require.Len(t, journal, told)
	for _, name := range []string{"archive", "grid", "cloud"} {
		v := awaitEndpoint(t, h, name, func(v endpointView) bool { return v.Delivered == told })
		assert.Equal(t, "healthy", v.Health.State)
	}
	var shown []json.RawMessage
	for _, e := range journal {
		text, err := json.Marshal(e)
		require.NoError(t, err)
		shown = append(shown, text)
	}
	compare(t, "events", shown)
	written, err := os.ReadFile(filepath.Join(folder, "archive.jsonl"))
	require.NoError(t, err)
	var records []json.RawMessage
	for line := range bytes.Lines(written) {
		records = append(records, line)
	}
	compare(t, "archive", records)
	compare(t, "grid", grid.take(t, told))
	compare(t, "cloud", cloud.take(t, told))
	assert.NotContains(t, h.Log(), "hidden")
}

// liveThrough has a device do everything that the hub tells of, and go.
func liveThrough(t *testing.T, d identity) {
	t.Helper()
	hello := d.hello()
	hello.user += "&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1"
	c := d.enter(t, hello, accepted)
	c.send(publish(1, d.events()+asJSON+"&%24.mid=m-1&alert=%3Chigh%3E&alone", `{"temperature": 21.50}`))
	c.expect(puback(1))
	c.subscribe(0, twinAnswers)
	c.send(publish(0, patch+"1", `{"targetTemperature":20}`))
	require.Contains(t, c.publication().topic, "/res/204/")
	d.hub.Advance(t, time.Minute)
	c.leave()
	require.Eventually(t, func() bool { return !d.connection(t).Connected }, harness.Deadline, time.Millisecond)
	d.hub.Advance(t, time.Minute)
	require.Equal(t, 204, d.hub.REST(t, http.MethodDelete, d.restPath("/devices/"), nil, "If-Match", "*").Status)
}

// unlike are the parts of events that no two runs share.
var unlike = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9A-F]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|"\d{18}"|"[0-9a-f]{16}"|"offset": "\d+"|"[A-Za-z0-9+/]{100,}=*"`)

// compare compares what an endpoint was given with testdata.
func compare(t *testing.T, endpoint string, given []json.RawMessage) {
	t.Helper()
	var all bytes.Buffer
	for _, text := range given {
		var indented bytes.Buffer
		require.NoError(t, json.Indent(&indented, text, "", "  "))
		all.Write(unlike.ReplaceAll(bytes.TrimSpace(indented.Bytes()), []byte("…")))
		all.WriteByte('\n')
	}
	path := filepath.Join("testdata", "endpoints", endpoint+".golden")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, all.Bytes(), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), all.String())
}
