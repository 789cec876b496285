package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/hubtest"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// hands is somebody who runs the program against a hub.
type hands struct {
	*hubtest.Hub
	t *testing.T
}

func byHand(t *testing.T) hands { return hands{hubtest.Start(t), t} }

// environ is where the hub is.
func (h hands) environ() []string {
	return []string{"LINARITE_CONTROL=" + controlOf(h.Hub)}
}

// run runs a command line, whose arguments spaces separate.
func (h hands) run(line string) result {
	h.t.Helper()
	return do(h.t, h.environ(), strings.Fields(line)...)
}

// good is the output of a command line that does what it is told.
func (h hands) good(line string) string {
	h.t.Helper()
	r := h.run(line)
	require.Zero(h.t, r.code, r.errors)
	return r.out
}

// into reads the JSON that a command line prints.
func (h hands) into(v any, line string) {
	h.t.Helper()
	require.NoError(h.t, json.Unmarshal([]byte(h.good(line)), v))
}

// echo is a device that answers a method with its payload; what else it is told
// it notes.
type echo struct {
	session *hub.Session
	told    chan c2d.Delivery
}

func (e *echo) Message(d c2d.Delivery) { e.told <- d }
func (e *echo) Desired(int64, []byte)  {}
func (e *echo) Close(error)            {}
func (e *echo) Method(r methods.Request) {
	go e.session.Answer(r.RID, methods.Response{Status: 201, Payload: json.RawMessage(`{"got":` + string(r.Payload) + `}`)})
}

// connect connects a device or module.
func (h hands) connect(id iot.Identity) *echo {
	h.t.Helper()
	s := h.DeviceConnectionString(id.DeviceID)
	if id.IsModule() {
		s = h.ModuleConnectionString(id.DeviceID, id.ModuleID)
	}
	c, err := auth.ParseConnectionString(s)
	require.NoError(h.t, err)
	token, err := auth.Sign(c.HostName+"/"+id.Path(), c.SharedAccessKey, "", clock.Wall().Add(time.Hour))
	require.NoError(h.t, err)
	e := &echo{told: make(chan c2d.Delivery, 16)}
	e.session, err = h.Hub.Hub().Connect(hub.ConnectRequest{
		Identity: id, Token: token, Protocol: "Mqtt", RemoteAddr: "127.0.0.1:1", Agent: "echo/1\x1b[31m", Resume: true,
	}, e)
	require.NoError(h.t, err)
	e.session.Listen(hub.Listening{Messages: true, Methods: true})
	h.t.Cleanup(func() { e.session.End(nil) })
	return e
}

func TestDevicesAreCreated(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	for line, want := range map[string]string{
		"a":                            `"type": "sas"`,
		"b --disabled":                 `"status": "disabled"`,
		"c --edge":                     `"iotEdge": true`,
		"d --x509-ca":                  `"type": "certificateAuthority"`,
		"e --primary-key " + ownKey:    `"secondaryKey": "` + ownKey + `"`,
		"f%#?+'":                       `"deviceId": "f%#?+'"`,
		"g --thumbprint " + someThumbs: `"secondaryThumbprint": "` + strings.Repeat("B", 40) + `"`,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := do(t, h.environ(), append([]string{"device", "create"}, strings.Fields(line)...)...)
			require.Zero(t, r.code, r.errors)
			assert.Contains(t, r.out, want)
		})
	}
}

var (
	ownKey     = auth.WellKnownKey
	someThumbs = strings.Repeat("A", 40) + "," + strings.Repeat("B", 40)
)

func TestACreatedDevicesConnectionString(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	var made struct{ ConnectionString string }
	h.into(&made, "device create d1")
	assert.Equal(t, h.DeviceConnectionString("d1"), made.ConnectionString)
	assert.Contains(t, h.good("device create d1/m1 --table"), "d1/m1 is registered.\n"+h.ModuleConnectionString("d1", "m1")+"\n")
	assert.Equal(t, "d2 is registered.\nHostName=127.0.0.1;DeviceId=d2;x509=true\n", h.good("device create d2 --table --x509-ca"))
	assert.Contains(t, h.run("sas --device d2").errors, "d2 authenticates by a certificate, not by tokens")
	r := h.run("device create d1")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "linarite: DeviceAlreadyExists: A device with ID 'd1' is already registered.")
}

