package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// fleet is a hub with n devices whose twins have 2 KB each, one in a hundred at
// the site x. Its second result is the heap that one of them takes.
func fleet(b *testing.B, n int) (*hub.Hub, float64) {
	b.Helper()
	h, err := hub.New(hub.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(h.Close)
	before := heap()
	for i := range n {
		tags, desired, reported := fleetTwin(i)
		id := fmt.Sprintf("device-%06d", i)
		if _, err := h.CreateDeviceWithTwin(registry.Device{ID: id}, twin.Initial{Tags: tags, Desired: desired}); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Reported(iot.Device(id), reported); err != nil {
			b.Fatal(err)
		}
	}
	return h, float64(heap()-before) / float64(n)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fleetTwin is a twin as fleets have them: 2 KB of JSON in nested objects.
func fleetTwin(i int) (tags, desired, reported json.RawMessage) {
	site := fmt.Sprintf("site-%d", i%100)
	if i%100 == 0 {
		site = "x"
	}
	tags = fmt.Appendf(nil, `{"site":%q,"building":"north wing %d","floor":%d,"owner":{"name":"a name of someone","mail":"someone@example.com"}}`, site, i%7, i%5)
	desired, reported = json.RawMessage(`{"interval":60`), fmt.Appendf(nil, `{"temp":%d.5,"firmware":"1.2.%d","up":true`, 21+i%20, i%9)
	for j := range 22 {
		desired = fmt.Appendf(desired, `,"setting%02d":{"value":%d,"unit":"s%d"}`, j, j*7, j)
		reported = fmt.Appendf(reported, `,"sensor%02d":{"value":%d.5,"quality":"good"}`, j, j*3)
	}
	return tags, append(desired, '}'), append(reported, '}')
}

// BenchmarkFleet is what queries, reads and patches cost beside 100,000 twins of
// 2 KB each.
func BenchmarkFleet(b *testing.B) {
	h, each := fleet(b, 100_000)
	ask := func(text string, rows int) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				page, err := h.Query(context.Background(), hub.QueryRequest{Text: text})
				if err != nil {
					b.Fatal(err)
				}
				var got []json.RawMessage
				if json.Unmarshal(page.JSON, &got) != nil || len(got) != rows {
					b.Fatal(len(got))
				}
			}
			b.ReportMetric(each, "heap-B/twin")
		}
	}
	b.Run("first page of one in a hundred", ask("SELECT * FROM devices WHERE tags.site = 'x' AND properties.reported.temp > 20", 100))
	b.Run("whole scan", ask("SELECT * FROM devices WHERE tags.site = 'nowhere' AND properties.reported.temp > 20", 0))
	b.Run("whole scan of reported properties", ask("SELECT * FROM devices WHERE properties.reported.temp < 20 AND tags.site = 'x'", 0))
	b.Run("whole scan of statuses", ask("SELECT * FROM devices WHERE status = 'disabled'", 0))
	b.Run("count by group", ask("SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site", 100))
	b.Run("read", func(b *testing.B) {
		for i := range b.N {
			if _, err := h.Twin(iot.Device(fmt.Sprintf("device-%06d", i*7919%100_000))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("patch", func(b *testing.B) {
		for i := range b.N {
			u := twin.Update{Desired: json.RawMessage(`{"interval":61,"setting03":{"value":9}}`)}
			if _, err := h.PatchTwin(iot.Device(fmt.Sprintf("device-%06d", i*7919%100_000)), u, ""); err != nil {
				b.Fatal(err)
			}
		}
	})
}
