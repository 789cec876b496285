package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/linarite/linarite/internal/clock"
)

// How memory is kept. A hub is mostly idle connections, whose memory is mostly
// stacks.
const (
	tendEvery = 500 * time.Millisecond

	spareHeap  = 32 << 20 // what may be allocated between two collections, in bytes, within the percents below
	minPercent = 50       // with many devices: saves a tenth of the memory, and costs next to nothing
	maxPercent = 400      // with few: collecting a small heap all the time slows connects by a fifth

	quietBytes = 512 << 10 // a hub that allocates less in tendEvery has nothing much to do
	idleBytes  = 16 << 20  // unused memory that is worth giving back
)

// memory keeps the process small for what it does: it collects garbage less often
// as long as there is little of it, and gives back what a burst has left.
type memory struct {
	percent   int // of garbage; 0 when GOGC says it
	allocated uint64
	samples   []metrics.Sample
}

// newMemory is for a process whose environment sets GOGC or does not.
func newMemory(ownPercent bool) *memory {
	m := &memory{samples: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}}
	if !ownPercent {
		m.percent = maxPercent
		debug.SetGCPercent(m.percent)
	}
	return m
}

// tend looks after memory until ctx ends.
func (m *memory) tend(ctx context.Context) {
	for clock.Pause(ctx, tendEvery) {
		metrics.Read(m.samples)
		live, allocated, free := m.samples[0].Value.Uint64(), m.samples[1].Value.Uint64(), m.samples[2].Value.Uint64()
		if wanted := percentFor(live); m.percent != 0 && m.percent != wanted {
			m.percent = wanted
			debug.SetGCPercent(wanted)
		}
		if allocated-m.allocated < quietBytes && worthReturning(live, free) {
			debug.FreeOSMemory()
		}
		m.allocated = allocated
	}
}

// percentFor is how much garbage may come to a heap of that many live bytes, in
// percent: steps of 10, so that it does not change all the time.
func percentFor(live uint64) int {
	percent := spareHeap * 100 / max(live, 1) / 10 * 10
	return int(min(max(percent, minPercent), maxPercent))
}

// worthReturning says whether unused memory is much, for a heap of that many live
// bytes.
func worthReturning(live, free uint64) bool { return free > idleBytes && free > live/8 }
