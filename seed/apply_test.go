package seed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/seed"
	"github.com/linarite/linarite/twin"
)

func TestTheExampleSeedsAHub(t *testing.T) {
	t.Parallel()
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	h := newHub(t, hub.Options{Seed: file.Apply, Policies: file.AccessPolicies()})

	var ids []string
	for _, d := range h.Devices(100) {
		ids = append(ids, d.ID)
	}
	assert.Equal(t, []string{"thermostat-1", "thermostat-2", "gateway", "meter", "pump"}, ids)

	device := deviceOf(t, h, "thermostat-2")
	assert.Equal(t, registry.Disabled, device.Status)
	assert.Equal(t, "in repair", device.StatusReason)
	assert.Equal(t, "dGhlcm1vc3RhdC0yLXByaW1hcnktMzItYnl0ZXMtbG8=", device.Authentication.PrimaryKey)
	assert.True(t, deviceOf(t, h, "gateway").IoTEdge)
	assert.Equal(t, iot.AuthenticationSelfSigned, deviceOf(t, h, "meter").Authentication.Type)
	assert.Equal(t, iot.AuthenticationCA, deviceOf(t, h, "pump").Authentication.Type)

	modules, err := h.Modules("gateway")
	require.NoError(t, err)
	require.Len(t, modules, 5)
	assert.Equal(t, "$edgeAgent", modules[0].ID)
	assert.Equal(t, "$edgeHub", modules[1].ID)
	assert.Equal(t, "IoTEdge", modules[2].ManagedBy)
	assert.Equal(t, seed.DerivedKey(iot.Module("gateway", "opc")), modules[2].Authentication.PrimaryKey)

	doc := twinOf(t, h, "thermostat-1", "")
	assert.Equal(t, `{"building":"north","floor":2}`, string(doc.Tags))
	assert.Contains(t, string(doc.Properties.Desired), `{"interval":30,"setpoint":{"value":21.5,"unit":"celsius"},`)
	assert.JSONEq(t, `{"line":7}`, string(twinOf(t, h, "gateway", "opc").Tags))
}

// Whoever has copied a connection string can go on using it.
func TestConnectionStringsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	file, err := seed.Parse("", []byte("devices: [{id: thermostat-1, modules: [{id: opc}]}]"))
	require.NoError(t, err)
	h := newHub(t, hub.Options{Seed: file.Apply})
	for range 2 {
		device, err := h.DeviceConnectionString(iot.Device("thermostat-1"))
		require.NoError(t, err)
		// printf thermostat-1 | openssl dgst -sha256 -hmac linarite-well-known-key-32-bytes -binary | base64
		assert.Equal(t, "HostName=127.0.0.1;DeviceId=thermostat-1;SharedAccessKey=KzW+QVypYSUYsMHo2/D+thwl6b4c3X6v1rATQ9H7To8=", device)
		module, err := h.DeviceConnectionString(iot.Module("thermostat-1", "opc"))
		require.NoError(t, err)
		assert.Equal(t, "HostName=127.0.0.1;DeviceId=thermostat-1;ModuleId=opc;SharedAccessKey="+
			"RT7F1n/SlLJnkq1YvKaapMhSTi3y6Q05yt99cha46oY=", module)
		require.NoError(t, h.Reset())
	}
}

func TestAFileThatIsAppliedAgainChangesNothing(t *testing.T) {
	t.Parallel()
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	h := newHub(t, hub.Options{Seed: file.Apply})
	before := snapshot(t, h)
	require.NoError(t, file.Apply(h))
	assert.Equal(t, before, snapshot(t, h))
}

func TestAnIdentityIsBroughtToWhatTheFileSaysAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	h := newHub(t, hub.Options{})
	apply(t, h, `
devices:
  - id: d
    status: disabled
    statusReason: old
    primaryKey: `+key+`
    secondaryKey: `+key+`
    tags: {a: 1, b: {x: 1, y: [1]}, c: 1}
    desired: {interval: 30}
    modules: [{id: m, managedBy: me, tags: {a: 1}}, {id: n}]
  - id: other
`)
	before := deviceOf(t, h, "d")
	apply(t, h, `
devices:
  - id: d
    status: enabled
    iotEdge: true
    tags: {b: {x: 2, y: [1]}, c: {z: 1}}
    modules: [{id: m, tags: {}}, {id: o}]
  - id: new
`)
	after := deviceOf(t, h, "d")
	assert.Equal(t, registry.Enabled, after.Status)
	assert.Equal(t, "old", after.StatusReason)
	assert.True(t, after.IoTEdge)
	assert.Equal(t, before.Authentication, after.Authentication)
	assert.Equal(t, before.GenerationID, after.GenerationID)
	doc := twinOf(t, h, "d", "")
	assert.JSONEq(t, `{"b":{"x":2,"y":[1]},"c":{"z":1}}`, string(doc.Tags))
	assert.Contains(t, string(doc.Properties.Desired), `{"interval":30,`)

	modules, err := h.Modules("d")
	require.NoError(t, err)
	require.Len(t, modules, 5, "it has become an edge device")
	assert.Equal(t, "me", modules[0].ManagedBy)
	assert.Empty(t, twinOf(t, h, "d", "m").Tags)
	assert.Len(t, h.Devices(10), 3)
}

