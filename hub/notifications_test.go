package hub_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/routing"
	"github.com/linarite/linarite/twin"
)

// How twins and events write moments (contract.md §10.1, §20.1).
const (
	metadataLayout  = "2006-01-02T15:04:05.9999999Z"
	operationLayout = "2006-01-02T15:04:05.0000000Z"
)

// listening is a hub that sends every event of its own to the built-in endpoint.
func listening(t *testing.T) *fixture {
	t.Helper()
	f := start(t, hub.Options{Name: "plant"})
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		for _, s := range routing.Sources()[1:] {
			c.Routes = append(c.Routes, routing.Route{Name: string(s), Source: s, Endpoints: []string{"events"}})
		}
		return nil
	}))
	return f
}

// told takes the events that came since the last time.
func (f *fixture) told() []events.Event {
	f.t.Helper()
	found, next := f.Events().ReadAll(f.read, 0)
	f.read = next
	return found
}

// property is an application property of an event.
func property(t *testing.T, e events.Event, name string) string {
	t.Helper()
	value, ok := e.Message.Properties.Get(name)
	require.True(t, ok, name)
	return value
}

// operations lists what events are about: `opType device`.
func operations(t *testing.T, all []events.Event) (list []string) {
	t.Helper()
	for _, e := range all {
		list = append(list, property(t, e, "opType")+" "+e.Origin.String())
	}
	return list
}

// The properties are those of iot-hub-non-telemetry-event-schema
// (contract.md §20.1).
func TestAnEventOfTheHubIsMarkedAsOne(t *testing.T) {
	t.Parallel()
	f := listening(t)
	now := f.clock.Now()
	f.create("e")
	all := f.told()
	require.Len(t, all, 1)
	e := all[0]
	assert.Equal(t, "deviceLifecycleEvents", e.Source)
	assert.Equal(t, now, e.Enqueued)
	assert.Equal(t, &iot.Origin{Identity: iot.Device("e")}, e.Origin)
	correlation, _ := e.Message.System.Get(iot.CorrelationID)
	assert.Len(t, correlation, 16)
	assert.Equal(t, iot.Properties{
		{Name: iot.ContentType, Value: "application/json"},
		{Name: iot.ContentEncoding, Value: "utf-8"},
		{Name: iot.CorrelationID, Value: correlation},
		{Name: iot.UserID, Value: "plant"},
	}, e.Message.System)
	assert.Equal(t, iot.Properties{
		{Name: "hubName", Value: "plant"},
		{Name: "deviceId", Value: "e"},
		{Name: "operationTimestamp", Value: now.UTC().Format(operationLayout)},
		{Name: "iothub-message-schema", Value: "deviceLifecycleNotification"},
		{Name: "opType", Value: "createDeviceIdentity"},
	}, e.Message.Properties)
}

func TestIdentitiesThatComeAndGoAreTold(t *testing.T) {
	t.Parallel()
	f := listening(t)
	_, err := f.CreateDeviceWithTwin(registry.Device{ID: "e"}, twin.Initial{Tags: []byte(`{"a":"<b>"}`)})
	require.NoError(t, err)
	_, err = f.CreateModule(registry.Module{DeviceID: "e", ID: "m"})
	require.NoError(t, err)
	_, err = f.CreateModule(registry.Module{DeviceID: "e", ID: "n"})
	require.NoError(t, err)
	require.NoError(t, f.DeleteModule("e", "m", "*"))
	require.NoError(t, f.DeleteDevice("e", "*"))
	_, err = f.CreateDevice(registry.Device{ID: "d"})
	require.ErrorIs(t, err, iot.ErrDeviceExists)

	all := f.told()
	assert.Equal(t, []string{
		"createDeviceIdentity e", "createModuleIdentity e/m", "createModuleIdentity e/n",
		"deleteModuleIdentity e/m", "deleteModuleIdentity e/n", "deleteDeviceIdentity e",
	}, operations(t, all))
	assert.Equal(t, "deviceLifecycleNotification", property(t, all[0], "iothub-message-schema"))
	assert.Equal(t, "moduleLifecycleNotification", property(t, all[1], "iothub-message-schema"))
	assert.Equal(t, "m", property(t, all[1], "moduleId"))
	at := f.clock.Now().UTC().Format(metadataLayout)
	section := `{"$metadata":{"$lastUpdated":"` + at + `"},"$version":1}`
	assert.Equal(t, `{"deviceId":"e","etag":"AAAAAAAAAAE=","version":2,"tags":{"a":"<b>"},"properties":{"desired":`+
		section+`,"reported":`+section+`}}`, string(all[0].Message.Body))
	never := `{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1}`
	module := `{"deviceId":"e","moduleId":"m","etag":"AAAAAAAAAAE=","version":2,"properties":{"desired":` + never + `,"reported":` + never + `}}`
	assert.Equal(t, module, string(all[1].Message.Body))
	assert.Equal(t, module, string(all[3].Message.Body), "what is deleted is shown as it was")
}

