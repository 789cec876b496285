package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hubtest"
	"github.com/linarite/linarite/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// result is what a run of the program came to.
type result struct {
	code        int
	out, errors string
}

// do runs the program to its end.
func do(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	return doWith(t, &program{environ: environment(environ)}, args...)
}

// doWith is do for a program that somebody types to.
func doWith(t *testing.T, p *program, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	p.out, p.err = &out, &errors
	code := p.run(t.Context(), args)
	return result{code, out.String(), errors.String()}
}

// controlOf is the --control of a hub in this test.
func controlOf(h *hubtest.Hub) string { return strings.TrimPrefix(h.ControlURL(), "http://") }

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	s.Close()
	return s.Listener.Addr().String()
}

func TestCommandLinesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args    string
		environ []string
		because string
	}{
		"an unknown verb":               {args: "sevre", because: `unknown command "sevre"`},
		"an unknown flag":               {args: "--prot 1", because: "unknown flag: --prot"},
		"an argument too many":          {args: "serve now", because: `unknown command "now"`},
		"an argument after flags":       {args: "--name x health", because: `unknown command "health"`},
		"a number that is none":         {args: "--partitions many", because: "--partitions"},
		"no partitions":                 {args: "--partitions 0", because: "--partitions must be 1 to 32"},
		"no connections":                {args: "--max-per-address 0", because: "--max-per-address must be 1 to 1000000"},
		"no strangers":                  {args: "--max-strangers -1", because: "--max-strangers must be 1 to 1000000"},
		"too many partitions":           {args: "--partitions 33", because: "partitions 33: must be 1 to 32"},
		"a duration without a unit":     {args: "--sas-grace 5", because: "--sas-grace"},
		"a negative grace":              {args: "--sas-grace -1s", because: "--sas-grace -1s must not be negative"},
		"a bad address":                 {args: "--mqtt 8883", because: `mqtt "8883": must be host:port`},
		"an empty address":              {args: "--https=", because: "--https must not be empty"},
		"a host name with a port":       {args: "--hostname hub:443", because: `host name "hub:443"`},
		"no host name":                  {args: "--hostname=", because: "--hostname must not be empty"},
		"a certificate without its key": {args: "--tls-cert x.pem", because: "go together"},
		"no folder":                     {args: "--data=", because: "--data must name the folder"},
		"an unknown level":              {args: "--log-level loud", because: "must be one of trace, debug"},
		"an unknown format":             {args: "--log-format xml", because: "must be one of console, json"},
		"policy and device":             {args: "connection-string --policy p --device d", because: "none of the others can be"},
		"a token that is never good":    {args: "sas --ttl 0s", because: "--ttl 0s: must be more than nothing"},
		"a bad control address":         {args: "health --control http://x", because: `control "x": must be host:port`},
		"an empty control address":      {args: "ca --data= --control=", because: "--control must not be empty"},

		"a bad number in the environment":   {args: "", environ: []string{"LINARITE_PARTITIONS=x"}, because: "LINARITE_PARTITIONS=x in the environment"},
		"a bad address in the environment":  {args: "", environ: []string{"LINARITE_MQTT=8883"}, because: `mqtt "8883"`},
		"a misspelled variable":             {args: "", environ: []string{"LINARITE_HOSTNAMES=x"}, because: "LINARITE_HOSTNAMES in the environment is not a setting: there are LINARITE_AMQP"},
		"a misspelled variable for a verb":  {args: "health", environ: []string{"LINARITE_CONTROLS=x"}, because: "LINARITE_CONTROLS"},
		"a variable of a flag that is none": {args: "sas", environ: []string{"LINARITE_TTL=1h"}, because: "LINARITE_TTL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := do(t, c.environ, strings.Fields(c.args)...)
			assert.Equal(t, exitUsage, r.code)
			assert.Contains(t, r.errors, "linarite: ")
			assert.Contains(t, r.errors, c.because)
			assert.Contains(t, r.errors, "--help' for what there is.")
			assert.Empty(t, r.out)
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for args, text := range map[string]string{
		"--help": "connection-string", "-h": "LINARITE_SAS_GRACE", "help serve": "--auto-create", "device": "linarite device [command]", "trust": "uninstall", "certs": "client certificate", "serve --help": "--partitions number",
		"version": "linarite ", "--version": "linarite ", "completion bash": "bash completion",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := do(t, []string{"LINARITE_NONSENSE=1"}, strings.Fields(args)...)
			assert.Zero(t, r.code, r.errors)
			assert.Contains(t, r.out, text)
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	r := do(t, nil, "health", "--control", h.ControlURL())
	assert.Zero(t, r.code, r.errors)
	assert.Equal(t, "healthy: hub linarite is up\n", r.out)

	_, port, _ := strings.Cut(controlOf(h), ":")
	r = do(t, []string{"LINARITE_CONTROL=0.0.0.0:" + port, "LINARITE_MQTT=", "LINARITE_PORT=tcp://10.0.0.1:80", "LINARITE_SERVICE_HOST=10.0.0.1"}, "health")
	assert.Zero(t, r.code, "a container's own setting serves its health check: "+r.errors)

	r = do(t, nil, "health", "--control", nobody(t))
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, `start one with "linarite serve"`)
}

func TestHealthOfAHubThatIsNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, because string }{
		"it says so":                 {`{"status":"unhealthy","message":"the hub is shutting down"}`, "unhealthy: the hub is shutting down"},
		"another program is there":   {"hello", "the hub answered 503: hello"},
		"the control API refuses us": {`{"error":{"code":"GenericForbidden","message":"not you"}}`, "not you"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, c.body)
			}))
			defer s.Close()
			r := do(t, nil, "health", "--control", s.Listener.Addr().String())
			assert.Equal(t, exitFailed, r.code)
			assert.Contains(t, r.errors, c.because)
		})
	}
}

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	h := hubtest.StartWith(t, hubtest.Options{Name: "hub1", Hostnames: []string{"hub.example"}})
	device, module := h.DeviceConnectionString("d1"), h.ModuleConnectionString("d1", "m1")
	for args, want := range map[string]string{
		"":                      h.ServiceConnectionString(),
		"--policy iothubowner":  h.ServiceConnectionString(),
		"--policy registryRead": strings.Replace(h.ServiceConnectionString(), "iothubowner", "registryRead", 1),
		"--device d1":           device,
		"--device d1/m1":        module,
		"--events":              h.EventsConnectionString(),
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := do(t, nil, append([]string{"connection-string", "--control", controlOf(h)}, strings.Fields(args)...)...)
			assert.Zero(t, r.code, r.errors)
			assert.Equal(t, want+"\n", r.out)
			assert.Empty(t, r.errors)
		})
	}
	for args, because := range map[string]string{
		"--device d2":    `there is no device "d2"`,
		"--device d1/m2": "d1/m2 has no key, or there is no such module",
		"--policy boss":  `there is no policy "boss": there are device, iothubowner,`,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := do(t, nil, append([]string{"connection-string", "--control", controlOf(h)}, strings.Fields(args)...)...)
			assert.Equal(t, exitFailed, r.code)
			assert.Contains(t, r.errors, because)
			assert.Empty(t, r.out)
		})
	}
}

