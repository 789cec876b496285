package registry_test

import (
	"strconv"
	"testing"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

const fleet = 100_000

func newFleet(b *testing.B) *registry.Store {
	b.Helper()
	s := registry.NewStore(clock.New())
	for n := range fleet {
		if _, err := s.Create(registry.Device{ID: "device-" + strconv.Itoa(n)}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func BenchmarkAuthentication(b *testing.B) {
	s := newFleet(b)
	id := iot.Device("device-77777")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authentication(id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDevices(b *testing.B) {
	s := newFleet(b)
	b.ReportAllocs()
	for b.Loop() {
		if len(s.Devices(1000)) != 1000 {
			b.Fatal("not a thousand devices")
		}
	}
}

func BenchmarkCreateAndDelete(b *testing.B) {
	s := newFleet(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Create(registry.Device{ID: "one-more"}); err != nil {
			b.Fatal(err)
		}
		if err := s.Delete("one-more", "*"); err != nil {
			b.Fatal(err)
		}
	}
}
