package routing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/linarite/linarite/routing"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// IoT Hub: contract.md §19.5 (EndpointUnhealthy, EndpointDead after more than an
// hour, EndpointHealthy).
func TestAnEndpointIsUnhealthyThenDeadThenHealthyAgain(t *testing.T) {
	t.Parallel()
	var h routing.Health
	h.Failed(noon, "refused")
	assert.Equal(t, routing.Unhealthy, h.State)
	assert.Equal(t, "refused", h.Reason)
	h.Failed(noon.Add(time.Hour), "refused again")
	assert.Equal(t, routing.Unhealthy, h.State, "an hour is not more than an hour")
	h.Failed(noon.Add(time.Hour+time.Second), "refused again")
	assert.Equal(t, routing.Dead, h.State)
	assert.Equal(t, noon, h.Failing)
	h.Failed(noon.Add(5*time.Hour), "still refused")

	h.Succeeded(noon.Add(6 * time.Hour))
	assert.Equal(t, routing.Health{
		State: routing.Healthy, Since: noon.Add(6 * time.Hour), LastGood: noon.Add(6 * time.Hour),
	}, h)
	h.Succeeded(noon.Add(7 * time.Hour))
	assert.Equal(t, noon.Add(6*time.Hour), h.Since)
	h.Failed(noon.Add(8*time.Hour), "refused")
	assert.Equal(t, routing.Unhealthy, h.State, "the hour begins anew")
}

func TestTheDelayDoublesUpToAMinute(t *testing.T) {
	t.Parallel()
	var h routing.Health
	var delays []time.Duration
	for range 9 {
		h.Failed(noon, "refused")
		delays = append(delays, h.Delay()/time.Second)
	}
	assert.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60}, delays)
	h.Succeeded(noon)
	h.Failed(noon, "refused")
	assert.Equal(t, time.Second, h.Delay())
}