func TestSystemModulesOfEdgeDevicesAreTold(t *testing.T) {
	t.Parallel()
	f := listening(t)
	_, err := f.CreateDevice(registry.Device{ID: "edge", IoTEdge: true})
	require.NoError(t, err)
	assert.Equal(t, []string{
		"createDeviceIdentity edge", "createModuleIdentity edge/$edgeAgent", "createModuleIdentity edge/$edgeHub",
	}, operations(t, f.told()))
}

func TestChangesOfTwinsAreToldInTheOrderOfTheirVersions(t *testing.T) {
	t.Parallel()
	f := listening(t)
	s := f.connect("d", newLink(), true)
	_, v := s.Report([]byte(`{"gone":1}`), 0)
	require.Equal(t, hub.Accept, v.Action)
	_, err := f.PatchTwin(iot.Device("d"), twin.Update{Tags: []byte(`{"t":1}`), Desired: []byte(`{"p":{"q":2}}`)}, "")
	require.NoError(t, err)
	_, v = s.Report([]byte(`{"gone":null}`), 0)
	require.Equal(t, hub.Accept, v.Action)
	_, err = f.ReplaceTwin(iot.Device("d"), twin.Update{Desired: []byte(`{"r":3}`)}, "")
	require.NoError(t, err)
	_, err = f.PatchTwin(iot.Device("d"), twin.Update{}, "")
	require.NoError(t, err, "nothing is changed, nothing is told")
	_, v = s.Report([]byte(`{"$bad":1}`), 0)
	require.Equal(t, hub.Refuse, v.Action)

	all := f.told()
	assert.Equal(t, []string{"updateTwin d", "updateTwin d", "updateTwin d", "replaceTwin d"}, operations(t, all))
	at := `"$lastUpdated":"` + f.clock.Now().UTC().Format(metadataLayout) + `"`
	version2 := `{` + at + `,"$lastUpdatedVersion":2`
	version3 := `{` + at + `,"$lastUpdatedVersion":3`
	for i, want := range []string{
		`{"version":3,"properties":{"reported":{"gone":1,"$metadata":{` + at + `,"gone":{` + at + `}},"$version":2}}}`,
		`{"version":4,"tags":{"t":1},"properties":{"desired":{"p":{"q":2},"$metadata":` + version2 + `,"p":` + version2 + `,"q":` + version2 + `}}},"$version":2}}}`,
		`{"version":5,"properties":{"reported":{"gone":null,"$metadata":{` + at + `},"$version":3}}}`,
		`{"deviceId":"d","etag":"AAAAAAAAAAM=","version":6,"properties":{"desired":{"r":3,"$metadata":` + version3 + `,"r":` + version3 + `}},"$version":3},` +
			`"reported":{"$metadata":{` + at + `},"$version":3}}}`,
	} {
		assert.Equal(t, want, string(all[i].Message.Body))
		assert.Equal(t, "twinChangeEvents", all[i].Source)
		assert.Equal(t, "twinChangeNotification", property(t, all[i], "iothub-message-schema"))
		assert.True(t, json.Valid(all[i].Message.Body))
	}
}

