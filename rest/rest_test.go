package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/rest"
)

// host is the hub's name in tokens; version is a query with an api-version.
const (
	host    = "127.0.0.1"
	version = "?api-version=2021-04-12"
)

// morning is when the hub's clock stands.
var morning = time.Date(2026, 3, 2, 8, 30, 15, 123456700, time.UTC)

// fixture is a hub behind its API, on a clock that stands.
type fixture struct {
	t       *testing.T
	hub     *hub.Hub
	clock   *clock.Clock
	log     *logged
	handler http.Handler
	server  *httptest.Server
}

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: clock.NewManual(morning), log: &logged{}}
	h, err := hub.New(hub.Options{Name: "blue", Hostnames: []string{host}, Clock: f.clock})
	require.NoError(t, err)
	f.hub = h
	f.serve(rest.Handler(h, zerolog.New(f.log)))
	t.Cleanup(h.Close)
	return f
}

func (f *fixture) serve(handler http.Handler) {
	f.handler = handler
	f.server = httptest.NewServer(handler)
	f.t.Cleanup(f.server.Close)
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// token is signed by a policy for a resource of the hub's, good for an hour.
func (f *fixture) token(policy, path string) string {
	f.t.Helper()
	resource := strings.TrimSuffix(host+"/"+path, "/")
	token, err := auth.Sign(resource, auth.WellKnownKey, policy, f.clock.Now().Add(time.Hour))
	require.NoError(f.t, err)
	return token
}

// response is an answer that was read whole.
type response struct {
	status int
	header http.Header
	body   string
}

// record hands a request to the API without a network between.
func (f *fixture) record(r *http.Request) response {
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	header := http.Header{}
	for name, values := range w.Header() {
		header.Set(name, values[0])
	}
	return response{w.Code, header, w.Body.String()}
}

// request is what do sends: the owner's token unless a header says otherwise,
// and an api-version unless the path has a query. Headers are `Name: value`; one
// without a value is not sent.
func (f *fixture) request(method, path, body string, headers ...string) *http.Request {
	f.t.Helper()
	if !strings.Contains(path, "?") {
		path += version
	}
	r, err := http.NewRequest(method, f.server.URL+path, strings.NewReader(body))
	require.NoError(f.t, err)
	r.Header.Set("Authorization", f.token("iothubowner", ""))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

func (f *fixture) do(method, path, body string, headers ...string) response {
	f.t.Helper()
	r, err := f.server.Client().Do(f.request(method, path, body, headers...))
	require.NoError(f.t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(f.t, err)
	return response{r.StatusCode, r.Header, string(text)}
}

// must is do for what has to succeed.
func (f *fixture) must(method, path, body string, headers ...string) response {
	f.t.Helper()
	r := f.do(method, path, body, headers...)
	require.Less(f.t, r.status, 300, r.body)
	return r
}

// member is a string member of a body that is a JSON object.
func (r response) member(t *testing.T, name string) string {
	t.Helper()
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &body), r.body)
	text, _ := body[name].(string)
	return text
}

// refused asserts an error in the plain envelope.
func (r response) refused(t *testing.T, status int, name, text string) {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	require.Equal(t, name, r.header.Get("iothub-errorcode"))
	require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	require.Equal(t, "ErrorCode:"+name+";"+text, r.member(t, "Message"))
	require.Regexp(t, `^Tracking ID:[0-9A-F]{32}-G:\d+-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$`, r.member(t, "ExceptionMessage"))
}

var changing = regexp.MustCompile(`[0-9A-F]{32}-G:`)

// golden compares JSON with a file under testdata, key by key and in order. The
// digits of tracking ids are left out.
func golden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, []byte(changing.ReplaceAllString(got, "TRACKING-G:")), "", "  "), got)
	require.Equal(t, string(want), b.String()+"\n")
}

// link is a connected device that takes what it is sent.
type link struct {
	methods  chan methods.Request
	messages chan c2d.Delivery
	desired  chan string
	closed   chan error
}

func newLink() *link {
	return &link{
		methods: make(chan methods.Request, 10), messages: make(chan c2d.Delivery, 10),
		desired: make(chan string, 10), closed: make(chan error, 10),
	}
}

func (l *link) Message(d c2d.Delivery)        { l.messages <- d }
func (l *link) Method(r methods.Request)      { l.methods <- r }
func (l *link) Desired(_ int64, patch []byte) { l.desired <- string(patch) }
func (l *link) Close(reason error)            { l.closed <- reason }

// connect is a device or module that listens to everything.
func (f *fixture) connect(id iot.Identity) (*link, *hub.Session) {
	f.t.Helper()
	l := newLink()
	s, err := f.hub.Connect(hub.ConnectRequest{Identity: id, Token: f.deviceToken(id), Protocol: "Mqtt", Resume: true}, l)
	require.NoError(f.t, err)
	s.Listen(hub.Listening{Messages: true, Methods: true, Desired: true})
	return l, s
}

// tryConnect connects a device by a token, and says how that went.
func (f *fixture) tryConnect(device, token string) error {
	_, err := f.hub.Connect(hub.ConnectRequest{Identity: iot.Device(device), Token: token, Protocol: "Mqtt"}, newLink())
	return err
}

func (f *fixture) deviceToken(id iot.Identity) string {
	f.t.Helper()
	text, err := f.hub.DeviceConnectionString(id)
	require.NoError(f.t, err)
	_, key, _ := strings.Cut(text, "SharedAccessKey=")
	token, err := auth.Sign(host+"/"+id.Path(), key, "", f.clock.Now().Add(time.Hour))
	require.NoError(f.t, err)
	return token
}