func TestCredentialsChangeOnlyWhenTheFileHasSome(t *testing.T) {
	t.Parallel()
	h := newHub(t, hub.Options{})
	_, err := h.CreateDevice(registry.Device{ID: "d"})
	require.NoError(t, err)
	had := deviceOf(t, h, "d").Authentication

	apply(t, h, "devices: [{id: d}]")
	assert.Equal(t, had, deviceOf(t, h, "d").Authentication)
	apply(t, h, "devices: [{id: d, authentication: sas}]")
	assert.Equal(t, had, deviceOf(t, h, "d").Authentication)
	apply(t, h, "devices: [{id: d, authentication: certificateAuthority}]")
	assert.Equal(t, iot.AuthenticationCA, deviceOf(t, h, "d").Authentication.Type)
	apply(t, h, "devices: [{id: d, authentication: sas}]")
	assert.Equal(t, seed.DerivedKey(iot.Device("d")), deviceOf(t, h, "d").Authentication.PrimaryKey)
	apply(t, h, "devices: [{id: d, primaryThumbprint: "+strings.Repeat("a", 40)+"}]")
	assert.Equal(t, iot.AuthenticationSelfSigned, deviceOf(t, h, "d").Authentication.Type)
	apply(t, h, "devices: [{id: d, primaryKey: "+key+", secondaryKey: "+key+"}]")
	assert.Equal(t, key, deviceOf(t, h, "d").Authentication.SecondaryKey)
}

// A connected device is told of what changed, and of nothing else.
func TestADesiredPropertyThatIsTheSameIsNotWritten(t *testing.T) {
	t.Parallel()
	h := newHub(t, hub.Options{})
	apply(t, h, "devices: [{id: d, desired: {a: 1, b: {c: 1, d: 2}, e: 1.0}}]")
	before := twinOf(t, h, "d", "")
	apply(t, h, "devices: [{id: d, tags: {x: 1}, desired: {b: {d: 2, c: 1}, e: 1.0, a: 1, $version: 77}}]")
	after := twinOf(t, h, "d", "")
	assert.Equal(t, string(before.Properties.Desired), string(after.Properties.Desired))
	assert.JSONEq(t, `{"x":1}`, string(after.Tags))

	apply(t, h, "devices: [{id: d, desired: {b: {d: 2}, e: 1.0, f: 1}}]")
	assert.Regexp(t, `^\{"b":\{"d":2\},"e":1.0,"f":1,`, string(twinOf(t, h, "d", "").Properties.Desired))
}

func TestReportedPropertiesStay(t *testing.T) {
	t.Parallel()
	h := newHub(t, hub.Options{})
	apply(t, h, "devices: [{id: d, desired: {a: 1}}]")
	_, err := h.PatchTwin(iot.Device("d"), twin.Update{Desired: []byte(`{"b":1}`)}, "")
	require.NoError(t, err)
	reported := twinOf(t, h, "d", "").Properties.Reported
	apply(t, h, "devices: [{id: d, desired: {a: 1}}]")
	assert.Equal(t, string(reported), string(twinOf(t, h, "d", "").Properties.Reported))
}

func TestNothingIsDoneWhenSomethingCannotBe(t *testing.T) {
	t.Parallel()
	h := newHub(t, hub.Options{})
	apply(t, h, "devices:\n- id: full\n  modules:\n"+repeated("  - id: m%d\n", 50))
	before := snapshot(t, h)

	file, err := seed.Parse("", []byte("devices: [{id: new}, {id: full, modules: [{id: m1}, {id: more}]}]"))
	require.NoError(t, err)
	err = file.Apply(h)
	assert.ErrorIs(t, err, iot.ErrTooManyModules)
	assert.ErrorContains(t, err, "device full: ")
	assert.Equal(t, before, snapshot(t, h))

	err = seed.File{Devices: []seed.Device{{ID: "new"}, {ID: "a b"}}}.Apply(h)
	assert.Equal(t, "devices[1].id", problemsOf(t, err)[0].Key)
	assert.Equal(t, before, snapshot(t, h))
}

func TestAHubIsNotMadeFromABadFile(t *testing.T) {
	t.Parallel()
	_, err := hub.New(hub.Options{Seed: seed.File{Devices: []seed.Device{{ID: "a b"}}}.Apply})
	assert.ErrorContains(t, err, "devices[0].id: ")
}

func BenchmarkSeed(b *testing.B) {
	var text strings.Builder
	text.WriteString("devices:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - id: device-%d\n    tags: {floor: 2, building: north}\n    desired: {interval: 30}\n", i)
	}
	for b.Loop() {
		file, err := seed.Parse("", []byte(text.String()))
		require.NoError(b, err)
		h, err := hub.New(hub.Options{Seed: file.Apply})
		require.NoError(b, err)
		h.Close()
	}
}

func newHub(t *testing.T, o hub.Options) *hub.Hub {
	t.Helper()
	o.OpenSink = openSink
	h, err := hub.New(o)
	require.NoError(t, err)
	t.Cleanup(h.Close)
	return h
}

func apply(t *testing.T, h *hub.Hub, text string) {
	t.Helper()
	file, err := seed.Parse("", []byte(text))
	require.NoError(t, err)
	require.NoError(t, file.Apply(h))
}

func deviceOf(t *testing.T, h *hub.Hub, id string) registry.Device {
	t.Helper()
	view, err := h.Device(id)
	require.NoError(t, err)
	return view.Device
}

func twinOf(t *testing.T, h *hub.Hub, device, module string) hub.TwinDocument {
	t.Helper()
	doc, err := h.Twin(iot.Module(device, module))
	require.NoError(t, err)
	return doc
}
