package registry_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

func TestModuleLivesAndDies(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	device := create(t, s, registry.Device{ID: "d"})
	m, err := s.CreateModule(registry.Module{
		ID: "m", DeviceID: "d", ManagedBy: "me", GenerationID: "mine", ETag: "mine",
	})
	require.NoError(t, err)
	assert.Equal(t, "me", m.ManagedBy)
	assert.Equal(t, iot.AuthenticationSAS, m.Authentication.Type)
	assert.NotEqual(t, device.GenerationID, m.GenerationID)

	changed, err := s.UpdateModule(registry.Module{ID: "m", DeviceID: "d", Authentication: m.Authentication}, m.ETag)
	require.NoError(t, err)
	assert.Empty(t, changed.ManagedBy)
	assert.Equal(t, m.GenerationID, changed.GenerationID)
	assert.Equal(t, m.Authentication, changed.Authentication)
	assert.Equal(t, counter(t, m.ETag)+1, counter(t, changed.ETag))

	read, err := s.Module("d", "m")
	require.NoError(t, err)
	assert.Equal(t, changed, read)
	generation, err := s.Generation(iot.Module("d", "m"))
	require.NoError(t, err)
	assert.Equal(t, m.GenerationID, generation)
	generation, err = s.Generation(iot.Device("d"))
	require.NoError(t, err)
	assert.Equal(t, device.GenerationID, generation)

	unchanged, err := s.Device("d")
	require.NoError(t, err)
	assert.Equal(t, device, unchanged, "a module's changes are not its device's")

	require.NoError(t, s.DeleteModule("d", "m", "*"))
	list, err := s.Modules("d")
	require.NoError(t, err)
	assert.Empty(t, list)
}

func TestModuleThatIsNotThere(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d"})
	tests := []struct {
		device string
		want   *iot.Error
		text   string
	}{
		{"d", iot.ErrModuleNotFound, "Device d does not contain Module m."},
		{"ghost", iot.ErrDeviceNotFound, "ghost"},
	}
	for _, tt := range tests {
		t.Run("of device "+tt.device, func(t *testing.T) {
			t.Parallel()
			_, err := s.Module(tt.device, "m")
			requireError(t, err, tt.want, tt.text)
			_, err = s.UpdateModule(registry.Module{ID: "m", DeviceID: tt.device}, "*")
			requireError(t, err, tt.want, tt.text)
			requireError(t, s.DeleteModule(tt.device, "m", "*"), tt.want, tt.text)
			_, err = s.Authentication(iot.Module(tt.device, "m"))
			requireError(t, err, tt.want, tt.text)
			_, err = s.Generation(iot.Module(tt.device, "m"))
			requireError(t, err, tt.want, tt.text)
		})
	}
	_, err := s.CreateModule(registry.Module{ID: "m", DeviceID: "ghost"})
	requireError(t, err, iot.ErrDeviceNotFound, "ghost")
	_, err = s.Modules("ghost")
	requireError(t, err, iot.ErrDeviceNotFound, "ghost")
}

func TestModuleIsCreatedOnce(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "X"})
	_, err := s.CreateModule(registry.Module{ID: "Z", DeviceID: "X"})
	require.NoError(t, err)
	_, err = s.CreateModule(registry.Module{ID: "Z", DeviceID: "X"})
	requireError(t, err, iot.ErrModuleExists, "Device X already contains Module Z.")
}

func TestModuleIDsOfTheHubAreRefused(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d"})
	for _, id := range []string{"$edgeAgent", "$edgeHub", "$", "", "a/b"} {
		_, err := s.CreateModule(registry.Module{ID: id, DeviceID: "d"})
		requireError(t, err, iot.ErrArgumentInvalid, "The module identifier "+id+" is invalid.")
	}
	_, err := s.CreateModule(registry.Module{ID: "a$", DeviceID: "d"})
	require.NoError(t, err)
}

func TestDeviceHasAtMostFiftyModules(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d"})
	for n := range registry.MaxModules {
		_, err := s.CreateModule(registry.Module{ID: "m" + strconv.Itoa(n), DeviceID: "d"})
		require.NoError(t, err)
	}
	_, err := s.CreateModule(registry.Module{ID: "one-more", DeviceID: "d"})
	requireError(t, err, iot.ErrTooManyModules, "Device d already has 50 modules.")

	require.NoError(t, s.DeleteModule("d", "m7", "*"))
	_, err = s.CreateModule(registry.Module{ID: "one-more", DeviceID: "d"})
	require.NoError(t, err)
	list, err := s.Modules("d")
	require.NoError(t, err)
	require.Len(t, list, registry.MaxModules)
	assert.Equal(t, "m0", list[0].ID)
	assert.Equal(t, "one-more", list[registry.MaxModules-1].ID)
}

func TestModulesGoWithTheirDevice(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d"})
	_, err := s.CreateModule(registry.Module{ID: "m", DeviceID: "d"})
	require.NoError(t, err)
	_, err = s.Update(registry.Device{ID: "d"}, "*")
	require.NoError(t, err)
	_, err = s.Module("d", "m")
	require.NoError(t, err, "an update of the device leaves its modules alone")

	require.NoError(t, s.Delete("d", "*"))
	create(t, s, registry.Device{ID: "d"})
	_, err = s.Module("d", "m")
	require.ErrorIs(t, err, iot.ErrModuleNotFound)
}
