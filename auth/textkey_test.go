package auth_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Event Hubs' SDKs sign with the text of a key, and the Go one for a resource in
// lower case.
func TestEventsTokensAreSignedWithTheTextOfTheKey(t *testing.T) {
	t.Parallel()
	a := auth.NewAuthorizer(auth.Options{
		Hostnames: func(host string) bool { return host == "hub" }, Clock: clock.New(),
	})
	text := base64.StdEncoding.EncodeToString([]byte(auth.WellKnownKey))
	sign := func(resource, key, policy string, life time.Duration) string {
		s, err := auth.Sign(resource, key, policy, clock.Wall().Add(life))
		require.NoError(t, err)
		return s
	}
	const partition = "linarite/ConsumerGroups/$Default/Partitions/0"
	for _, c := range []struct {
		name, token string
		need        auth.Rights
		ok          bool
	}{
		{"for the hub", sign("hub", text, "service", time.Hour), auth.ServiceConnect, true},
		{"for the partition", sign("hub/"+partition, text, "service", time.Hour), auth.ServiceConnect, true},
		{"in lower case", sign("hub/linarite/consumergroups/$default", text, "service", time.Hour), auth.ServiceConnect, true},
		{"for another partition", sign("hub/linarite/ConsumerGroups/$Default/Partitions/1", text, "service", time.Hour), auth.ServiceConnect, false},
		{"signed as IoT Hub's", sign("hub", auth.WellKnownKey, "service", time.Hour), auth.ServiceConnect, false},
		{"without the right", sign("hub", text, "device", time.Hour), auth.ServiceConnect, false},
		{"run out", sign("hub", text, "service", -time.Hour), auth.ServiceConnect, false},
		{"no token", "", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := a.Events(c.token, c.need, partition)
			if !c.ok {
				require.ErrorIs(t, err, iot.ErrUnauthorizedAccess)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, "service", p.Policy)
		})
	}
	_, err := a.Service(sign("hub", text, "service", time.Hour), auth.ServiceConnect, "")
	require.ErrorIs(t, err, iot.ErrUnauthorizedAccess, "it is good for nothing else")
}