func TestDevicesAreListedShownAndDeleted(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	h.ModuleConnectionString("d1", "m1")
	h.connect(iot.Device("d2"))

	var list []struct{ DeviceID string }
	h.into(&list, "device list")
	assert.Len(t, list, 2)
	h.into(&list, "device list --top 1")
	assert.Len(t, list, 1)
	assert.Regexp(t, `(?m)^DEVICE +STATUS +CONNECTION +LAST ACTIVITY +QUEUED +AUTHENTICATION$`, h.good("device list --table"))
	assert.Regexp(t, `(?m)^d1 +enabled +Disconnected +never +0 +sas$`, h.good("device list --table"))

	var shown struct {
		DeviceID, ConnectionString string
		Modules                    []string
		Connection                 struct{ Connected bool }
	}
	h.into(&shown, "device show d1")
	assert.Equal(t, []string{"m1"}, shown.Modules)
	assert.Equal(t, h.DeviceConnectionString("d1"), shown.ConnectionString)
	h.into(&shown, "device show d2")
	assert.True(t, shown.Connection.Connected)
	text := h.good("device show d2 --table")
	assert.Regexp(t, `(?m)^connected +Mqtt from 127\.0\.0\.1:1 since 2`, text)
	assert.Regexp(t, `(?m)^listens to +messages, methods$`, text)
	assert.Regexp(t, `(?m)^client +echo/1\\x1b\[31m$`, text, "nothing from a device gets to the terminal raw")
	assert.Regexp(t, `(?m)^modules +m1$`, h.good("device show d1 --table"))
	assert.Regexp(t, `(?m)^id +d1/m1$`, h.good("device show d1/m1 --table"))

	assert.Contains(t, h.run("device delete d2 d1/m1").errors, "d2 is deleted.\nd1/m1 is deleted.\n")
	assert.Regexp(t, `DeviceNotFound: d2`, h.run("device show d2").errors)
	h.into(&shown, "device show d1")
	assert.Empty(t, shown.Modules)
	assert.Equal(t, exitFailed, h.run("device delete d2").code)
}

func TestMessagesAreSent(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	d := h.connect(iot.Device("d1"))
	var sent struct {
		SequenceNumber uint64
		MessageID      string
	}
	h.into(&sent, "send d1 hello --property a=b=c --property flag --ack full --ttl 10m --message-id m-1 --correlation-id c --user-id u --content-type text/plain --content-encoding utf-8")
	assert.Equal(t, "m-1", sent.MessageID)
	got := <-d.told
	assert.Equal(t, "hello", string(got.Body))
	assert.Equal(t, iot.Properties{{Name: "a", Value: "b=c"}, {Name: "flag", Null: true}}, got.Message.Properties)
	assert.Equal(t, c2d.AckFull, got.Ack)
	assert.WithinDuration(t, clock.Wall().Add(10*time.Minute), got.Expiry, time.Minute)
	contentType, _ := got.System.Get(iot.ContentType)
	assert.Equal(t, "text/plain", contentType)

	r := doWith(t, &program{environ: environment(h.environ()), in: strings.NewReader("\xff\x00")}, "send", "d1", "-", "--table")
	assert.Regexp(t, `^Queued for d1: message [0-9a-f-]{36}, number 2\.\n$`, r.out)
	assert.Equal(t, "\xff\x00", string((<-d.told).Body))
	h.good("send d1")
	assert.Empty(t, (<-d.told).Body)
}

func TestMethodsAreCalled(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	h.connect(iot.Device("d1"))
	h.connect(iot.Module("d1", "m1"))
	assert.JSONEq(t, `{"status":201,"payload":{"got":{}}}`, h.good("method d1 m"))
	for _, line := range []string{`method d1 m {"x":1}`, `method d1 m {"x":1} --module m1`, `method d1/m1 m {"x":1} --timeout 10s --connect-timeout 1s`} {
		assert.JSONEq(t, `{"status":201,"payload":{"got":{"x":1}}}`, h.good(line))
	}
	r := doWith(t, &program{environ: environment(h.environ()), in: strings.NewReader(`"text"`)}, "method", "d1", "m", "-", "--table")
	assert.Equal(t, "status 201\n{\n  \"got\": \"text\"\n}\n", r.out)
	h.good("device create d2")
	r = h.run("method d2 m")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "linarite: DeviceNotOnline: The operation failed")
	assert.Contains(t, h.run("method d1 m --timeout 1s").errors, "ArgumentInvalid: responseTimeoutInSeconds must be 5 to 300.")
}