// The operations and the content type were recorded in the Plug and Play
// tutorials; the names of the operations are those of contract.md §20.1.
func TestChangesOfDigitalTwinsAreToldAsPatches(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Routes = []routing.Route{{Name: "r", Source: routing.DigitalTwinChangeEvents, Endpoints: []string{"events"}}}
		return nil
	}))
	id := iot.Device("d")
	plain := f.connect("d", newLink(), true)
	_, v := plain.Report([]byte(`{"a":1}`), 0)
	require.Equal(t, hub.Accept, v.Action)
	require.Empty(t, f.told(), "the device has announced no model")

	s, err := f.Connect(hub.ConnectRequest{Identity: id, Token: f.token("d"), ModelID: "dtmi:x;1"}, newLink())
	require.NoError(t, err)
	_, v = s.Report([]byte(`{"a":2}`), 0)
	require.Equal(t, hub.Accept, v.Action)
	_, err = f.PatchTwin(id, twin.Update{Tags: []byte(`{"t":1}`)}, "")
	require.NoError(t, err, "tags are no part of the digital twin")
	_, err = f.PatchTwin(id, twin.Update{Desired: []byte(`{"b":3}`)}, "")
	require.NoError(t, err)

	all := f.told()
	require.Equal(t, []string{"updateDigitalTwin d", "updateDigitalTwin d"}, operations(t, all))
	assert.Equal(t, "digitalTwinChangeEvents", all[0].Source)
	assert.Equal(t, "digitalTwinChangeNotification", property(t, all[0], "iothub-message-schema"))
	kind, _ := all[0].Message.System.Get(iot.ContentType)
	assert.Equal(t, "application/json-patch+json", kind)
	assert.Contains(t, string(all[0].Message.Body), `{"op":"replace","path":"/a","value":2}`)
	assert.Contains(t, string(all[1].Message.Body), `[{"op":"add","path":"/$metadata/b","value":{"desiredValue":3,"desiredVersion":2`)
}

func TestEventsAreRoutedByTheirContent(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Routes = []routing.Route{{
			Name: "p", Source: routing.TwinChangeEvents, Endpoints: []string{"events"},
			Condition: "is_defined($body.properties.desired.interval) AND opType = 'updateTwin' AND twin_change_includes(properties.desired.interval)",
		}}
		c.Enrichments = []routing.Enrichment{{Key: "site", Value: "$twin.tags.site", Endpoints: []string{"events"}}}
		return nil
	}))
	for _, desired := range []string{`{"other":1}`, `{"interval":30}`} {
		_, err := f.PatchTwin(iot.Device("d"), twin.Update{Tags: []byte(`{"site":"north"}`), Desired: []byte(desired)}, "")
		require.NoError(t, err)
	}
	all := f.told()
	require.Len(t, all, 1)
	assert.Contains(t, string(all[0].Message.Body), `"interval":30`)
	assert.Equal(t, "north", property(t, all[0], "site"))
}

func TestWithoutARouteNoEventIsMade(t *testing.T) {
	t.Parallel()
	f := start(t, hub.Options{})
	s := f.connect("d", newLink(), true)
	f.create("e")
	_, v := s.Report([]byte(`{"a":1}`), 0)
	require.Equal(t, hub.Accept, v.Action)
	s.UseMessages()
	f.clock.Advance(time.Minute)
	assert.Empty(t, f.told(), "the fallback route is for what devices send")
}

