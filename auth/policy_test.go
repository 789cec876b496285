package auth_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
)

func TestTheBuiltinPolicies(t *testing.T) {
	t.Parallel()
	rights := map[string]string{}
	for _, p := range auth.BuiltinPolicies() {
		rights[p.Name] = p.Rights.String()
		assert.Equal(t, auth.WellKnownKey, p.PrimaryKey)
		assert.Equal(t, auth.WellKnownKey, p.SecondaryKey)
	}
	assert.Equal(t, map[string]string{
		"iothubowner":       "RegistryWrite, ServiceConnect, DeviceConnect",
		"service":           "ServiceConnect",
		"device":            "DeviceConnect",
		"registryRead":      "RegistryRead",
		"registryReadWrite": "RegistryWrite",
	}, rights)
}

func TestTheWellKnownKeySaysWhatItIs(t *testing.T) {
	t.Parallel()
	text, err := base64.StdEncoding.DecodeString(auth.WellKnownKey)
	require.NoError(t, err)
	assert.Equal(t, "linarite-well-known-key-32-bytes", string(text))
}

func TestRights(t *testing.T) {
	t.Parallel()
	assert.True(t, auth.RegistryWrite.Has(auth.RegistryRead), "who writes may read")
	assert.False(t, auth.RegistryRead.Has(auth.RegistryWrite))
	assert.False(t, auth.ServiceConnect.Has(auth.ServiceConnect|auth.DeviceConnect))
	assert.True(t, auth.Rights(0).Has(0))
	assert.Equal(t, "RegistryRead, DeviceConnect", (auth.RegistryRead | auth.DeviceConnect).String())
	assert.Equal(t, "none", auth.Rights(0).String())
}
