package twin_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/twin"
)

func TestTheDifferenceOfTwoDigitalTwins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, from, to, patch string }{
		{"none", `{"a":1,"o":{"b":[1]}}`, `{"a":1,"o":{"b":[1]}}`, ``},
		{"a new value", `{}`, `{"a":1}`, `[{"op":"add","path":"/a","value":1}]`},
		{"another value", `{"a":1}`, `{"a":"x"}`, `[{"op":"replace","path":"/a","value":"x"}]`},
		{"a value that is gone", `{"a":1,"b":2}`, `{"b":2}`, `[{"op":"remove","path":"/a"}]`},
		{"a new object", `{}`, `{"o":{"a":{"b":1}}}`, `[{"op":"add","path":"/o","value":{"a":{"b":1}}}]`},
		{"inside an object", `{"o":{"a":1,"b":2}}`, `{"o":{"b":3,"c":4}}`, `[{"op":"replace","path":"/o/b","value":3},{"op":"add","path":"/o/c","value":4},{"op":"remove","path":"/o/a"}]`},
		{"an object for a value", `{"a":1}`, `{"a":{}}`, `[{"op":"replace","path":"/a","value":{}}]`},
		{"an array", `{"a":[1,2]}`, `{"a":[1,3]}`, `[{"op":"replace","path":"/a","value":[1,3]}]`},
		{"names that pointers escape", `{}`, `{"a/b~c":1,"\"":2}`, `[{"op":"add","path":"/a~1b~0c","value":1},{"op":"add","path":"/\"","value":2}]`},
		{"null", `{"a":1}`, `{"a":null}`, `[{"op":"replace","path":"/a","value":null}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patch := twin.Digital{Document: raw(c.from)}.PatchTo(twin.Digital{Document: raw(c.to)})
			assert.Equal(t, c.patch, string(patch))
			assert.True(t, patch == nil || json.Valid(patch))
		})
	}
}

// The operations are those of the Plug and Play tutorials, which were recorded
// (read digital twin change notifications).
func TestAReportedPropertyAsAPatch(t *testing.T) {
	t.Parallel()
	s, clk := newStore(t)
	report := func(patch string) string {
		t.Helper()
		before, err := s.Digital(device)
		require.NoError(t, err)
		_, err = s.PatchReported(device, []byte(patch), 0)
		require.NoError(t, err)
		after, err := s.Digital(device)
		require.NoError(t, err)
		return string(before.PatchTo(after))
	}
	assert.JSONEq(t, `[{"op":"add","path":"/maxTempSinceLastReboot","value":42.14},
		{"op":"add","path":"/$metadata/maxTempSinceLastReboot","value":{"lastUpdateTime":"2026-03-01T12:00:00.1234567Z"}}]`,
		report(`{"maxTempSinceLastReboot":42.14}`))
	clk.Advance(time.Second)
	assert.JSONEq(t, `[{"op":"replace","path":"/maxTempSinceLastReboot","value":16.9},
		{"op":"replace","path":"/$metadata/maxTempSinceLastReboot/lastUpdateTime","value":"2026-03-01T12:00:01.1234567Z"}]`,
		report(`{"maxTempSinceLastReboot":16.9}`))
	assert.JSONEq(t, `[{"op":"add","path":"/thermostat1","value":{"maxTempSinceLastReboot":3.5,
		"$metadata":{"maxTempSinceLastReboot":{"lastUpdateTime":"2026-03-01T12:00:01.1234567Z"}}}}]`,
		report(`{"thermostat1":{"__t":"c","maxTempSinceLastReboot":3.5}}`))
}
