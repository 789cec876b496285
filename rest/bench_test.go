package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/rest"
)

// fleetTwin is the tags and properties of a twin of 2 KB.
const fleetTwin = `"tags":{"site":"north","rack":%d},"properties":{"desired":{%s}}`

// BenchmarkBulk registers devices with twins of 2 KB, a hundred in a request.
func BenchmarkBulk(b *testing.B) {
	h, err := hub.New(hub.Options{Hostnames: []string{host}, Clock: clock.New()})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	api := rest.Handler(h, zerolog.Nop())
	token, err := auth.Sign(host, auth.WellKnownKey, "iothubowner", h.Clock().Now().Add(3600e9))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	registered := 0
	for b.Loop() {
		b.StopTimer()
		r := httptest.NewRequest(http.MethodPost, "/devices"+version, strings.NewReader(fleetBatch(registered)))
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		b.StartTimer()
		api.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
		registered += hub.MaxBulk
	}
	b.ReportMetric(float64(registered)/b.Elapsed().Seconds(), "devices/s")
}

// fleetBatch is a bulk request for the hundred devices from number first on.
func fleetBatch(first int) string {
	var properties []string
	for i := range 40 {
		properties = append(properties, fmt.Sprintf(`"setting%d":{"value":%d.5,"unit":"celsius","on":true}`, i, i))
	}
	items := make([]string, hub.MaxBulk)
	for i := range items {
		twin := fmt.Sprintf(fleetTwin, i, strings.Join(properties, ","))
		items[i] = fmt.Sprintf(`{"id":"device-%d","importMode":"create","status":"enabled",%s,%s}`, first+i, keys, twin)
	}
	return "[" + strings.Join(items, ",") + "]"
}
