package wire_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// downTo is a configuration whose only endpoint is a webhook; messages with a
// property of the name spared do not go there.
func downTo(url string) string {
	return `
endpoints: [{name: hook, webhook: {url: "` + url + `", maxEventsPerBatch: 256}}]
routes: [{name: all, source: DeviceMessages, condition: NOT is_defined(spared), endpointNames: [hook]}]
`
}

// §19.5. What the endpoint was sent waits until it takes it.
func TestAnEndpointIsUnhealthyThenDeadThenHealthy(t *testing.T) {
	t.Parallel()
	const at = healthAddress
	receiver := startHook(t, at+":9000")
	receiver.status.Store(http.StatusServiceUnavailable)
	h, _ := startWith(t, at, downTo("http://"+at+":9000/?code=hidden"))
	d := identity{h.CreateDevice(t, "d"), h}
	c := d.join(t)
	require.Equal(t, "unknown", viewEndpoint(t, h, "hook").Health.State)

	c.send(publish(1, d.events(), "waits"))
	c.expect(puback(1)) // the endpoint's log has it
	triedAfter := func(n int) endpointView {
		return awaitEndpoint(t, h, "hook", func(v endpointView) bool { return v.Health.Attempts > n })
	}
	v := triedAfter(0)
	require.Equal(t, "unhealthy", v.Health.State)
	require.Equal(t, "the webhook answered 503", v.Health.Reason)
	h.Advance(t, 58*time.Minute)
	v = triedAfter(v.Health.Attempts)
	require.Equal(t, "unhealthy", v.Health.State, "an hour is not over")
	h.Advance(t, 3*time.Minute)
	v = triedAfter(v.Health.Attempts)
	require.Equal(t, "dead", v.Health.State)
	require.Equal(t, 1, v.Waiting)

	receiver.status.Store(http.StatusOK)
	h.Advance(t, time.Minute)
	v = awaitEndpoint(t, h, "hook", func(v endpointView) bool { return v.Delivered == 1 })
	require.Equal(t, "healthy", v.Health.State)
	h.WaitLog(t, "EndpointHealthy") // which is written after that
	for _, op := range []string{"EndpointUnhealthy", "EndpointDead", "EndpointHealthy"} {
		assert.Len(t, entries(t, h, quoted("endpoint", "hook"), op), 1, op)
	}
	assert.NotContains(t, h.Log(), "hidden")
}

// A log that is full loses the oldest, counts them and says so; the newest 100,000
// are there to be delivered.
func TestALogThatOverflowsLosesTheOldest(t *testing.T) {
	t.Parallel()
	const at, capacity, more, some = overflowAddress, 100_000, 500, 5_000
	h, _ := startWith(t, at, downTo("http://"+at+":9000"))
	d := identity{h.CreateDevice(t, "d"), h}
	pour(t, d.join(t), d, capacity+more)
	v := viewEndpoint(t, h, "hook")
	require.Equal(t, capacity+more, v.Accepted)
	require.Equal(t, capacity, v.Waiting)
	require.Equal(t, more, v.Dropped)
	h.WaitLog(t, quoted("op", "DroppedMessage"), quoted("endpoint", "hook"))

	receiver := startHook(t, at+":9000")
	h.Advance(t, time.Minute)
	for i, event := range receiver.take(t, some) {
		var e struct {
			Data struct{ Body struct{ N int } }
		}
		require.NoError(t, json.Unmarshal(event, &e))
		require.Equal(t, more+i, e.Data.Body.N)
	}
	v = awaitEndpoint(t, h, "hook", func(v endpointView) bool { return v.Delivered >= some })
	assert.Equal(t, capacity, v.Delivered+v.Waiting)
	assert.Equal(t, more, v.Dropped)
}

// pour sends n numbered messages as fast as they are acknowledged.
func pour(t *testing.T, c *client, d identity, n int) {
	t.Helper()
	require.NoError(t, c.conn.SetDeadline(time.Now().Add(5*harness.Deadline)))
	acknowledged := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, c.in, int64(4*n)) // PUBACKs
		acknowledged <- err
	}()
	const atOnce = 100
	var burst []byte
	for i := range n {
		burst = append(burst, publish(uint16(i%65_535+1), d.events()+asJSON, fmt.Sprintf(`{"n":%d}`, i))...)
		if (i+1)%atOnce == 0 || i == n-1 {
			_, err := c.conn.Write(burst)
			require.NoError(t, err)
			burst = burst[:0]
		}
	}
	require.NoError(t, <-acknowledged)
}

// A message whose route leads to an endpoint that is down, with a log that is full,
// is acknowledged as soon as one that goes to the built-in endpoint. They take
// turns, so that whatever else the machine does slows both.
func TestAnEndpointThatIsDownSlowsNobody(t *testing.T) {
	t.Parallel()
	const at, turns = slowAddress, 3000
	h, _ := startWith(t, at, downTo("http://"+at+":9000"))
	d := identity{h.CreateDevice(t, "d"), h}
	c := d.join(t)
	pour(t, c, d, 100_100)
	require.NotZero(t, viewEndpoint(t, h, "hook").Dropped)

	var took [2][]time.Duration
	topics := [2]string{d.events(), d.events() + "spared"}
	for i := range 2 * turns {
		start := time.Now()
		c.send(publish(1, topics[i%2], "0123456789"))
		c.expect(puback(1))
		took[i%2] = append(took[i%2], time.Since(start))
	}
	for i := range took {
		slices.Sort(took[i])
	}
	down, spared := took[0][turns/2], took[1][turns/2]
	t.Logf("median: %s to the endpoint that is down, %s to the built-in one", down, spared)
	assert.Less(t, down, spared*3/2)
}