func TestTwinsAreChanged(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	h.ModuleConnectionString("d1", "m1")
	file := filepath.Join(t.TempDir(), "desired.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"b": 2}`), 0o600))
	var twin struct {
		ModuleID   string
		Tags       map[string]any
		Properties struct{ Desired map[string]any }
	}
	h.into(&twin, `twin d1 --desired {"a":1} --tags {"site":"x"}`)
	assert.EqualValues(t, 1, twin.Properties.Desired["a"])
	assert.Equal(t, "x", twin.Tags["site"])
	h.into(&twin, "twin d1 --desired "+file)
	assert.EqualValues(t, 1, twin.Properties.Desired["a"], "merged")
	assert.EqualValues(t, 2, twin.Properties.Desired["b"])
	twin.Properties.Desired = nil
	h.into(&twin, "twin d1 --replace --desired "+file)
	assert.NotContains(t, twin.Properties.Desired, "a")

	r := doWith(t, &program{environ: environment(h.environ()), in: strings.NewReader(`{"c":3}`)}, "twin", "d1", "--module", "m1", "--desired", "-")
	require.NoError(t, json.Unmarshal([]byte(r.out), &twin), r.errors)
	assert.Equal(t, "m1", twin.ModuleID)
	assert.EqualValues(t, 3, twin.Properties.Desired["c"])
	assert.Contains(t, h.good("twin d1/m1"), `"c": 3`)

	require.NoError(t, os.WriteFile(file, []byte("{\n  \"b\": 2,\n}"), 0o600))
	r = h.run("twin d1 --desired " + file)
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "desired.json is no JSON object: line 3: invalid character")
	assert.Contains(t, h.run("twin d1 --tags nowhere.json").errors, "--tags: open nowhere.json: ")
}

func TestEvents(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	d, m := h.connect(iot.Device("d1")), h.connect(iot.Module("d2", "m"))
	d.session.Telemetry(iot.Message{Body: []byte("one\x07\n"), Properties: iot.Properties{{Name: "a", Value: "1"}, {Name: "b", Null: true}}})
	h.Clock().Advance(time.Hour)
	m.session.Telemetry(iot.Message{Body: []byte("\xff" + strings.Repeat("x", 300))})
	for line, want := range map[string][]string{
		"":                               {"one", "x"},
		"--device d1":                    {"one"},
		"--device d2/m":                  {"x"},
		"--device d2 --module m":         {"x"},
		"--device d2 --module other":     nil,
		"--source Telemetry":             {"one", "x"},
		"--source other":                 nil,
		"--property a=1 --property b":    {"one"},
		"--since 30m":                    {"x"},
		"--since 90m":                    {"one", "x"},
		"--since 2000-01-01T00:00:00Z":   {"one", "x"},
		"--since 2100-01-01T00:00:00Z":   nil,
		"--since 2100-01-01T00:00:00.5Z": nil,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := do(t, h.environ(), append([]string{"events"}, strings.Fields(line)...)...)
			require.Zero(t, r.code, r.errors)
			lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
			if want == nil {
				assert.Empty(t, r.out)
				return
			}
			require.Len(t, lines, len(want))
			for i := range want {
				assert.True(t, json.Valid([]byte(lines[i])))
			}
		})
	}
	text := h.good("events --table")
	assert.Regexp(t, `(?m)^TIME \(UTC\) +FROM +SOURCE +BODY +PROPERTIES$`, text)
	assert.Regexp(t, `(?m)^\d\d:\d\d:\d\d\.\d{3} +d1 +Telemetry +one\\a\\n +a=1 b$`, text)
	assert.Regexp(t, `(?m)^\S+ +d2/m +Telemetry +base64:/3h4\S+… \(404 bytes\)$`, text)
}

func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	d := h.connect(iot.Device("d1"))
	d.session.Telemetry(iot.Message{Body: []byte("before")})
	ctx, interrupt := context.WithCancel(t.Context())
	out, code := &logbook{line: make(chan struct{})}, make(chan int, 1)
	go func() {
		p := &program{environ: environment(h.environ()), out: out, err: io.Discard}
		code <- p.run(ctx, []string{"events", "-f"})
	}()
	out.wait(t, `"body":"before"`)
	for _, body := range []string{"first", "second"} {
		d.session.Telemetry(iot.Message{Body: []byte(body)})
		out.wait(t, `"body":"`+body+`"`)
	}
	assert.Equal(t, 3, strings.Count(out.wait(t, "second"), "\n"), "each once")
	interrupt()
	assert.Zero(t, <-code, "that is how it ends")
}

func TestFollowingEndsWithTheHub(t *testing.T) {
	t.Parallel()
	served := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case served <- struct{}{}:
			_, _ = io.WriteString(w, `{"events":[],"cursor":"0"}`)
		default:
			panic(http.ErrAbortHandler)
		}
	}))
	defer s.Close()
	r := do(t, nil, "events", "--follow", "--control", s.Listener.Addr().String())
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "the hub has gone: ")
}

