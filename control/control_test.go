package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/control"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/registry"
)

var start = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// desk is a hub and its control API. The hub's clock stands until it is
// advanced.
type desk struct {
	t   *testing.T
	hub *hub.Hub
	url string
}

func newDesk(t *testing.T, change ...func(*control.Options)) *desk {
	t.Helper()
	h, err := hub.New(hub.Options{
		Hostnames: []string{"127.0.0.1", "hub.example"}, Clock: clock.NewManual(start), OpenSink: openSink,
	})
	require.NoError(t, err)
	o := control.Options{
		Hub: h, CA: []byte("-----BEGIN CERTIFICATE-----\n"), HTTPS: "127.0.0.1:8443", Hosts: []string{"linarite"}, Version: "v1.2.3",
	}
	for _, c := range change {
		c(&o)
	}
	s := httptest.NewServer(control.Handler(o))
	t.Cleanup(func() { s.Close(); h.Close() })
	return &desk{t: t, hub: h, url: s.URL}
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request and checks the answer against the OpenAPI document.
func (d *desk) ask(method, path, body string) answer {
	d.t.Helper()
	a := d.send(d.request(method, path, body))
	checkAnswer(d.t, method, path, a)
	return a
}

func (d *desk) request(method, path, body string) *http.Request {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	require.NoError(d.t, err)
	return r
}

func (d *desk) send(r *http.Request) answer {
	d.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	require.NoError(d.t, err)
	defer func() { assert.NoError(d.t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(d.t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// into reads a document of an answer that must have the status.
func (a answer) into(t *testing.T, status int, doc any) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.NoError(t, json.Unmarshal([]byte(a.body), doc))
}

// refused checks a refusal.
func (a answer) refused(t *testing.T, status int, code, because string) {
	t.Helper()
	var doc struct {
		Error struct{ Code, Message string }
	}
	a.into(t, status, &doc)
	assert.Equal(t, code, doc.Error.Code)
	assert.Contains(t, doc.Error.Message, because)
}

// device is a connected device that keeps what it gets.
type device struct {
	*hub.Session
	messages chan c2d.Delivery
	closed   chan error
}

func (v *device) Message(m c2d.Delivery) { v.messages <- m }
func (v *device) Method(methods.Request) {}
func (v *device) Desired(int64, []byte)  {}
func (v *device) Close(reason error)     { v.closed <- reason }

// connect registers a device or module and connects it.
func (d *desk) connect(id iot.Identity) *device {
	d.t.Helper()
	d.register(id)
	how, err := d.hub.DeviceConnectionString(id)
	require.NoError(d.t, err)
	c, err := auth.ParseConnectionString(how)
	require.NoError(d.t, err)
	token, err := auth.Sign("127.0.0.1/"+id.Path(), c.SharedAccessKey, "", clock.Wall().Add(time.Hour))
	require.NoError(d.t, err)
	v := &device{messages: make(chan c2d.Delivery, 100), closed: make(chan error, 10)}
	v.Session, err = d.hub.Connect(hub.ConnectRequest{
		Identity: id, Token: token, Agent: "agent/1", Protocol: "Mqtt", RemoteAddr: "127.0.0.1:4711", Resume: true,
	}, v)
	require.NoError(d.t, err)
	return v
}

func (d *desk) register(id iot.Identity) {
	d.t.Helper()
	_, err := d.hub.CreateDevice(registry.Device{ID: id.DeviceID})
	if !errors.Is(err, iot.ErrDeviceExists) {
		require.NoError(d.t, err)
	}
	if id.IsModule() {
		_, err := d.hub.CreateModule(registry.Module{DeviceID: id.DeviceID, ID: id.ModuleID})
		require.NoError(d.t, err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	ails := make(chan error, 2)
	d := newDesk(t, func(o *control.Options) { o.Health = func() error { return <-ails } })
	ails <- nil
	well := d.ask("GET", "/health", "")
	assert.Equal(t, http.StatusOK, well.status)
	assert.JSONEq(t, `{"status":"healthy","message":"hub linarite is up"}`, well.body)

	ails <- errors.New("shutting down")
	ill := d.ask("GET", "/health", "")
	assert.Equal(t, http.StatusServiceUnavailable, ill.status)
	assert.JSONEq(t, `{"status":"unhealthy","message":"shutting down"}`, ill.body)
}

func TestHealthWithoutOneToAsk(t *testing.T) {
	t.Parallel()
	assert.Equal(t, http.StatusOK, newDesk(t).ask("GET", "/health", "").status)
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, path := range map[string]string{
		"the root": "/", "an unknown path": "/v1/nothing", "a path below one that is there": "/v1/clock/x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.send(d.request("GET", path, "")).refused(t, http.StatusNotFound, "GenericNotFound", "there is no "+path)
		})
	}
}

func TestMethodsThatAPathDoesNotHave(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.send(d.request("PUT", "/v1/clock", "{}"))
	a.refused(t, http.StatusMethodNotAllowed, "GenericMethodNotAllowed", "allows GET, POST only")
	assert.Equal(t, "GET, POST", a.header.Get("Allow"))
	assert.Equal(t, http.StatusOK, d.send(d.request("HEAD", "/v1/clock", "")).status)
}

func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, c := range map[string]struct {
		body    string
		status  int
		code    string
		because string
	}{
		"none at all":       {"", 400, "DeserializationError", "the body is missing"},
		"not JSON":          {"advance=1s", 400, "DeserializationError", "invalid character"},
		"cut short":         {`{"advance":`, 400, "DeserializationError", "unexpected EOF"},
		"an unknown member": {`{"advance":"1s","by":1}`, 400, "DeserializationError", `unknown field "by"`},
		"the wrong type":    {`{"advance":90}`, 400, "DeserializationError", "cannot unmarshal number"},
		"a second value":    {`{"advance":"1s"} {}`, 400, "DeserializationError", "more than one value"},
		"too large":         {`{"advance":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "GenericRequestEntityTooLarge", "larger than 524288 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.ask("POST", "/v1/clock", c.body).refused(t, c.status, c.code, c.because)
		})
	}
	assert.Equal(t, time.Duration(0), d.hub.Clock().Offset())
}

func TestRequestsThatWaitEndWithTheServer(t *testing.T) {
	t.Parallel()
	h, err := hub.New(hub.Options{})
	require.NoError(t, err)
	defer h.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/v1/events?wait=1&timeout=5m", nil)
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		control.Handler(control.Options{Hub: h}).ServeHTTP(w, r)
	}()
	cancel()
	<-done
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Contains(t, w.Body.String(), "shutting down")
}