func TestConnectionStringsWithoutAHub(t *testing.T) {
	t.Parallel()
	environ := []string{"LINARITE_HOSTNAME=hub.example,other.example", "LINARITE_NAME=hub1", "LINARITE_CONTROL=" + nobody(t)}
	for args, want := range map[string]string{
		"":                                  "HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey=" + auth.WellKnownKey,
		"--policy service --hostname a.b":   "HostName=a.b;SharedAccessKeyName=service;SharedAccessKey=" + auth.WellKnownKey,
		"--events":                          "Endpoint=sb://hub.example/;SharedAccessKeyName=service;SharedAccessKey=" + auth.WellKnownKey + ";EntityPath=hub1",
		"--policy device --name other-name": "HostName=hub.example;SharedAccessKeyName=device;SharedAccessKey=" + auth.WellKnownKey,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := do(t, environ, append([]string{"connection-string"}, strings.Fields(args)...)...)
			assert.Zero(t, r.code, r.errors)
			assert.Equal(t, want+"\n", r.out)
			assert.Contains(t, r.errors, "no hub answers at")
		})
	}
	r := do(t, environ, "connection-string", "--device", "d1")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "no hub answers at")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	h.ModuleConnectionString("d1", "m1")
	at := []string{"sas", "--control", controlOf(h)}
	lines := func(args ...string) []string {
		r := do(t, nil, append(at, args...)...)
		require.Zero(t, r.code, r.errors)
		return strings.Split(strings.TrimSpace(r.out), "\n")
	}

	owner := lines("--ttl", "2h")
	require.Len(t, owner, 1)
	_, err := h.Hub().Authorize(owner[0], auth.RegistryWrite, "devices/d1")
	assert.NoError(t, err)
	token, err := auth.ParseToken(owner[0])
	require.NoError(t, err)
	assert.WithinDuration(t, clock.Wall().Add(2*time.Hour), token.Expiry, time.Minute)

	reader := lines("--policy", "registryRead")
	_, err = h.Hub().Authorize(reader[0], auth.RegistryWrite, "devices/d1")
	assert.Error(t, err)

	for id, resource := range map[string]string{"d1": "127.0.0.1%2Fdevices%2Fd1", "d1/m1": "127.0.0.1%2Fdevices%2Fd1%2Fmodules%2Fm1"} {
		device := lines("--device", id)
		require.Len(t, device, 2)
		assert.Contains(t, strings.ToLower(device[0]), strings.ToLower("sr="+resource+"&"))
		c, err := auth.ParseConnectionString(device[1])
		require.NoError(t, err)
		assert.Equal(t, device[0], c.SharedAccessSignature)
		assert.Empty(t, c.SharedAccessKey)
	}
}

