package rest_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/rest"
)

// FuzzBodies gives any body to the operations that take arrays and settings: each
// is answered with JSON, never as a fault of our own, and whatever was registered
// has a twin, a digital twin and modules.
func FuzzBodies(f *testing.F) {
	f.Add(`[{"id":"d1","importMode":"create","tags":{"a":1},"properties":{"desired":{"b":[1]}}},{"id":"d1","moduleId":"m"}]`)
	f.Add(`[{"id":"d2","capabilities":{"iotEdge":true}},{"id":"d3","deviceScope":"ms-azure-iot-edge://d2-1"},{"id":"d1","importMode":"delete"}]`)
	f.Add(`{"policyKey":"both","devices":[{"id":"d1"},{"id":"d1","moduleId":"m"}]}`)
	f.Add(`[{"op":"add","path":"/p","value":{"$metadata":{},"a":1}},{"op":"remove","path":"/p/a"}]`)
	f.Add(`{"deviceId":"d1","status":"disabled","authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":""}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		h, err := hub.New(hub.Options{Hostnames: []string{host}, Clock: clock.NewManual(morning)})
		require.NoError(t, err)
		defer h.Close()
		api := rest.Handler(h, zerolog.Nop())
		token, err := auth.Sign(host, auth.WellKnownKey, "iothubowner", morning.Add(time.Hour))
		require.NoError(t, err)
		for _, operation := range []string{
			"PUT /devices/d1", "POST /devices", "POST /devices", "POST /devices/keys/regenerate", "PATCH /digitaltwins/d1", "PATCH /twins/d1",
		} {
			method, path, _ := strings.Cut(operation, " ")
			r := httptest.NewRequest(method, path+version, strings.NewReader(body))
			r.Header.Set("Authorization", token)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			require.Less(t, w.Code, 500, "%s: %s", operation, w.Body)
			require.True(t, w.Body.Len() == 0 || json.Valid(w.Body.Bytes()), "%s: %s", operation, w.Body)
		}
		requireWhole(t, h)
	})
}

// requireWhole asserts that every identity has what belongs to it.
func requireWhole(t *testing.T, h *hub.Hub) {
	t.Helper()
	for _, d := range h.Devices(1000) {
		_, err := h.Twin(iot.Device(d.ID))
		require.NoError(t, err)
		_, err = h.DigitalTwin(d.ID)
		require.NoError(t, err)
		modules, err := h.Modules(d.ID)
		require.NoError(t, err)
		for _, m := range modules {
			_, err := h.Twin(iot.Module(d.ID, m.ID))
			require.NoError(t, err)
		}
	}
}
