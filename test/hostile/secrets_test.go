package hostile_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// secrets are what a hub's log must not have.
type secrets struct {
	mu  sync.Mutex
	all map[string]struct{}
}

// add takes keys and signatures in.
func (s *secrets) add(some ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]struct{}{}
	}
	for _, secret := range some {
		if len(secret) >= 16 { // what is shorter is none
			s.all[secret] = struct{}{}
		}
	}
}

// foundIn says which secrets a text has, in any of the spellings in which they
// go over the wire.
func (s *secrets) foundIn(text string) (found []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for secret := range s.all {
		spellings := []string{secret, url.QueryEscape(secret), url.PathEscape(secret)}
		if plain, err := url.QueryUnescape(secret); err == nil {
			spellings = append(spellings, plain)
		}
		if bytes, err := base64.StdEncoding.DecodeString(secret); err == nil {
			spellings = append(spellings, fmt.Sprintf("%x", bytes))
		}
		if slices.ContainsFunc(spellings, func(spelling string) bool { return strings.Contains(text, spelling) }) {
			found = append(found, secret)
		}
	}
	return found
}

// indiscreet are clients that put a token or a key where it does not belong.
// None of them need be let in.
var indiscreet = map[string]input{
	"a token in the path":         tells("GET", "/devices/{secret}"),
	"a token in an unknown path":  tells("GET", "/{secret}/{secret}"),
	"a token in the query":        tells("GET", "/devices/d?token={secret}"),
	"a token in the api-version":  tells("GET", "/devices/d?api-version={secret}"),
	"a token in the method":       tells("{secret}", "/devices/d"),
	"a token in a lock's place":   tells("DELETE", "/messages/serviceBound/feedback/{secret}?api-version=2021-04-12"),
	"a token in a module's place": tells("GET", "/devices/d/modules/{secret}?api-version=2021-04-12"),
	"a token in a header's name":  tells("GET", "/devices/d", "{secret}: x"),
	"a token in If-Match":         tells("DELETE", "/devices/d?api-version=2021-04-12", "If-Match: {secret}"),
	"a token with a scheme":       tells("GET", "/devices/d?api-version=2021-04-12", "Authorization: Bearer {secret}"),
	"a token on the WebSocket":    tells("GET", "/$iothub/websocket?{secret}", "Upgrade: websocket"),
	"a token as a sub-protocol":   tells("GET", "/$iothub/websocket", "Sec-WebSocket-Protocol: {secret}"),
	"a key in a body": func(a *attacker) error {
		body := `{"deviceId":"x","authentication":{"symmetricKey":{"primaryKey":"` + a.device.Key + `"}},"status":{}}`
		return exchange{request("PUT", "/devices/x", body), []int{400}}.input(harness.HTTPSPort)(a)
	},
	"a method called like a token": func(a *attacker) error {
		body := `{"methodName":"` + a.token() + `"}`
		return exchange{request("POST", "/twins/{device}/methods", body), []int{400}}.input(harness.HTTPSPort)(a)
	},
	"a token in control's path": func(a *attacker) error {
		return exchange{plain("GET", "/v1/"+url.PathEscape(a.token()), ""), []int{404}}.input(harness.ControlPort)(a)
	},
	"a token as control's Host": func(a *attacker) error {
		return exchange{asked(url.QueryEscape(a.token())), []int{400, 403}}.input(harness.ControlPort)(a)
	},
	"a token as a user name":        greets(func(_ *attacker, c *connect) { c.user = c.password }, saying(notAuthorized)),
	"a token as a client id":        greets(func(_ *attacker, c *connect) { c.id = c.password }, saying(notAuthorized)),
	"a token in the user name":      greets(func(_ *attacker, c *connect) { c.user += "&DeviceClientType=" + url.QueryEscape(c.password) }, welcomed),
	"a token for an api-version":    greets(func(_ *attacker, c *connect) { c.user += c.password }, welcomed),
	"a token as a will":             greets(func(a *attacker, c *connect) { c.will = bytesOf(text(c.password), text(c.password)) }, saying(notAuthorized)),
	"a token as a topic":            member(func(a *attacker) []byte { return publish(1, a.token(), "x") }, closed),
	"a token as a filter":           member(func(a *attacker) []byte { return subscribe(1, a.token()) }, closed),
	"a token in a bag":              member(func(a *attacker) []byte { return publish(1, "devices/x/messages/events/"+a.token(), "x") }, closed),
	"a token as a request id":       member(func(a *attacker) []byte { return publish(1, "$iothub/twin/GET/?$rid="+url.QueryEscape(a.token()), "") }, alive),
	"a token as a twin request":     member(func(a *attacker) []byte { return publish(1, "$iothub/twin/"+a.token(), "") }, closed),
	"a token as a method's status":  member(func(a *attacker) []byte { return publish(1, "$iothub/methods/res/"+a.token()+"/?$rid=1", "") }, closed),
	"a token as a name in a patch":  member(func(a *attacker) []byte { return publish(1, report, `{"`+a.token()+`":1}`) }, alive),
	"a token as a version":          member(func(a *attacker) []byte { return publish(1, report+"&$version="+url.QueryEscape(a.token()), "{}") }, alive),
	"a second CONNECT with a token": member(func(a *attacker) []byte { return a.hello().bytes() }, closed),
}

