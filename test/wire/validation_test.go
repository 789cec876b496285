package wire_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A webhook gets nothing before its receiver has said that it wants events, in the
// way of its schema. That of Event Grid may leave it to whoever opens the
// validationUrl, within ten minutes. Event Grid:
// end-point-validation-event-grid-events-schema, -cloud-events-schema.
func TestAWebhookIsSentNothingUnlessItWantsIt(t *testing.T) {
	t.Parallel()
	const at = validationAddress
	grid, cloud := startHook(t, at+":9000"), startHook(t, at+":9001")
	grid.shy.Store(true)
	cloud.shy.Store(true)
	h, _ := startWith(t, at, `
endpoints:
  - {name: grid, webhook: {url: "http://`+at+`:9000"}}
  - {name: cloud, webhook: {url: "http://`+at+`:9001", schema: cloudEvents}}
routes: [{name: all, source: DeviceMessages, endpointNames: [grid, cloud]}]
`)
	d := identity{h.CreateDevice(t, "d"), h}
	c := d.join(t)
	c.send(publish(1, d.events()+asJSON, `"hello"`))
	c.expect(puback(1))
	failed := func(v endpointView) bool { return v.Health.Attempts > 0 }
	require.Contains(t, awaitEndpoint(t, h, "grid", failed).Health.Reason, "validationUrl may be opened until")
	require.Contains(t, awaitEndpoint(t, h, "cloud", failed).Health.Reason, "did not allow the origin eventgrid.azure.net")

	first := validationURL(t, grid)
	base, id, _ := strings.Cut(first, "?id=")
	require.Equal(t, "http://"+at+":8080/v1/endpoints/grid/validate", base)
	require.Equal(t, http.StatusNotFound, visit(t, base))
	require.Equal(t, http.StatusNotFound, visit(t, base+"?id=guessed"))
	require.Equal(t, http.StatusNotFound, visit(t, strings.Replace(first, "/grid/", "/cloud/", 1)))
	h.Advance(t, 10*time.Minute)
	second := validationURL(t, grid) // it is asked again
	require.Equal(t, http.StatusNotFound, visit(t, first), "ten minutes are over")
	require.Equal(t, http.StatusOK, visit(t, second))
	assert.Contains(t, string(grid.take(t, 1)[0]), "hello", "at once")

	cloud.shy.Store(false)
	h.Advance(t, time.Minute)
	assert.Contains(t, string(cloud.take(t, 1)[0]), "hello")
	for _, name := range []string{"grid", "cloud"} {
		v := awaitEndpoint(t, h, name, func(v endpointView) bool { return v.Delivered == 1 })
		assert.Equal(t, "healthy", v.Health.State)
	}
	assert.Empty(t, grid.asked)
	assert.NotContains(t, h.Log(), id)
}

// validationURL is that of the next validation event.
func validationURL(t *testing.T, h *hook) string {
	t.Helper()
	var e struct {
		EventType string
		Data      struct{ ValidationCode, ValidationURL string }
	}
	require.NoError(t, json.Unmarshal(next(t, h.asked), &e))
	require.Equal(t, "Microsoft.EventGrid.SubscriptionValidationEvent", e.EventType)
	require.NotEmpty(t, e.Data.ValidationCode)
	return e.Data.ValidationURL
}

// visit is the status of the answer when somebody opens a URL.
func visit(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url) //nolint:noctx // it is as bounded as the hub
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
