package registry_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// names are the ids of a device's modules.
func names(t *testing.T, s *registry.Store, device string) []string {
	t.Helper()
	list, err := s.Modules(device)
	require.NoError(t, err)
	ids := make([]string, len(list))
	for i, m := range list {
		ids[i] = m.ID
	}
	return ids
}

func TestAnEdgeDeviceHasSystemModules(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d", IoTEdge: true})
	assert.Equal(t, []string{"$edgeAgent", "$edgeHub"}, names(t, s, "d"))
	agent, err := s.Module("d", "$edgeAgent")
	require.NoError(t, err)
	assert.True(t, agent.IsSystem())
	assert.Equal(t, "iotEdge", agent.ManagedBy)
	assert.Equal(t, iot.Authentication{Type: iot.AuthenticationNone}, agent.Authentication)
	assert.NotEmpty(t, agent.ETag)
	hub, err := s.Module("d", "$edgeHub")
	require.NoError(t, err)
	assert.NotEqual(t, agent.GenerationID, hub.GenerationID)
}

func TestSystemModulesComeAndGoWithTheCapability(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d"})
	_, err := s.CreateModule(registry.Module{DeviceID: "d", ID: "mine"})
	require.NoError(t, err)
	update(t, s, registry.Device{ID: "d", IoTEdge: true})
	before, err := s.Module("d", "$edgeHub")
	require.NoError(t, err)
	update(t, s, registry.Device{ID: "d", IoTEdge: true, StatusReason: "again"})
	after, err := s.Module("d", "$edgeHub")
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Equal(t, []string{"mine", "$edgeAgent", "$edgeHub"}, names(t, s, "d"))
	update(t, s, registry.Device{ID: "d"})
	assert.Equal(t, []string{"mine"}, names(t, s, "d"))
}

func TestSystemModulesAreTheHubs(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "edge", IoTEdge: true})
	create(t, s, registry.Device{ID: "leaf"})
	for _, c := range []struct {
		device, module string
		want           *iot.Error
	}{
		{"edge", "$edgeAgent", iot.ErrSystemModule},
		{"edge", "$mine", iot.ErrArgumentInvalid},
		{"leaf", "$edgeAgent", iot.ErrArgumentInvalid},
		{"nobody", "$edgeAgent", iot.ErrDeviceNotFound},
	} {
		t.Run(c.device+" "+c.module, func(t *testing.T) {
			t.Parallel()
			m := registry.Module{DeviceID: c.device, ID: c.module}
			_, err := s.CreateModule(m)
			require.ErrorIs(t, err, c.want)
			_, err = s.UpdateModule(m, "*")
			require.ErrorIs(t, err, c.want)
			_, err = s.Regenerate(iot.Module(c.device, c.module), registry.PrimaryKey)
			require.Error(t, err)
		})
	}
	require.ErrorIs(t, s.DeleteModule("edge", "$edgeHub", "*"), iot.ErrSystemModule)
	require.ErrorIs(t, s.DeleteModule("leaf", "$edgeHub", "*"), iot.ErrModuleNotFound)
	assert.Equal(t, []string{"$edgeAgent", "$edgeHub"}, names(t, s, "edge"))
}

func TestSystemModulesTakeNoRoom(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d", IoTEdge: true})
	for n := range registry.MaxModules {
		_, err := s.CreateModule(registry.Module{DeviceID: "d", ID: "m" + strconv.Itoa(n)})
		require.NoError(t, err)
	}
	_, err := s.CreateModule(registry.Module{DeviceID: "d", ID: "one-more"})
	require.ErrorIs(t, err, iot.ErrTooManyModules)
}
