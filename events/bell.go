package events

import (
	"context"
	"sync/atomic"
)

// bell wakes whoever waits for a change. To ring it costs one load when nobody
// does.
type bell struct {
	waiting atomic.Pointer[chan struct{}] // nil when nobody waits
}

// heard is closed by the next ring.
func (b *bell) heard() <-chan struct{} {
	for {
		if ch := b.waiting.Load(); ch != nil {
			return *ch
		}
		ch := make(chan struct{})
		if b.waiting.CompareAndSwap(nil, &ch) {
			return ch
		}
	}
}

func (b *bell) ring() {
	if b.waiting.Load() == nil {
		return
	}
	if ch := b.waiting.Swap(nil); ch != nil {
		close(*ch)
	}
}

// await returns nil once ready says so, which it asks at each ring, or ctx's
// error.
func await(ctx context.Context, b *bell, ready func() bool) error {
	for !ready() {
		heard := b.heard()
		if ready() { // it may have rung before we listened
			return nil
		}
		select {
		case <-heard:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
