package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// While devices send 5,000 messages a second, routes come and go, the endpoint gets
// other settings, and endpoints that nobody asked for are made and taken away. Each
// message that is acknowledged arrives, those of each device in order; after the
// reset that ends it the seed's routes carry the next.
func TestRoutesChangeUnderLoad(t *testing.T) {
	t.Parallel()
	const at, devices, each, pace = reloadAddress, 10, 1500, 500 // messages a second and device
	receiver := startHook(t, at+":9000")
	h, _ := startWith(t, at, downTo("http://"+at+":9000"))

	var senders sync.WaitGroup
	failed := make(chan error, devices)
	for i := range devices {
		d := identity{h.CreateDevice(t, fmt.Sprint("d", i)), h}
		c := d.join(t)
		senders.Go(func() { failed <- paced(c, d, each, time.Second/pace) })
	}
	sent := make(chan struct{})
	go func() { senders.Wait(); close(sent) }()
	changes := churn(t, h, at, sent)
	for range devices {
		require.NoError(t, <-failed)
	}

	next, ids := map[string]int{}, map[string]string{}
	duplicates := 0
	for received := 0; received < devices*each; {
		var e struct {
			ID   string
			Data struct {
				Body struct {
					Device string
					N      int
				}
			}
		}
		require.NoError(t, json.Unmarshal(receiver.take(t, 1)[0], &e))
		m := e.Data.Body
		if m.N < next[m.Device] {
			require.Equal(t, ids[fmt.Sprint(m)], e.ID, "it is known by its id")
			duplicates++
			continue
		}
		require.Equal(t, next[m.Device], m.N, m.Device)
		ids[fmt.Sprint(m)] = e.ID
		next[m.Device]++
		received++
	}
	t.Logf("%d messages during %d changes, %d of them twice", devices*each, changes, duplicates)

	h.Reset(t)
	var doc struct{ Routes []struct{ Name string } }
	h.Control(t, http.MethodGet, "/v1/routes", nil, &doc)
	require.Len(t, doc.Routes, 1)
	d := identity{h.CreateDevice(t, "after"), h}
	c := d.join(t)
	c.send(publish(1, d.events()+asJSON, `"after the reset"`))
	c.expect(puback(1))
	assert.Contains(t, string(receiver.take(t, 1)[0]), "after the reset")
}

// paced sends n numbered messages, one each interval at most, each once the one
// before is acknowledged.
func paced(c *client, d identity, n int, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		if err := reportOne(c, d, i); err != nil {
			return err
		}
	}
	return nil
}

// churn changes the routing until done, from several sides, and says how often. The
// route `all` has conditions that all messages meet.
func churn(t *testing.T, h *harness.Hub, at string, done <-chan struct{}) int {
	t.Helper()
	var mu sync.Mutex
	changes := 0
	change := func(method, path string, body any) {
		_, err := h.Call(method, path, body)
		assert.NoError(t, err)
		mu.Lock()
		changes++
		mu.Unlock()
	}
	var all sync.WaitGroup
	repeat := func(step func(i int)) {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					step(i)
				}
			}
		})
	}
	conditions := []string{"true", "$body.n >= 0", "NOT is_defined(spared)", "$connectionDeviceId != 'x'"}
	repeat(func(i int) {
		change(http.MethodPut, "/v1/routes/all", map[string]any{
			"source": "DeviceMessages", "condition": conditions[i%len(conditions)], "endpointNames": []string{"hook"},
		})
	})
	repeat(func(i int) {
		change(http.MethodPut, "/v1/endpoints/hook", map[string]any{
			"webhook": map[string]any{"url": "http://" + at + ":9000", "maxEventsPerBatch": 50 + i%50},
		})
	})
	for n := range 2 {
		path := fmt.Sprintf("extra-%d", n)
		repeat(func(int) {
			change(http.MethodPut, "/v1/endpoints/"+path, map[string]any{"file": map[string]any{"path": path}})
			change(http.MethodPut, "/v1/routes/"+path, map[string]any{"source": "DeviceMessages", "endpointNames": []string{path, "events"}})
			change(http.MethodDelete, "/v1/routes/"+path, nil)
			change(http.MethodDelete, "/v1/endpoints/"+path, nil)
		})
	}
	all.Wait()
	return changes
}
