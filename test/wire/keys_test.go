package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// No SDK makes keys anew; the Azure CLI does.
func TestKeysAreMadeAnew(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	m := d.module(t)
	there := d.join(t)
	items := []map[string]string{{"id": d.DeviceID}, {"id": d.DeviceID, "moduleId": m.ModuleID}, {"id": "nobody"}}
	r := hub.REST(t, "POST", "/devices/keys/regenerate?api-version=2024-03-31", map[string]any{"policyKey": "primaryKey", "devices": items})
	require.Equal(t, 207, r.Status, "%s", r.Body)
	var made struct {
		PolicyKey   string
		RotatedKeys []struct{ ID, ModuleID, PrimaryKey, SecondaryKey string }
		Errors      []struct{ ID, ErrorCode string }
	}
	r.JSON(t, &made)
	require.Equal(t, "primaryKey", made.PolicyKey)
	require.Len(t, made.RotatedKeys, 2)
	require.Equal(t, "nobody DeviceNotFound", made.Errors[0].ID+" "+made.Errors[0].ErrorCode)

	there.ping() // who is connected stays so
	for n, who := range []identity{d, m} {
		require.Equal(t, []string{who.DeviceID, who.ModuleID}, []string{made.RotatedKeys[n].ID, made.RotatedKeys[n].ModuleID})
		require.Empty(t, made.RotatedKeys[n].SecondaryKey)
		stranger := dial(t, hub)
		stranger.send(who.hello().bytes())
		stranger.turnedAway(notAuthorized, 401003, "matches neither key")
		who.Key = made.RotatedKeys[n].PrimaryKey
		who.join(t)
	}
}
