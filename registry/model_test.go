package registry_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// model is a registry as simple as can be: what it holds, in the order in which
// it was registered.
type model struct {
	store   *registry.Store
	devices []*modelDevice
	etags   []string // all that were ever given out
}

type modelDevice struct {
	registry.Device
	modules []registry.Module
}

func (m *model) at(id string) *modelDevice {
	i := slices.IndexFunc(m.devices, func(d *modelDevice) bool { return d.ID == id })
	if i < 0 {
		return nil
	}
	return m.devices[i]
}

func (d *modelDevice) module(id string) int {
	return slices.IndexFunc(d.modules, func(m registry.Module) bool { return m.ID == id })
}

// Few ids, so that they meet.
func anyDevice(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "A"}).Draw(t, "device")
}

func anyModule(t *rapid.T) string {
	return rapid.SampledFrom([]string{"m", "n", "$edgeHub"}).Draw(t, "module")
}

// ifMatch is a condition: for any version, for one that was once or is, or none.
func (m *model) ifMatch(t *rapid.T) string {
	forms := []string{"*", `"*"`, `""`, "", "?"}
	for _, etag := range m.etags[max(0, len(m.etags)-4):] {
		forms = append(forms, etag, `"`+etag+`"`)
	}
	return rapid.SampledFrom(forms).Draw(t, "if-match")
}

// holds says whether a condition holds for an ETag.
func holds(ifMatch, etag string) bool {
	return slices.Contains([]string{"*", `"*"`, `""`, etag, `"` + etag + `"`}, ifMatch)
}

func (m *model) create(t *rapid.T) {
	d := anySettings(t, anyDevice(t))
	made, err := m.store.Create(d)
	if m.at(d.ID) != nil {
		require.ErrorIs(t, err, iot.ErrDeviceExists)
		return
	}
	require.NoError(t, err)
	require.NotContains(t, m.etags, made.ETag, "an ETag of a device that is gone would fit")
	m.devices = append(m.devices, &modelDevice{Device: made})
	m.settle(t, made)
}

func anySettings(t *rapid.T, id string) registry.Device {
	return registry.Device{
		ID:           id,
		Status:       rapid.SampledFrom([]registry.Status{registry.Enabled, registry.Disabled, ""}).Draw(t, "status"),
		StatusReason: rapid.StringN(0, 3, -1).Draw(t, "reason"),
		IoTEdge:      rapid.Bool().Draw(t, "edge"),
	}
}

// settle notes a device's new version and what became of its system modules.
func (m *model) settle(t *rapid.T, d registry.Device) {
	m.etags = append(m.etags, d.ETag)
	held := m.at(d.ID)
	held.Device = d
	now, err := m.store.Modules(d.ID)
	require.NoError(t, err)
	own := slices.DeleteFunc(slices.Clone(now), registry.Module.IsSystem)
	require.ElementsMatch(t, slices.DeleteFunc(slices.Clone(held.modules), registry.Module.IsSystem), own)
	require.Equal(t, d.IoTEdge, len(now) == len(own)+2, "an edge device has two system modules")
	held.modules = now
}

func (m *model) update(t *rapid.T) {
	d, ifMatch := anySettings(t, anyDevice(t)), m.ifMatch(t)
	held := m.at(d.ID)
	updated, err := m.store.Update(d, ifMatch)
	switch {
	case held == nil:
		require.ErrorIs(t, err, iot.ErrDeviceNotFound)
	case !holds(ifMatch, held.ETag):
		require.ErrorIs(t, err, iot.ErrPreconditionFailed)
	default:
		require.NoError(t, err)
		require.Equal(t, counter(t, held.ETag)+1, counter(t, updated.ETag))
		require.Equal(t, held.GenerationID, updated.GenerationID)
		require.Equal(t, d.StatusReason, updated.StatusReason)
		require.Equal(t, d.Status != registry.Disabled, updated.Status == registry.Enabled)
		m.settle(t, updated)
	}
}

func (m *model) remove(t *rapid.T) {
	id, ifMatch := anyDevice(t), m.ifMatch(t)
	held := m.at(id)
	err := m.store.Delete(id, ifMatch)
	switch {
	case held == nil:
		require.ErrorIs(t, err, iot.ErrDeviceNotFound)
	case !holds(ifMatch, held.ETag):
		require.ErrorIs(t, err, iot.ErrPreconditionFailed)
	default:
		require.NoError(t, err)
		m.devices = slices.DeleteFunc(m.devices, func(d *modelDevice) bool { return d == held })
	}
}

