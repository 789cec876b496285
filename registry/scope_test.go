package registry_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// update changes a device whatever its version.
func update(t *testing.T, s *registry.Store, d registry.Device) registry.Device {
	t.Helper()
	d, err := s.Update(d, "*")
	require.NoError(t, err)
	return d
}

func TestAnEdgeDeviceIsGivenAScope(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	edge := create(t, s, registry.Device{ID: "e-1", IoTEdge: true, DeviceScope: "mine"})
	assert.Equal(t, "ms-azure-iot-edge://e-1-"+edge.GenerationID, edge.DeviceScope)
	assert.Empty(t, edge.ParentScopes)

	kept := update(t, s, registry.Device{ID: "e-1", IoTEdge: true, DeviceScope: "other"})
	assert.Equal(t, edge.DeviceScope, kept.DeviceScope)

	kept.IoTEdge = false
	leaf := update(t, s, kept)
	assert.Empty(t, leaf.DeviceScope)

	leaf.IoTEdge = true
	again := update(t, s, leaf)
	assert.Equal(t, "ms-azure-iot-edge://e-1-", again.DeviceScope, "no ticks for a device that became one")
	assert.Equal(t, []string{again.DeviceScope}, create(t, s, registry.Device{ID: "c", DeviceScope: again.DeviceScope}).ParentScopes)
}

func TestDevicesHaveParents(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	parent := create(t, s, registry.Device{ID: "p", IoTEdge: true}).DeviceScope

	leaf := create(t, s, registry.Device{ID: "leaf", DeviceScope: parent})
	assert.Equal(t, parent, leaf.DeviceScope)
	assert.Equal(t, []string{parent}, leaf.ParentScopes)
	assert.Equal(t, leaf.ParentScopes, update(t, s, leaf).ParentScopes)

	edge := create(t, s, registry.Device{ID: "edge", IoTEdge: true, ParentScopes: []string{parent}})
	assert.NotEqual(t, parent, edge.DeviceScope)
	assert.Equal(t, []string{parent}, edge.ParentScopes)

	stray := create(t, s, registry.Device{ID: "stray", ParentScopes: []string{parent}})
	assert.Empty(t, stray.DeviceScope, "a leaf is below its device scope")
	assert.Empty(t, stray.ParentScopes)

	leaf.DeviceScope, leaf.ParentScopes = "", nil
	assert.Empty(t, update(t, s, leaf).ParentScopes)
}

func TestAScopeMustBeAnEdgeDevices(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	parent := create(t, s, registry.Device{ID: "p", IoTEdge: true}).DeviceScope
	create(t, s, registry.Device{ID: "leaf", DeviceScope: parent})
	for name, scope := range map[string]string{
		"of nobody":               "ms-azure-iot-edge://nobody-1",
		"of another generation":   parent + "0",
		"of no edge device":       "ms-azure-iot-edge://leaf-1",
		"without its prefix":      "p-1",
		"without its ticks' dash": "ms-azure-iot-edge://p",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Create(registry.Device{ID: "d", DeviceScope: scope})
			require.ErrorIs(t, err, iot.ErrDeviceScope)
			_, err = s.Create(registry.Device{ID: "d", IoTEdge: true, ParentScopes: []string{scope}})
			require.ErrorIs(t, err, iot.ErrDeviceScope)
			_, err = s.Update(registry.Device{ID: "leaf", DeviceScope: scope}, "*")
			require.ErrorIs(t, err, iot.ErrDeviceScope)
		})
	}
	_, err := s.Create(registry.Device{ID: "d", IoTEdge: true, ParentScopes: []string{parent, parent}})
	require.ErrorIs(t, err, iot.ErrArgumentInvalid, "one parent")
}

func TestAScopeThatWasGoodMayStay(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	parent := create(t, s, registry.Device{ID: "p", IoTEdge: true}).DeviceScope
	leaf := create(t, s, registry.Device{ID: "leaf", DeviceScope: parent})
	require.NoError(t, s.Delete("p", "*"))
	leaf.StatusReason = "lonely"
	assert.Equal(t, parent, update(t, s, leaf).DeviceScope)
}

