package twin_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/twin"
)

// at is when newStore's clock stands, as metadata has it.
const at = `"$lastUpdated":"2026-03-01T12:00:00.1234567Z"`

// The bodies are those of the examples in iot-hub-non-telemetry-event-schema and
// of a recording in the Plug and Play tutorial (contract.md §20.1).
func TestAnUpdateIsToldWithWhatItWroteAndItsMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		update twin.Update
		event  string
	}{
		{
			"tags and desired properties",
			twin.Update{Tags: raw(`{"tag1":"new value"}`), Desired: raw(`{"property1":"new value"}`)},
			`{"version":3,"tags":{"tag1":"new value"},"properties":{"desired":{"property1":"new value","$metadata":{` + at +
				`,"$lastUpdatedVersion":2,"property1":{` + at + `,"$lastUpdatedVersion":2}},"$version":2}}}`,
		},
		{"tags alone", twin.Update{Tags: raw(`{"a":null,"b":{"c":1}}`)}, `{"version":3,"tags":{"a":null,"b":{"c":1}}}`},
		{
			"what is taken away",
			twin.Update{Desired: raw(`{"a":null,"o":{"x":null,"y":[1]}}`)},
			`{"version":3,"properties":{"desired":{"a":null,"o":{"x":null,"y":[1]},"$metadata":{` + at + `,"$lastUpdatedVersion":2,"o":{` +
				at + `,"$lastUpdatedVersion":2,"y":{` + at + `,"$lastUpdatedVersion":2}}},"$version":2}}}`,
		},
		{"nothing", twin.Update{}, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			change, err := s.Patch(device, c.update, "")
			require.NoError(t, err)
			require.Equal(t, c.event, string(change.Event))
		})
	}
}

func TestAReportIsToldWithItsNulls(t *testing.T) {
	t.Parallel()
	s, clk := newStore(t)
	_, err := s.PatchReported(device, []byte(`{"gone":1,"stays":2}`), 0)
	require.NoError(t, err)
	clk.Advance(time.Second)
	version, event, err := s.Report(device, []byte(`{"gone":null,"maxTemp":10.96,"maxTemp":11}`), 0)
	require.NoError(t, err)
	require.EqualValues(t, 3, version)
	const later = `"$lastUpdated":"2026-03-01T12:00:01.1234567Z"`
	require.Equal(t, `{"version":4,"properties":{"reported":{"gone":null,"maxTemp":11,"$metadata":{`+later+
		`,"maxTemp":{`+later+`}},"$version":3}}}`, string(event))
	require.True(t, json.Valid(event))
}
