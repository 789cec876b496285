package twin_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// Times in the metadata: when the device reports, and when the clock started.
const (
	reported        = `"lastUpdateTime":"2026-03-01T12:00:00.1234567Z"`
	controllerModel = "dtmi:com:example:TemperatureController;1"
)

// digital is the digital twin of device after it was desired and reported so.
func digital(t *testing.T, desired, report string) (*twin.Store, string) {
	t.Helper()
	s, _ := newStore(t)
	_, err := s.Patch(device, twin.Update{Desired: raw(desired)}, "")
	require.NoError(t, err)
	_, err = s.PatchReported(device, []byte(report), 0)
	require.NoError(t, err)
	return s, digitalOf(t, s)
}

func digitalOf(t *testing.T, s *twin.Store) string {
	t.Helper()
	d, err := s.Digital(device)
	require.NoError(t, err)
	require.True(t, json.Valid(d.Document), "%s", d.Document)
	require.Equal(t, read(t, s, device).ETag, d.ETag)
	return string(d.Document)
}

// The device twin and the digital twin that the documents show beside one
// another: concepts-digital-twin.
func TestADigitalTwinIsTheDeviceTwinSeenAnotherWay(t *testing.T) {
	t.Parallel()
	s, _ := digital(t, `{"thermostat1":{"__t":"c","targetTemperature":21.8}}`, `{
		"serialNumber":"alwinexlepaho8329",
		"thermostat1":{"maxTempSinceLastReboot":25.3,"__t":"c",
			"targetTemperature":{"value":21.8,"ac":200,"av":2,"ad":"Successfully executed patch"}}}`)
	s.SetModel(device, controllerModel)
	assert.Equal(t, `{"$dtId":"d",`+
		`"serialNumber":"alwinexlepaho8329",`+
		`"thermostat1":{"maxTempSinceLastReboot":25.3,"targetTemperature":21.8,"$metadata":{`+
		`"maxTempSinceLastReboot":{`+reported+`},`+
		`"targetTemperature":{"desiredValue":21.8,"desiredVersion":2,"ackVersion":2,"ackCode":200,`+
		`"ackDescription":"Successfully executed patch",`+reported+`}}},`+
		`"$metadata":{"$model":"dtmi:com:example:TemperatureController;1","serialNumber":{`+reported+`}}}`, digitalOf(t, s))
}

func TestPropertiesOfADigitalTwin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, desired, report, members, metadata string }{
		{"none", `{}`, `{}`, ``, ``},
		{"only desired", `{"a":1.50}`, `{}`, ``, `,"a":{"desiredValue":1.50,"desiredVersion":2}`},
		{"only reported", `{}`, `{"a":{"x":[1]}}`, `"a":{"x":[1]},`, `,"a":{` + reported + `}`},
		{
			"both, not acknowledged", `{"a":1}`, `{"a":2}`, `"a":2,`,
			`,"a":{"desiredValue":1,"desiredVersion":2,` + reported + `}`,
		},
		{
			"acknowledged without a description", `{"a":1}`, `{"a":{"value":3,"ac":500,"av":1}}`, `"a":3,`,
			`,"a":{"desiredValue":1,"desiredVersion":2,"ackVersion":1,"ackCode":500,` + reported + `}`,
		},
		{
			"acknowledged without a version", `{}`, `{"a":{"value":{"x":1},"ac":200}}`, `"a":{"x":1},`,
			`,"a":{"ackCode":200,` + reported + `}`,
		},
		{
			"an object that is no acknowledgement", `{}`, `{"a":{"value":1,"ac":200,"more":2},"b":{"value":1}}`,
			`"a":{"value":1,"ac":200,"more":2},"b":{"value":1},`, `,"a":{` + reported + `},"b":{` + reported + `}`,
		},
		{
			"reported ones first", `{"b":1,"a":2}`, `{"c":3,"b":4}`, `"c":3,"b":4,`,
			`,"c":{` + reported + `},"b":{"desiredValue":1,"desiredVersion":2,` + reported + `},"a":{"desiredValue":2,"desiredVersion":2}`,
		},
		{
			"a component that is only desired", `{"p":{"__t":"c","a":1}}`, `{}`,
			`"p":{"$metadata":{"a":{"desiredValue":1,"desiredVersion":2}}},`, ``,
		},
		{
			"a component that is marked once", `{"p":{"a":1}}`, `{"p":{"__t":"c","b":2}}`,
			`"p":{"b":2,"$metadata":{"b":{` + reported + `},"a":{"desiredValue":1,"desiredVersion":2}}},`, ``,
		},
		{
			"a mark that is none", `{}`, `{"p":{"__t":"d","b":2}}`, `"p":{"__t":"d","b":2},`, `,"p":{` + reported + `}`,
		},
		{
			"a component in a component", `{}`, `{"p":{"__t":"c","q":{"__t":"c","b":2}}}`,
			`"p":{"q":{"__t":"c","b":2},"$metadata":{"q":{` + reported + `}}},`, ``,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, got := digital(t, c.desired, c.report)
			assert.Equal(t, `{"$dtId":"d",`+c.members+`"$metadata":{"$model":""`+c.metadata+`}}`, got)
		})
	}
}

func TestADigitalTwinThatIsNotThere(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	_, err := s.Digital(iot.Device("nobody"))
	require.ErrorIs(t, err, iot.ErrDeviceNotFound)
	_, err = s.DigitalUpdate(iot.Device("nobody"), []twin.Operation{{Op: "add", Path: "/a", Value: raw(`1`)}})
	require.ErrorIs(t, err, iot.ErrDeviceNotFound)
}
