package registry_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

func TestKeysAreRegenerated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		which              registry.Keys
		primary, secondary bool
	}{
		{"the primary", registry.PrimaryKey, true, false},
		{"the secondary", registry.SecondaryKey, false, true},
		{"both", registry.PrimaryKey | registry.SecondaryKey, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore()
			device := create(t, s, registry.Device{ID: "d"})
			module, err := s.CreateModule(registry.Module{DeviceID: "d", ID: "m"})
			require.NoError(t, err)
			check := func(id iot.Identity, was iot.Authentication) {
				is, err := s.Regenerate(id, c.which)
				require.NoError(t, err)
				assert.Equal(t, c.primary, is.PrimaryKey != was.PrimaryKey)
				assert.Equal(t, c.secondary, is.SecondaryKey != was.SecondaryKey)
				stored, err := s.Authentication(id)
				require.NoError(t, err)
				assert.Equal(t, is, stored)
			}
			check(iot.Device("d"), device.Authentication)
			check(iot.Module("d", "m"), module.Authentication)
			changed, err := s.Device("d")
			require.NoError(t, err)
			assert.Equal(t, counter(t, device.ETag)+1, counter(t, changed.ETag))
			changedModule, err := s.Module("d", "m")
			require.NoError(t, err)
			assert.Equal(t, counter(t, module.ETag)+1, counter(t, changedModule.ETag))
		})
	}
}

func TestWhoHasNoKeysIsGivenNone(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "x", Authentication: iot.Authentication{PrimaryThumbprint: strings.Repeat("0a", 20)}})
	create(t, s, registry.Device{ID: "edge", IoTEdge: true})
	for id, want := range map[iot.Identity]*iot.Error{
		iot.Device("x"):                   iot.ErrInvalidOperation,
		iot.Device("nobody"):              iot.ErrDeviceNotFound,
		iot.Module("x", "m"):              iot.ErrModuleNotFound,
		iot.Module("edge", "$edgeAgent"):  iot.ErrSystemModule,
		iot.Module("edge", "$edgeSister"): iot.ErrModuleNotFound,
	} {
		_, err := s.Regenerate(id, registry.PrimaryKey)
		require.ErrorIs(t, err, want, id.String())
	}
	same, err := s.Device("x")
	require.NoError(t, err)
	assert.Empty(t, same.Authentication.PrimaryKey)
}
