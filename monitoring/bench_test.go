package monitoring_test

import (
	"testing"

	"github.com/linarite/linarite/monitoring"
)

func BenchmarkEvent(b *testing.B) {
	r := records["disconnected"]
	r.Time = now
	b.ReportAllocs()
	for b.Loop() {
		r.Event()
	}
}

func BenchmarkLine(b *testing.B) {
	r := records["disconnected"]
	r.Time = now
	resource := monitoring.Resource("plant")
	b.ReportAllocs()
	for b.Loop() {
		r.Line(resource)
	}
}
