package harness_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

func TestASignedTokenHasTheSignatureOfTheDocuments(t *testing.T) {
	t.Parallel()
	// HMAC-SHA256 of "127.0.0.11%2Fdevices%2Fd1\n1893456000" under the
	// well-known key, computed with openssl.
	token := harness.Sign("127.0.0.11/devices/d1", harness.WellKnownKey, "", time.Unix(1893456000, 0))
	assert.Equal(t, "SharedAccessSignature sr=127.0.0.11%2Fdevices%2Fd1&sig=vU5Utpi3UgatYWdy%2Bwb3vxVBXtjSJhpu96ODndkeGA4%3D&se=1893456000", token)
}

func TestAPolicyTokenNamesItsPolicy(t *testing.T) {
	t.Parallel()
	token := harness.Sign("h", harness.WellKnownKey, "service", time.Unix(1, 0))
	assert.Contains(t, token, "&se=1&skn=service")
}

func TestAHubStartsIsSpokenToAndStops(t *testing.T) {
	t.Parallel()
	hub := harness.Start(t, harness.Options{Address: "127.0.0.10"})

	device := hub.CreateDevice(t, "d1")
	module := hub.CreateModule(t, "d1", "m1")
	assert.NotEqual(t, device.Key, module.Key)
	assert.Equal(t, "d1/m1", module.ClientID())

	id := hub.Send(t, "d1", harness.CloudMessage{Body: "hello", Ack: "full", TTL: "1m"})
	before := hub.Now(t)
	assert.GreaterOrEqual(t, hub.Advance(t, time.Hour).Sub(before), time.Hour)
	records := hub.WaitFeedback(t, 1, "d1")
	assert.Equal(t, id, records[0].OriginalMessageID)

	events, cursor := hub.Events(t, harness.Filter{Device: "d1"})
	assert.Empty(t, events)
	assert.NotEmpty(t, cursor)

	hub.Reset(t)
	response := hub.REST(t, "GET", "/devices/d1", nil)
	require.Equal(t, 404, response.Status, "%s", response.Body)
	assert.Contains(t, hub.Log(), "8883")
}
