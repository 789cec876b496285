// Package hubtest is a whole hub inside a Go test: on free loopback ports, with a
// CA of its own, gone when the test ends.
//
//	func TestTelemetry(t *testing.T) {
//		h := hubtest.Start(t)
//		device := h.DeviceConnectionString("d1") // registers it
//		// … connect to h.MQTTAddr() with h.TLSConfig(), send …
//		events := h.WaitEvents(1, hubtest.Filter{Device: "d1"})
//		// …
//	}
//
// Any number of hubs may run at once; they share nothing. Its time can be moved
// with Clock().Advance.
package hubtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/server"
)

// Options are the server's. Addresses that are empty are free ports of loopback,
// the CA is in memory unless DataDir is set, and nothing is logged unless Log
// is.
type Options = server.Options

// Clock is a hub's time.
type Clock = clock.Clock

// Hub is a running hub. A method that fails fails the test.
type Hub struct {
	t      testing.TB
	server *server.Server
}

// Start runs a hub until the test ends.
func Start(t testing.TB) *Hub {
	t.Helper()
	return StartWith(t, Options{})
}

// StartWith runs a hub that is set up in another way.
func StartWith(t testing.TB, o Options) *Hub {
	t.Helper()
	for _, addr := range []*string{&o.MQTT, &o.HTTPS, &o.AMQPS, &o.Control} {
		if *addr == "" {
			*addr = "127.0.0.1:0"
		}
	}
	s, err := server.Start(o)
	if err != nil {
		t.Fatalf("hubtest: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &Hub{t: t, server: s}
}

// Hub is the hub itself, for what has no method here.
func (h *Hub) Hub() *hub.Hub { return h.server.Hub() }

// Clock is the hub's time.
func (h *Hub) Clock() *Clock { return h.Hub().Clock() }

// AMQPSAddr is the host:port for AMQP over TLS.
func (h *Hub) AMQPSAddr() string { return h.server.AMQPSAddr() }

// MQTTAddr is the host:port for MQTT over TLS.
func (h *Hub) MQTTAddr() string { return h.server.MQTTAddr() }

// HTTPSURL is the base URL of the service API. MQTT over WebSocket is at its
// /$iothub/websocket.
func (h *Hub) HTTPSURL() string { return h.server.HTTPSURL() }

// ControlURL is the base URL of the control API.
func (h *Hub) ControlURL() string { return h.server.ControlURL() }

// CAPEM is the certificate that clients have to trust.
func (h *Hub) CAPEM() []byte { return h.server.CA() }

// CAFile is a file with CAPEM, for programs that want a path.
func (h *Hub) CAFile() string {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, h.CAPEM(), 0o600); err != nil {
		h.t.Fatalf("hubtest: %v", err)
	}
	return path
}

// TLSConfig trusts the hub and nobody else.
func (h *Hub) TLSConfig() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.CAPEM())
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// ServiceConnectionString is for back ends that may do everything. It has no
// port: SDKs have theirs hard-coded, so the address is MQTTAddr's or HTTPSURL's.
func (h *Hub) ServiceConnectionString() string {
	h.t.Helper()
	s, err := h.Hub().ConnectionString("iothubowner")
	if err != nil {
		h.t.Fatalf("hubtest: %v", err)
	}
	return s
}

// EventsConnectionString is for readers of the Event-Hubs-compatible endpoint.
func (h *Hub) EventsConnectionString() string { return h.Hub().EventsConnectionString() }

// DeviceConnectionString is for a device, which is registered when it is not
// there.
func (h *Hub) DeviceConnectionString(id string) string {
	h.t.Helper()
	return h.connectionString(iot.Device(id))
}

// ModuleConnectionString is for a module; it and its device are registered when
// they are not there.
func (h *Hub) ModuleConnectionString(device, module string) string {
	h.t.Helper()
	return h.connectionString(iot.Module(device, module))
}

func (h *Hub) connectionString(id iot.Identity) string {
	h.t.Helper()
	h.register(id, iot.Authentication{})
	s, err := h.Hub().DeviceConnectionString(id)
	if err != nil {
		h.t.Fatalf("hubtest: %v", err)
	}
	return s
}

// DeviceCertificate is a new client certificate for a device or, by
// {device}/{module}, a module, which is registered when it is not there and then
// authenticates by certificates of the hub's CA:
//
//	config := h.TLSConfig()
//	config.Certificates = []tls.Certificate{h.DeviceCertificate("d1")}
//
// It runs out after a year of Clock.
func (h *Hub) DeviceCertificate(id string) tls.Certificate {
	h.t.Helper()
	h.register(named(id), iot.Authentication{Type: iot.AuthenticationCA})
	certificate, err := h.server.DeviceCertificate(id)
	if err != nil {
		h.t.Fatalf("hubtest: a certificate for %s: %v", id, err)
	}
	return certificate
}

// named is the device, or the module by {device}/{module}, of a name.
func named(id string) iot.Identity {
	device, module, _ := strings.Cut(id, "/")
	return iot.Module(device, module)
}

// register registers a device or module that authenticates so, and a module's
// device with keys, where they are not there.
func (h *Hub) register(id iot.Identity, a iot.Authentication) {
	h.t.Helper()
	device := registry.Device{ID: id.DeviceID}
	if !id.IsModule() {
		device.Authentication = a
	}
	_, err := h.Hub().CreateDevice(device)
	if id.IsModule() && (err == nil || errors.Is(err, iot.ErrDeviceExists)) {
		_, err = h.Hub().CreateModule(registry.Module{DeviceID: id.DeviceID, ID: id.ModuleID, Authentication: a})
	}
	if err != nil && !errors.Is(err, iot.ErrDeviceExists) && !errors.Is(err, iot.ErrModuleExists) {
		h.t.Fatalf("hubtest: register %s: %v", id, err)
	}
}
