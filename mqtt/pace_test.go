package mqtt_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/linarite/linarite/mqtt"
)

func TestAFloodIsReadAtABoundedRate(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	var p mqtt.Pace
	assert.Zero(t, p.Pause(now, 64<<10, 1), "the first burst")
	assert.Equal(t, 1953125*time.Nanosecond, p.Pause(now, 64<<10, 1))
	now = now.Add(1953125 * time.Nanosecond) // as long as it was told to wait
	assert.Equal(t, 2*1953125*time.Nanosecond, p.Pause(now, 128<<10, 1))
	now = now.Add(time.Second)
	assert.Zero(t, p.Pause(now, 64<<10, 1), "silence makes up for it")
	assert.Equal(t, 32_000*time.Second/(32<<20), p.Pause(now, 1, 100), "a small message counts 320 bytes")
}