func TestTheCA(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	folder := t.TempDir()
	r := do(t, nil, "ca", "--data", folder, "--control", controlOf(h))
	assert.Equal(t, string(h.CAPEM()), r.out, "the hub's, since the folder has none")

	require.NoError(t, os.WriteFile(filepath.Join(folder, "ca.pem"), []byte("kept"), 0o600))
	assert.Equal(t, "kept", do(t, nil, "ca", "--data", folder).out)
	assert.Equal(t, string(h.CAPEM()), do(t, nil, "ca", "--data", folder, "--control", controlOf(h)).out, "the hub was named")
	environ := []string{"LINARITE_CONTROL=" + nobody(t), "LINARITE_DATA=" + folder}
	assert.Equal(t, "kept", do(t, environ, "ca").out, "as in an image, of which no hub runs")

	r = do(t, []string{"LINARITE_CONTROL=" + nobody(t)}, "ca", "--data", t.TempDir())
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "no hub answers at")
}

func TestPortsInUse(t *testing.T) {
	t.Parallel()
	h := hubtest.Start(t)
	r := do(t, nil, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--amqps", "127.0.0.1:0", "--control", controlOf(h), "--data", t.TempDir())
	assert.Equal(t, exitFailed, r.code)
	_, port, _ := strings.Cut(controlOf(h), ":")
	assert.Contains(t, r.errors, "control: port "+port+" on 127.0.0.1 is in use")
	assert.NotContains(t, r.errors, "--help")
}

// logbook is the program's log, which a test reads while it is written.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
	line chan struct{} // closed by the next line
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.line)
	l.line = make(chan struct{})
	return l.text.Write(p)
}

// wait returns the log once it has a text.
func (l *logbook) wait(t *testing.T, text string) string {
	t.Helper()
	for deadline := time.After(20 * time.Second); ; {
		l.mu.Lock()
		log, next := l.text.String(), l.line
		l.mu.Unlock()
		if strings.Contains(log, text) {
			return log
		}
		select {
		case <-next:
		case <-deadline:
			require.Contains(t, log, text)
		}
	}
}

// serving runs the program as a hub on free ports; stop ends it and returns the
// exit code.
func serving(t *testing.T, environ []string, args ...string) (log *logbook, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	log = &logbook{line: make(chan struct{})}
	code := make(chan int, 1)
	ports := []string{"--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--amqps", "127.0.0.1:0", "--control", "127.0.0.1:0"}
	p := &program{environ: environment(environ), out: io.Discard, err: log}
	go func() { code <- p.run(ctx, append(ports, args...)) }()
	stop = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { stop() })
	return log, stop
}

