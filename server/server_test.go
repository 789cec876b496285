package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a running server and a client that trusts it.
type site struct {
	*server.Server
	t    *testing.T
	http *http.Client
}

func open(t *testing.T, o server.Options) *site {
	t.Helper()
	o.MQTT, o.HTTPS, o.AMQPS, o.Control = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s, err := server.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	transport := &http.Transport{TLSClientConfig: trusting(t, s.CA()), DisableKeepAlives: true}
	return &site{s, t, &http.Client{Transport: transport}}
}

func trusting(t *testing.T, ca []byte) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// ask sends a back end's request to the service API.
func (s *site) ask(method, path, body string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.HTTPSURL()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	token, err := auth.Sign("127.0.0.1", auth.WellKnownKey, "iothubowner", clock.Wall().Add(time.Hour))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", token)
	resp, err := s.http.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// control reads from the control API.
func (s *site) control(path string) (status int, text string, err error) {
	resp, err := s.http.Get(s.ControlURL() + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// device is a connected device that shows the methods it is asked for.
type device struct {
	*hub.Session
	methods chan methods.Request
	closed  chan error
}

func (v *device) Message(c2d.Delivery)     {}
func (v *device) Method(r methods.Request) { v.methods <- r }
func (v *device) Desired(int64, []byte)    {}
func (v *device) Close(reason error)       { v.closed <- reason }

func (s *site) connect(id string) *device {
	s.t.Helper()
	view, err := s.Hub().CreateDevice(registry.Device{ID: id})
	require.NoError(s.t, err)
	token, err := auth.Sign("127.0.0.1/devices/"+id, view.Authentication.PrimaryKey, "", clock.Wall().Add(time.Hour))
	require.NoError(s.t, err)
	v := &device{methods: make(chan methods.Request, 10), closed: make(chan error, 10)}
	v.Session, err = s.Hub().Connect(hub.ConnectRequest{Identity: iot.Device(id), Token: token}, v)
	require.NoError(s.t, err)
	v.Listen(hub.Listening{Methods: true})
	return v
}

// call asks for a method that takes its time, and says when it is under way.
func (s *site) call(v *device) (request methods.Request, done chan error) {
	s.t.Helper()
	done = make(chan error, 1)
	go func() {
		status, text, err := s.ask("POST", "/twins/"+v.Identity().DeviceID+"/methods?api-version=2021-04-12",
			`{"methodName":"slow","payload":{},"responseTimeoutInSeconds":300}`)
		if err == nil && status != http.StatusOK {
			err = errors.New(text)
		}
		done <- err
	}()
	select {
	case request = <-v.methods:
	case err := <-done:
		require.NoError(s.t, err, "the call ended before it was under way")
	}
	return request, done
}

func TestTheServiceAPIAndTheControlAPIAreThere(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{Name: "hub1", Version: "v9"})
	status, text, err := s.ask("PUT", "/devices/d1?api-version=2021-04-12", `{"deviceId":"d1"}`)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status, text)

	status, text, err = s.control("/health")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, "hub hub1 is up")
	status, text, err = s.control("/v1/ca.pem")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, string(s.CA()), text)
	_, text, err = s.control("/metrics")
	require.NoError(t, err)
	assert.Contains(t, text, `version="v9"`)
}

func TestServersShareNothing(t *testing.T) {
	t.Parallel()
	one, other := open(t, server.Options{}), open(t, server.Options{})
	one.connect("d1")
	status, _, err := other.ask("GET", "/devices/d1?api-version=2021-04-12", "")
	require.NoError(t, err)
	assert.Equal(t, http.StatusNotFound, status)
	assert.NotEqual(t, one.CA(), other.CA())
	one.Hub().Clock().Advance(time.Hour)
	assert.Zero(t, other.Hub().Clock().Offset())
	assert.NoError(t, one.Close())
	status, _, err = other.control("/health")
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	v := s.connect("d1")
	request, called := s.call(v)

	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	require.Eventually(t, func() bool {
		_, err := net.Dial("tcp", s.HTTPSAddr())
		return err != nil
	}, 10*time.Second, time.Millisecond, "it stops accepting")
	assert.Empty(t, v.closed, "the device is still there")
	assert.True(t, v.Answer(request.RID, methods.Response{Status: 200}))

	require.NoError(t, <-called)
	require.NoError(t, <-down)
	assert.Len(t, v.closed, 1, "and then it is not")
	for _, addr := range []string{s.MQTTAddr(), s.HTTPSAddr(), s.AMQPSAddr(), s.ControlAddr()} {
		_, err := net.Dial("tcp", addr)
		assert.Error(t, err)
	}
	assert.NoError(t, s.Shutdown(t.Context()))
}

func TestShutdownCutsRequestsThatTakeTooLong(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	_, called := s.call(s.connect("d1"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	assert.ErrorContains(t, <-called, "errorCode", "and they are told")
}

func TestCloseHurriesAShutdown(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	_, called := s.call(s.connect("d1"))
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	require.Eventually(t, func() bool {
		_, err := net.Dial("tcp", s.HTTPSAddr())
		return err != nil
	}, 10*time.Second, time.Millisecond)
	assert.NoError(t, s.Close())
	assert.ErrorIs(t, <-down, context.Canceled)
	assert.Error(t, <-called)
	assert.NoError(t, s.Close())
}

func TestShutdownDoesNotWaitForThoseWhoSayNothing(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	for _, addr := range []string{s.MQTTAddr(), s.HTTPSAddr(), s.AMQPSAddr(), s.ControlAddr()} {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer c.Close()
	}
	idle, err := tls.Dial("tcp", s.HTTPSAddr(), trusting(t, s.CA()))
	require.NoError(t, err)
	defer idle.Close()

	begun := clock.Wall()
	require.NoError(t, s.Shutdown(t.Context()))
	assert.Less(t, clock.Wall().Sub(begun), 4*time.Second)
}

func TestShutdownEndsRequestsThatWaitForEvents(t *testing.T) {
	t.Parallel()
	s := open(t, server.Options{})
	waiting := make(chan int, 1)
	go func() {
		status, _, err := s.control("/v1/events?wait=1&timeout=5m")
		assert.NoError(t, err)
		waiting <- status
	}()
	require.Eventually(t, func() bool {
		stacks := make([]byte, 1<<20)
		return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("events.(*Log).WaitAny"))
	}, 10*time.Second, 5*time.Millisecond, "nothing else shows that it waits")
	require.NoError(t, s.Shutdown(t.Context()))
	assert.Equal(t, http.StatusServiceUnavailable, <-waiting)
}