func TestNoDeviceIsBelowItself(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	top := create(t, s, registry.Device{ID: "top", IoTEdge: true})
	middle := create(t, s, registry.Device{ID: "middle", IoTEdge: true, ParentScopes: []string{top.DeviceScope}})
	bottom := create(t, s, registry.Device{ID: "bottom", IoTEdge: true, ParentScopes: []string{middle.DeviceScope}})
	for _, below := range []registry.Device{top, middle, bottom} {
		top.ParentScopes = []string{below.DeviceScope}
		_, err := s.Update(top, "*")
		require.ErrorIs(t, err, iot.ErrDeviceScope, below.ID)
	}
	require.NoError(t, s.Delete("middle", "*"))
	top.ParentScopes = []string{bottom.DeviceScope}
	assert.Equal(t, top.ParentScopes, update(t, s, top).ParentScopes, "the line from bottom to top is cut")
}

// A scope without ticks comes back with the capability, to devices that are still
// below it.
func TestNoScopeThatComesBackMakesACircle(t *testing.T) {
	t.Parallel()
	for name, come := range map[string]func(t *testing.T, s *registry.Store, lower string) error{
		"below its own child": func(_ *testing.T, s *registry.Store, lower string) error {
			_, err := s.Update(registry.Device{ID: "upper", IoTEdge: true, ParentScopes: []string{lower}}, "*")
			return err
		},
		"after it was the leaf of its child": func(t *testing.T, s *registry.Store, lower string) error {
			leaf := update(t, s, registry.Device{ID: "upper", DeviceScope: lower})
			leaf.IoTEdge = true
			_, err := s.Update(leaf, "*")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore()
			create(t, s, registry.Device{ID: "upper"})
			upper := update(t, s, registry.Device{ID: "upper", IoTEdge: true})
			lower := create(t, s, registry.Device{ID: "lower", IoTEdge: true, ParentScopes: []string{upper.DeviceScope}})
			update(t, s, registry.Device{ID: "upper"})
			require.ErrorIs(t, come(t, s, lower.DeviceScope), iot.ErrDeviceScope)
			create(t, s, registry.Device{ID: "leaf", DeviceScope: lower.DeviceScope})
		})
	}
}

// Whatever becomes of devices and their parents, every line of parents has an end,
// and the registry finds it.
func TestLinesOfParentsEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, _ := newStore()
		scopes := []string{""}
		drawn := func(t *rapid.T) registry.Device {
			d := registry.Device{ID: anyDevice(t), IoTEdge: rapid.Bool().Draw(t, "edge")}
			parent := rapid.SampledFrom(scopes).Draw(t, "parent")
			if d.IoTEdge && parent != "" {
				d.ParentScopes = []string{parent}
			} else {
				d.DeviceScope = parent
			}
			return d
		}
		note := func(t *rapid.T, d registry.Device, err error) {
			switch {
			case err == nil && d.IoTEdge && !slices.Contains(scopes, d.DeviceScope):
				scopes = append(scopes, d.DeviceScope)
			case err != nil:
				require.Condition(t, func() bool {
					return errors.Is(err, iot.ErrDeviceScope) || errors.Is(err, iot.ErrDeviceExists) || errors.Is(err, iot.ErrDeviceNotFound)
				}, err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) { // what becomes an edge device later has a scope that comes back
				d := drawn(t)
				d.IoTEdge, d.ParentScopes = false, nil
				d, err := s.Create(d)
				note(t, d, err)
			},
			"update": func(t *rapid.T) { d, err := s.Update(drawn(t), "*"); note(t, d, err) },
			"delete": func(t *rapid.T) { _ = s.Delete(anyDevice(t), "*") },
			"": func(t *rapid.T) {
				above := map[string]string{} // scopes of edge devices to their parents'
				for _, d := range s.Devices(10) {
					if d.IoTEdge {
						above[d.DeviceScope] = strings.Join(d.ParentScopes, "")
					}
				}
				for scope := range above {
					for steps := 0; scope != ""; steps++ {
						require.LessOrEqual(t, steps, len(above), "a circle")
						scope = above[scope]
					}
				}
			},
		})
	})
}