func TestServing(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	environ := []string{"LINARITE_DATA=" + folder, "LINARITE_NAME=ignored", "LINARITE_LOG_FORMAT=json", "LINARITE_HOSTNAME=hub.example,other.example"}
	log, stop := serving(t, environ, "--name", "hub1")
	text := log.wait(t, "state is in memory")

	lines := map[string]map[string]any{}
	for scan := bufio.NewScanner(strings.NewReader(text)); scan.Scan(); {
		var line map[string]any
		require.NoError(t, json.Unmarshal(scan.Bytes(), &line))
		lines[fmt.Sprint(line["message"])] = line
	}
	up := lines["hub hub1 is up"]
	require.NotNil(t, up, text)
	assert.Regexp(t, `^127\.0\.0\.1:\d+$`, up["mqtt"])
	assert.Regexp(t, `^127\.0\.0\.1:\d+$`, up["https"])
	assert.Equal(t, "HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey="+auth.WellKnownKey,
		lines["connection string of back ends"]["service"])
	assert.Contains(t, lines["connection string of event readers"]["events"], ";EntityPath=hub1")
	assert.Equal(t, filepath.Join(folder, "ca.pem"), lines["clients have to trust this certificate"]["ca"])
	assert.Contains(t, lines["connection string of a device"]["command"], "linarite device create my-device --control ")

	address := strings.TrimPrefix(fmt.Sprint(up["control"]), "http://")
	r := do(t, nil, "health", "--control", address)
	assert.Equal(t, "healthy: hub hub1 is up\n", r.out)
	assert.Zero(t, stop())
	log.wait(t, "stopped")
	assert.Equal(t, exitFailed, do(t, nil, "health", "--control", address).code)
}

func TestServingToPeople(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	log, stop := serving(t, nil, "--data", folder, "--sas-grace", "0", "--auto-create", "--partitions", "2", "--control-host", "a,b")
	text := log.wait(t, "State is in memory")
	assert.Contains(t, text, `hub "linarite" is up`)
	assert.Contains(t, text, "HostName=127.0.0.1;SharedAccessKeyName=iothubowner;SharedAccessKey="+auth.WellKnownKey)
	assert.Contains(t, text, "HostName=127.0.0.1;DeviceId=my-device;SharedAccessKey="+auth.WellKnownKey)
	assert.Contains(t, text, "NODE_EXTRA_CA_CERTS="+filepath.Join(folder, "ca.pem"))
	assert.Contains(t, text, "or any other id with the same key")
	assert.NotContains(t, text, "\x1b[", "no colours where there is no terminal")
	assert.Zero(t, stop())
}

// What a hub says at its start goes into logs: of keys it has the public ones.
func TestSecretKeysAreNotAnnounced(t *testing.T) {
	t.Parallel()
	secret := base64.StdEncoding.EncodeToString([]byte("a key that nobody may see at all"))
	file := written(t, "policies:",
		"  - {name: iothubowner, primaryKey: "+secret+", secondaryKey: "+secret+"}",
		"  - {name: service, primaryKey: "+secret+", secondaryKey: "+secret+"}",
		"devices:",
		"  - {id: a, primaryKey: "+secret+", secondaryKey: "+secret+"}",
		"  - {id: b}")
	for format, want := range map[string]string{
		"console": `back ends +linarite connection-string --control \S+   prints it\n` +
			` +event readers +linarite connection-string --events --control \S+   prints it\n` +
			` +a device +HostName=127\.0\.0\.1;DeviceId=b;SharedAccessKey=\S+\n` +
			` +linarite device create my-device --control \S+   makes another\n`,
		"json": `"command":"linarite connection-string --control \S+","message":"connection string of back ends"`,
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			log, _ := serving(t, nil, "--data", t.TempDir(), "--config", file, "--log-format", format, "--log-level", "info")
			text := log.wait(t, "tate is in memory")
			assert.Regexp(t, want, text)
			assert.NotContains(t, text, secret)
		})
	}
}

func TestSettingsBecomeOptions(t *testing.T) {
	t.Parallel()
	var s settings
	flags := s.flags()
	require.NoError(t, flags.Parse([]string{
		"--hostname", "a,b", "--hostname", "c", "--sas-grace", "0", "--auto-create", "--partitions", "7", "--data", "d",
		"--max-per-address", "8", "--max-strangers", "9",
	}))
	o, err := s.options(flags.Changed, zerolog.Nop())
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, o.Hostnames)
	assert.Negative(t, o.SASGrace)
	assert.True(t, o.AutoCreate)
	assert.Equal(t, 7, o.Partitions)
	assert.Equal(t, 8, o.MaxPerAddress)
	assert.Equal(t, 9, o.MaxStrangers)
	assert.Equal(t, "127.0.0.1:8883", o.MQTT)
	assert.Empty(t, o.HTTPS, "the default may fall back")

	require.NoError(t, flags.Parse([]string{"--https", "127.0.0.1:443"}))
	o, err = s.options(flags.Changed, zerolog.Nop())
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:443", o.HTTPS, "what was asked for may not")
}