func TestHandsThatSlip(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	for line, because := range map[string]string{
		"device create":                             "accepts 1 arg(s)",
		"device create d/m/x":                       `"d/m/x" cannot be a device`,
		"device create d/":                          `"d" cannot be a device`,
		"device create d/m --edge":                  "--disabled and --edge are for devices",
		"device create d --secondary-key x":         "give --primary-key too",
		"device create d --thumbprint a,b,c":        "a device has two at most",
		"device create d --x509-ca --primary-key x": "none of the others can be",
		"device delete":                             "requires at least 1 arg(s)",
		"device lst":                                `unknown command "lst"`,
		"device list --json --table":                "none of the others can be",
		"device list --https 443":                   `https "443": must be host:port`,
		"device list --https=":                      "--https must not be empty",
		"send d/m x":                                "IoT Hub sends messages to devices only",
		"send d x --property =1":                    `--property "=1": must be name=value`,
		"method d m text":                           `"text" is not JSON: a text needs quotes of its own`,
		"method d m --timeout 1500ms":               "--timeout 1.5s: must be whole seconds",
		"method d/m x --module m":                   "leave --module out",
		"twin d --replace":                          "--replace: say with --desired or --tags by what",
		"twin d --desired - --tags -":               "cannot both come in on standard input",
		"events --since tomorrow":                   `--since "tomorrow": must be a time`,
		"events --property =x":                      "must be name=value",
		"events --device d/m --module m":            "leave --module out",
		"env --shell tcsh":                          `--shell "tcsh": must be one of sh, fish, powershell`,
		"env --out=":                                "--out must name a folder",
		"certs device":                              `required flag(s) "id" not set`,
		"certs device --id d --data=":               "--data must name the folder",
		"certs device --id d --ca x.pem":            "if any flags in the group [ca ca-key] are set they must all be set",
		"certs ca":                                  `required flag(s) "name" not set`,
		"certs proof --data x":                      `required flag(s) "code" not set`,
		"connection-string --hostname=":             "--hostname must not be empty",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := do(t, h.environ(), strings.Fields(line)...)
			assert.Equal(t, exitUsage, r.code)
			assert.Contains(t, r.errors, because)
			assert.Empty(t, r.out)
		})
	}
}

func TestTheServiceAPIIsElsewhere(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	r := do(t, nil, "device", "list", "--control", controlOf(h), "--https", nobody(t))
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "the hub's service API cannot be reached: say where it is with --https: ")
	r = do(t, nil, "device", "list", "--control", nobody(t))
	assert.Contains(t, r.errors, `start one with "linarite serve"`)
}

func TestWhereTheServiceAPIIsSaidToBe(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                      "",
		"--https 0.0.0.0:443":   "hub:443",
		"--https :9443":         "hub:9443",
		"--https [::]:1":        "hub:1",
		"--https 10.0.0.1:443":  "10.0.0.1:443",
		"--https other:443":     "other:443",
		"--https 127.0.0.1:443": "127.0.0.1:443",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var l place
			cmd := &cobra.Command{}
			l.flags(cmd)
			require.NoError(t, cmd.ParseFlags(strings.Fields(line)))
			named, err := l.named("hub")
			require.NoError(t, err)
			assert.Equal(t, want, named)
		})
	}
}

func TestWhereTheServiceAPIMayBe(t *testing.T) {
	t.Parallel()
	for announced, want := range map[string][]string{
		"":               {"hub:443", "hub:8443"},
		"127.0.0.1:9443": {"127.0.0.1:9443", "hub:443", "hub:8443"},
		"0.0.0.0:9443":   {"hub:9443", "hub:443", "hub:8443"},
		"[::]:443":       {"hub:443", "hub:8443"},
		"[::1]:443":      {"[::1]:443", "hub:443", "hub:8443"},
	} {
		t.Run(announced, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, doors("hub", announced))
		})
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	h := byHand(t)
	h.DeviceConnectionString("d1")
	h.connect(iot.Device("d2"))
	for line, want := range map[string][]string{
		"device show ":      {"d1\tenabled, disconnected", "d2\tenabled, connected"},
		"device delete d1 ": {"d2\tenabled, connected"},
		"send d1 ":          {":4"},
		"events --device ":  {"d1\tenabled, disconnected"},
		"send d1 --ack ":    {"full\tin either case"},
		"env --shell ":      {"fish", "powershell"},
		"sas --policy ":     {"service\tmay send and receive"},
		"device ":           {"create\tRegister a device or module and print its connection string"},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := do(t, h.environ(), append([]string{"__complete"}, strings.Split(line, " ")...)...)
			for _, item := range want {
				assert.Contains(t, strings.Split(r.out, "\n"), item)
			}
		})
	}
	r := do(t, []string{"LINARITE_CONTROL=" + nobody(t)}, "__complete", "device", "show", "")
	assert.True(t, strings.HasPrefix(r.out, ":4\n"), "without a hub there is nothing to offer")
}
