package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/server"
)

// apiVersion is the service API's version that the verbs speak.
const apiVersion = "2021-04-12"

// place says where a running hub is.
type place struct {
	settings
	cmd *cobra.Command
}

// flags adds those that say so.
func (l *place) flags(cmd *cobra.Command) {
	l.cmd = cmd
	cmd.Flags().SortFlags = false
	for _, name := range []string{"control", "https"} {
		cmd.Flags().AddFlag(l.settings.flags().Lookup(name))
	}
}

// backEnd is a back end of a running hub: it has the owner's connection string
// and the CA from the control API, and uses the service API as any other does.
type backEnd struct {
	control *client
	owner   auth.ConnectionString
	doors   []string // where the service API may be, likeliest first
	tls     *tls.Config
	http    http.Client
}

// backEnd asks the hub for what a back end needs.
func (l *place) backEnd(ctx context.Context) (*backEnd, error) {
	c, err := newClient(l.control)
	if err != nil {
		return nil, err
	}
	named, err := l.named(c.host)
	if err != nil {
		return nil, err
	}
	b := &backEnd{control: c}
	var k struct{ Service, HTTPS string }
	if err := c.document(ctx, "/v1/connection-strings", &k); err != nil {
		return nil, err
	}
	if k.Service == "" {
		return nil, errors.New("the hub has no policy iothubowner, whose key this needs")
	}
	if b.owner, err = auth.ParseConnectionString(k.Service); err != nil {
		return nil, err
	}
	if b.doors = []string{named}; named == "" {
		b.doors = doors(c.host, k.HTTPS)
	}
	if b.tls, err = b.trusting(ctx); err != nil {
		return nil, err
	}
	b.http.Transport = &http.Transport{DialTLSContext: b.dial, DisableKeepAlives: true}
	return b, nil
}

// named is the address of the hub's service API that --https names, empty
// without it. An address of all interfaces is reached at the control API's host.
func (l *place) named(host string) (string, error) {
	if err := (server.Options{HTTPS: l.https}).Check(); err != nil {
		return "", usage{err}
	}
	if !l.cmd.Flags().Changed("https") {
		return "", nil
	}
	if l.https == "" {
		return "", usage{errors.New("--https must not be empty")}
	}
	return reached(l.https, host), nil
}

// doors are where the service API may be: where the hub says it listens, and the
// default ports, to which a container's are published.
func doors(host, announced string) []string {
	var all []string
	for _, address := range []string{announced, withHost(host, server.DefaultHTTPS), withHost(host, server.FallbackHTTPS)} {
		if address == "" {
			continue
		}
		if address = reached(address, host); !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all
}

// reached is an address to connect to: one of all interfaces is reached at host.
func reached(address, host string) string {
	if at, _, _ := net.SplitHostPort(address); everywhere(at) {
		return withHost(host, address)
	}
	return address
}

// withHost is the port of an address at another host.
func withHost(host, address string) string {
	_, port, _ := net.SplitHostPort(address)
	return net.JoinHostPort(host, port)
}

// trusting trusts the hub's CA; a hub with a certificate of its own may not know
// its CA, so that the machine has to.
func (b *backEnd) trusting(ctx context.Context) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: b.owner.HostName, MinVersion: tls.VersionTLS12}
	status, pem, err := b.control.get(ctx, "/v1/ca.pem")
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK {
		cfg.RootCAs = x509.NewCertPool()
		cfg.RootCAs.AppendCertsFromPEM(pem)
	}
	return cfg, nil
}

// dial connects to the first door behind which the hub is, whatever address the
// name in its connection strings leads to.
func (b *backEnd) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	d := tls.Dialer{Config: b.tls}
	var failed []error
	for _, door := range b.doors {
		conn, err := d.DialContext(ctx, network, door)
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("the hub's service API cannot be reached: say where it is with --https: %w", errors.Join(failed...))
}

// get reads a document of the service API.
func (b *backEnd) get(ctx context.Context, path string) ([]byte, error) {
	return b.ask(ctx, http.MethodGet, path, nil)
}

// ask makes a request to the service API, which may take as long as ctx says, or
// else a moment, and returns the answer's body. A refusal is an error with the
// hub's text.
func (b *backEnd) ask(ctx context.Context, method, path string, doc any) ([]byte, error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answersIn)
		defer cancel()
	}
	req, err := b.request(ctx, method, path, doc)
	if err != nil {
		return nil, err
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, errors.Unwrap(err) // without the URL, which has another address
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, refused(resp, body)
	}
	return body, nil
}

func (b *backEnd) request(ctx context.Context, method, path string, doc any) (*http.Request, error) {
	body, err := encode(doc)
	if err != nil {
		return nil, err
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	url := "https://" + net.JoinHostPort(b.owner.HostName, "443") + path + separator + "api-version=" + apiVersion
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	token, err := auth.Sign(b.owner.HostName, b.owner.SharedAccessKey, b.owner.SharedAccessKeyName, clock.Wall().Add(time.Hour))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", token)
	if body != nil {
		req.Header.Set("Content-Type", contentJSON)
	}
	if method == http.MethodDelete {
		req.Header.Set("If-Match", "*")
	}
	return req, nil
}

// encode is a document in JSON; without one, nothing.
func encode(doc any) ([]byte, error) {
	if doc == nil {
		return nil, nil
	}
	return json.Marshal(doc)
}

// refused is the error that an answer of the service API carries, in whichever
// of its forms, as `Name: text`.
func refused(resp *http.Response, body []byte) error {
	name, text := resp.Header.Get("iothub-errorcode"), strings.TrimSpace(string(body))
	for range 2 { // a direct method's has the other one inside
		var doc struct{ Message string }
		if json.Unmarshal([]byte(text), &doc) != nil || doc.Message == "" {
			break
		}
		text = doc.Message
	}
	text = strings.TrimPrefix(text, "ErrorCode:"+name+";")
	if name == "" {
		return fmt.Errorf("the hub answered %d: %s", resp.StatusCode, text)
	}
	return errors.New(name + ": " + text)
}

// identity is what an argument names: {device} or {device}/{module}. module is
// the flag that names the latter as well.
func identity(arg, module string) (iot.Identity, error) {
	device, inside, slash := strings.Cut(arg, "/")
	switch {
	case slash && module != "":
		return iot.Identity{}, usage{fmt.Errorf("%s names a module already: leave --module out", arg)}
	case slash:
		module = inside
	}
	if !iot.ValidID(device) || (slash || module != "") && !iot.ValidID(module) {
		return iot.Identity{}, usage{fmt.Errorf("%q cannot be a device: it is {device} or {device}/{module}, of up to %d letters, digits and -:.%%_#*?!(),=@;$'+ each",
			strings.TrimSuffix(device+"/"+module, "/"), iot.MaxIDLength)}
	}
	return iot.Module(device, module), nil
}