// tells sends a request that has a token in an odd place. Whatever the hub makes
// of it, it must answer or close.
func tells(method, path string, headers ...string) input {
	return func(a *attacker) error {
		token := url.QueryEscape(a.token())
		line := strings.ReplaceAll(method+" "+path+" HTTP/1.1", "{secret}", token)
		headers := append([]string{"Host: {host}"}, headers...)
		for i := range headers {
			headers[i] = strings.ReplaceAll(headers[i], "{secret}", token)
		}
		return exchange{raw(line, headers...), []int{0, 400, 401, 404, 405}}.input(harness.HTTPSPort)(a)
	}
}

// TestNoSecretIsInTheLog sends every input to a hub that logs all it can, and
// looks for every key and every signature that was used.
func TestNoSecretIsInTheLog(t *testing.T) {
	t.Parallel()
	v := start(t, tracedAddress, "--log-level", "trace")
	a := &attacker{victim: v, device: v.devices[0]}
	require.NoError(t, honest(a))
	for _, g := range append(groups(), group{"indiscreet", indiscreet}, group{"indiscreet over AMQP", amqpInputs(indiscreetAMQP)}) {
		for _, name := range slices.Sorted(maps.Keys(g.inputs)) {
			if err := g.inputs[name](a); err != nil {
				t.Errorf("%s: %s: %v", g.name, name, err)
			}
		}
	}
	require.Equal(t, 200, v.REST(t, "PATCH", "/twins/"+a.device.DeviceID, `{"tags":{"key":"`+a.device.Key+`"}}`).Status)
	v.Send(t, a.device.DeviceID, harness.CloudMessage{Body: a.token(), Properties: map[string]string{"key": a.device.Key}})
	p, err := a.join()
	require.NoError(t, err)
	defer p.Close()
	v.Kick(t, a.device.DeviceID, "")

	require.Contains(t, v.Log(), `"level":"debug"`, "the hub logs all it can")
	for line := range strings.Lines(v.Log()) {
		require.Empty(t, v.secrets.foundIn(line), "%s", line)
	}
	_, refused := v.Connections(t)
	for _, r := range refused {
		require.Empty(t, v.secrets.foundIn(fmt.Sprintf("%+v", r)))
	}
}

// TestTheKeyOfTheCAIsTheOwners is about the files of --data.
func TestTheKeyOfTheCAIsTheOwners(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	hub, err := harness.Launch(harness.Options{Address: keyAddress, Data: data})
	require.NoError(t, err)
	require.NoError(t, hub.Stop())
	info, err := os.Stat(data)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm(), "the folder")
	keys := 0
	require.NoError(t, filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		if entry.IsDir() {
			return nil
		}
		require.NoError(t, err)
		if strings.Contains(string(text), "PRIVATE KEY") {
			keys++
			info, err := entry.Info()
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), path)
		}
		return nil
	}))
	require.Equal(t, 2, keys, "the CA's and the server's")

	require.NoError(t, os.Chmod(filepath.Join(data, "ca-key.pem"), 0o644))
	hub, err = harness.Launch(harness.Options{Address: keyAddress, Data: data})
	if err == nil {
		_ = hub.Kill()
	}
	require.ErrorContains(t, err, "chmod 600", "a key that others can read is refused")
}
