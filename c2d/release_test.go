package c2d_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/internal/clock"
)

func TestAReleasedBatchIsHandedOutAgainAndNotCounted(t *testing.T) {
	t.Parallel()
	clk := clock.NewManual(start)
	s := c2d.NewStore(clk, c2d.Options{})
	m := message("1")
	m.Ack = c2d.AckFull
	_, err := s.Enqueue(device, "generation", m)
	require.NoError(t, err)
	s.Purge(device)
	clk.Advance(15 * time.Second)
	f := s.Feedback()
	for range 20 { // more often than a batch may be abandoned
		b, ok := f.Receive()
		require.True(t, ok)
		assert.Zero(t, b.DeliveryCount)
		changed := f.Changed()
		f.Release(b.LockToken)
		select {
		case <-changed:
		default:
			require.Fail(t, "nobody was told")
		}
		f.Release(b.LockToken) // whose lock is gone
	}
}