// IoT Hub: contract.md §20.1, iot-hub-event-grid (limitations for device
// connected and device disconnected events).
func TestConnectionStatesAreToldOnceAMinute(t *testing.T) {
	t.Parallel()
	f := listening(t)
	f.clock.Advance(f.clock.Now().Truncate(time.Minute).Add(time.Minute).Sub(f.clock.Now())) // the minute begins
	minute := func() []string {
		t.Helper()
		f.clock.Advance(time.Minute)
		return operations(t, f.told())
	}
	s := f.connect("d", newLink(), true)
	assert.Empty(t, minute(), "a connection that is not used for messages does not count")
	s.Listen(hub.Listening{Methods: true, Desired: true})
	assert.Empty(t, minute(), "methods and twins are no messages")

	since := f.clock.Now()
	telemetry(t, s, "x")
	require.Len(t, f.told(), 1, "the telemetry itself")
	f.clock.Advance(59 * time.Second)
	assert.Empty(t, f.told(), "a minute has not passed")
	f.clock.Advance(time.Second)
	all := f.told()
	require.Equal(t, []string{"deviceConnected d"}, operations(t, all))
	assert.Equal(t, "deviceConnectionStateEvents", all[0].Source)
	assert.Equal(t, "deviceConnectionStateNotification", property(t, all[0], "iothub-message-schema"))
	assert.Equal(t, since.UTC().Format(operationLayout), property(t, all[0], "operationTimestamp"))
	assert.Equal(t, since.Add(time.Minute).UTC(), all[0].Enqueued)
	telemetry(t, s, "y")
	require.Len(t, f.told(), 1)
	assert.Empty(t, minute(), "nothing has changed")

	s.End(nil)
	assert.Equal(t, []string{"deviceDisconnected d"}, minute())

	s = f.connect("d", newLink(), true)
	s.Listen(hub.Listening{Messages: true})
	s.End(nil)
	assert.Equal(t, []string{"deviceDisconnected d"}, minute(), "what lies between is not told")

	s = f.connect("d", newLink(), true)
	s.UseMessages()
	assert.Equal(t, []string{"deviceConnected d"}, minute())
	s.End(nil)
	s = f.connect("d", newLink(), true)
	s.UseMessages()
	assert.Equal(t, []string{"deviceConnected d"}, minute(), "the same state again: there was a change")

	newer := f.connect("d", newLink(), true)
	assert.Empty(t, minute(), "a newer connection takes over, unused so far")
	s.End(nil)
	assert.Empty(t, minute())
	newer.End(nil)
	assert.Equal(t, []string{"deviceDisconnected d"}, minute())
}

func TestModulesHaveStatesOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := listening(t)
	_, err := f.CreateModule(registry.Module{DeviceID: "d", ID: "m"})
	require.NoError(t, err)
	f.told()
	s := f.connectModule("d", "m")
	s.UseMessages()
	f.clock.Advance(time.Minute)
	s.End(nil)
	f.clock.Advance(time.Minute)
	all := f.told()
	assert.Equal(t, []string{"moduleConnected d/m", "moduleDisconnected d/m"}, operations(t, all))
	assert.Equal(t, "m", property(t, all[0], "moduleId"))
}

// IoT Hub: contract.md §20.1: 64 hexadecimal digits that grow as text.
func TestSequenceNumbersOfStatesGrow(t *testing.T) {
	t.Parallel()
	f := listening(t)
	f.create("e")
	f.told()
	last := map[iot.Identity]string{}
	next := func() {
		t.Helper()
		f.clock.Advance(time.Minute)
		for _, e := range f.told() {
			var body struct{ SequenceNumber string }
			require.NoError(t, json.Unmarshal(e.Message.Body, &body))
			assert.Regexp(t, `^[0-9A-F]{64}$`, body.SequenceNumber)
			assert.Greater(t, body.SequenceNumber, last[e.Origin.Identity])
			last[e.Origin.Identity] = body.SequenceNumber
		}
	}
	for range 20 {
		d, e := f.connect("d", newLink(), true), f.connect("e", newLink(), true)
		d.UseMessages()
		e.UseMessages()
		next()
		d.End(nil)
		e.End(nil)
		next()
	}
	assert.True(t, strings.HasSuffix(last[iot.Device("e")], "000000000000000000000050"), "80 events: %s", last)
}

func TestAResetForgetsStates(t *testing.T) {
	t.Parallel()
	f := listening(t)
	f.connect("d", newLink(), true).UseMessages()
	require.NoError(t, f.Reset())
	require.NoError(t, f.ChangeRouting(func(c *routing.Config) error {
		c.Routes = []routing.Route{{Name: "s", Source: routing.DeviceConnectionStateEvents, Endpoints: []string{"events"}}}
		return nil
	}))
	f.clock.Advance(2 * time.Minute)
	f.read = nil
	assert.Empty(t, f.told())
}

// The state of a device that is deleted while it is connected is told all the
// same.
func TestADeletedDeviceIsDisconnected(t *testing.T) {
	t.Parallel()
	f := listening(t)
	f.connect("d", newLink(), true).UseMessages()
	f.clock.Advance(time.Minute)
	require.NoError(t, f.DeleteDevice("d", "*"))
	f.clock.Advance(time.Minute)
	assert.Equal(t, []string{"deviceConnected d", "deleteDeviceIdentity d", "deviceDisconnected d"}, operations(t, f.told()))
}
