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
	h.Failed(noon, false, "refused")
	assert.Equal(t, routing.Unhealthy, h.State)
	assert.Equal(t, "refused", h.Reason)
	h.Failed(noon.Add(time.Hour), false, "refused again")
	assert.Equal(t, routing.Unhealthy, h.State, "an hour is not more than an hour")
	h.Failed(noon.Add(time.Hour+time.Second), false, "refused again")
	assert.Equal(t, routing.Dead, h.State)
	assert.Equal(t, noon, h.Failing)
	h.Failed(noon.Add(5*time.Hour), false, "still refused")

	h.Succeeded(noon.Add(6 * time.Hour))
	assert.Equal(t, routing.Health{
		State: routing.Healthy, Since: noon.Add(6 * time.Hour), LastGood: noon.Add(6 * time.Hour),
	}, h)
	h.Succeeded(noon.Add(7 * time.Hour))
	assert.Equal(t, noon.Add(6*time.Hour), h.Since)
	h.Failed(noon.Add(8*time.Hour), false, "refused")
	assert.Equal(t, routing.Unhealthy, h.State, "the hour begins anew")
}

func TestTheDelayDoublesUpToAMinute(t *testing.T) {
	t.Parallel()
	var h routing.Health
	var delays []time.Duration
	for range 9 {
		h.Failed(noon, false, "refused")
		delays = append(delays, h.Delay()/time.Second)
	}
	assert.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60}, delays)
	h.Succeeded(noon)
	h.Failed(noon, false, "refused")
	assert.Equal(t, time.Second, h.Delay())
}

func TestAnEndpointThatTakesSomeIsFailingSinceThen(t *testing.T) {
	t.Parallel()
	var h routing.Health
	h.Failed(noon, false, "refused")
	later := noon.Add(2 * time.Hour)
	h.Failed(later, true, "refused")
	assert.Equal(t, routing.Health{
		State: routing.Unhealthy, Since: noon, LastGood: later, Failing: later, Attempts: 1, Reason: "refused",
	}, h)
}
