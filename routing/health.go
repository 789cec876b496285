package routing

import "time"

// State is how well an endpoint takes its messages.
// IoT Hub: contract.md §19.5; unknown is that of an endpoint which nothing was
// sent to yet.
type State string

// The states of an endpoint.
const (
	Unknown   State = "unknown"
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy"
	Dead      State = "dead"
)

// DeadAfter is for how long an endpoint may fail before it counts as dead.
// IoT Hub: contract.md §19.5.
const DeadAfter = time.Hour

// Between two attempts to deliver to an endpoint that fails lies twice as long
// as before, from minDelay to maxDelay [unsourced].
const (
	minDelay = time.Second
	maxDelay = time.Minute
)

// Health follows an endpoint through successes and failures. The zero value is
// that of a new endpoint.
type Health struct {
	State    State     // empty means Unknown
	Since    time.Time // of the state
	LastGood time.Time // of the last success
	Failing  time.Time // since when all attempts have failed; zero: the last was a success
	Attempts int       // that have failed since then
	Reason   string    // of the last failure
}

// Succeeded notes a success.
func (h *Health) Succeeded(now time.Time) {
	h.LastGood, h.Failing, h.Attempts, h.Reason = now, time.Time{}, 0, ""
	h.become(Healthy, now)
}

// Failed notes a failure. Where some messages got through before it, it is the
// first one again.
func (h *Health) Failed(now time.Time, moves bool, reason string) {
	if moves {
		h.LastGood, h.Attempts = now, 0
	}
	if h.Attempts == 0 {
		h.Failing = now
	}
	h.Attempts++
	h.Reason = reason
	if now.Sub(h.Failing) > DeadAfter {
		h.become(Dead, now)
	} else {
		h.become(Unhealthy, now)
	}
}

func (h *Health) become(s State, now time.Time) {
	if h.State != s {
		h.State, h.Since = s, now
	}
}

// Delay is how long to wait after a failure before the next attempt.
func (h *Health) Delay() time.Duration {
	delay := minDelay
	for range h.Attempts - 1 {
		if delay *= 2; delay >= maxDelay {
			return maxDelay
		}
	}
	return delay
}