func (m *model) putModule(t *rapid.T) {
	n := registry.Module{DeviceID: anyDevice(t), ID: anyModule(t), ManagedBy: rapid.StringN(0, 2, -1).Draw(t, "manager")}
	ifMatch := m.ifMatch(t)
	held := m.at(n.DeviceID)
	var put registry.Module
	var err error
	create := rapid.Bool().Draw(t, "create")
	if create {
		put, err = m.store.CreateModule(n)
	} else {
		put, err = m.store.UpdateModule(n, ifMatch)
	}
	switch {
	case held == nil:
		require.ErrorIs(t, err, iot.ErrDeviceNotFound)
		return
	case n.IsSystem() && held.IoTEdge:
		require.ErrorIs(t, err, iot.ErrSystemModule)
		return
	case n.IsSystem():
		require.ErrorIs(t, err, iot.ErrArgumentInvalid)
		return
	}
	i := held.module(n.ID)
	switch {
	case create && i >= 0:
		require.ErrorIs(t, err, iot.ErrModuleExists)
	case create:
		require.NoError(t, err)
		held.modules = append(held.modules, put)
	case i < 0:
		require.ErrorIs(t, err, iot.ErrModuleNotFound)
	case !holds(ifMatch, held.modules[i].ETag):
		require.ErrorIs(t, err, iot.ErrPreconditionFailed)
	default:
		require.NoError(t, err)
		require.Equal(t, counter(t, held.modules[i].ETag)+1, counter(t, put.ETag))
		held.modules[i] = put
	}
	if err == nil {
		require.Equal(t, n.ManagedBy, put.ManagedBy)
		m.etags = append(m.etags, put.ETag)
	}
}

func (m *model) removeModule(t *rapid.T) {
	device, module, ifMatch := anyDevice(t), anyModule(t), m.ifMatch(t)
	err := m.store.DeleteModule(device, module, ifMatch)
	held := m.at(device)
	if held == nil {
		require.ErrorIs(t, err, iot.ErrDeviceNotFound)
		return
	}
	switch i := held.module(module); {
	case i < 0:
		require.ErrorIs(t, err, iot.ErrModuleNotFound)
	case held.modules[i].IsSystem():
		require.ErrorIs(t, err, iot.ErrSystemModule)
	case !holds(ifMatch, held.modules[i].ETag):
		require.ErrorIs(t, err, iot.ErrPreconditionFailed)
	default:
		require.NoError(t, err)
		held.modules = slices.Delete(held.modules, i, i+1)
	}
}

func (m *model) regenerate(t *rapid.T) {
	id := anyDevice(t)
	made, err := m.store.Regenerate(iot.Device(id), registry.SecondaryKey)
	held := m.at(id)
	if held == nil {
		require.ErrorIs(t, err, iot.ErrDeviceNotFound)
		return
	}
	require.NoError(t, err)
	require.Equal(t, held.Authentication.PrimaryKey, made.PrimaryKey)
	require.NotEqual(t, held.Authentication.SecondaryKey, made.SecondaryKey)
	now, err := m.store.Device(id)
	require.NoError(t, err)
	require.Equal(t, counter(t, held.ETag)+1, counter(t, now.ETag))
	m.settle(t, now)
}

// check holds the whole registry against the model.
func (m *model) check(t *rapid.T) {
	disabled := 0
	listed := m.store.Devices(100)
	require.Len(t, listed, len(m.devices))
	for i, held := range m.devices {
		require.Equal(t, held.Device, listed[i], "in the order of registration")
		if held.Status == registry.Disabled {
			disabled++
		}
		modules, err := m.store.Modules(held.ID)
		require.NoError(t, err)
		require.ElementsMatch(t, held.modules, modules)
	}
	total, enabled, off := m.store.Statistics()
	require.Equal(t, []int{len(m.devices), len(m.devices) - disabled, disabled}, []int{total, enabled, off})
}

func TestTheRegistryDoesWhatItsModelDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, _ := newStore()
		m := &model{store: s}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "create": m.create, "update": m.update, "delete": m.remove,
			"put module": m.putModule, "delete module": m.removeModule, "regenerate": m.regenerate,
		})
	})
}

// Each writer adds its mark to what it has read, and tries again when somebody
// was faster: nobody's mark may be lost.
func TestNoUpdateIsLostToAnotherWriter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, _ := newStore()
		first, err := s.Create(registry.Device{ID: "d"})
		require.NoError(t, err)
		writers := rapid.IntRange(2, 6).Draw(t, "writers")
		marks := rapid.IntRange(1, 8).Draw(t, "marks")
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for n := range marks {
					mark(t, s, string(rune('A'+w*marks+n)))
				}
			})
		}
		all.Wait()
		last, err := s.Device("d")
		require.NoError(t, err)
		for n := range writers * marks {
			require.Equal(t, 1, strings.Count(last.StatusReason, string(rune('A'+n))), last.StatusReason)
		}
		require.Equal(t, counter(t, first.ETag)+int64(writers*marks), counter(t, last.ETag))
	})
}

// mark adds a mark to a device's status reason.
func mark(t *rapid.T, s *registry.Store, text string) {
	for {
		d, err := s.Device("d")
		assert.NoError(t, err)
		d.StatusReason += text
		runtime.Gosched() // lets others write in between
		switch _, err = s.Update(d, d.ETag); {
		case err == nil:
			return
		case !errors.Is(err, iot.ErrPreconditionFailed):
			assert.NoError(t, err)
			return
		}
	}
}
