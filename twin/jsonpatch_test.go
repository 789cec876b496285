package twin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

func operations(t testing.TB, patch string) []twin.Operation {
	t.Helper()
	var o []twin.Operation
	require.NoError(t, json.Unmarshal([]byte(patch), &o), patch)
	return o
}

// A device that has both components of the documents' example, and a property.
const (
	controllerDesired = `{"interval":10,"thermostat1":{"__t":"c","targetTemperature":20.4,"anotherWritableProperty":1},` +
		`"thermostat2":{"__t":"c","targetTemperature":19}}`
	controllerReported = `{"serialNumber":"x","thermostat1":{"__t":"c","maxTemp":30},"interval":{"value":10,"ac":200,"av":2}}`
)

func TestAJSONPatchBecomesAnUpdateOfDesiredProperties(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, patch, update string }{
		{
			"a property of a component is put", `[{"op":"add","path":"/thermostat1/targetTemperature","value":21.40}]`,
			`{"thermostat1":{"__t":"c","targetTemperature":21.40}}`,
		},
		{"a property is put", `[{"op":"add","path":"/fanSpeed","value":{"rpm":2}}]`, `{"fanSpeed":{"rpm":2}}`},
		{"a property is replaced", `[{"op":"replace","path":"/interval","value":11}]`, `{"interval":11}`},
		{"a property is removed", `[{"op":"remove","path":"/interval"}]`, `{"interval":null}`},
		{"what is only reported is replaced", `[{"op":"replace","path":"/serialNumber","value":"y"}]`, `{"serialNumber":"y"}`},
		{
			"what is only reported is replaced in a component", `[{"op":"replace","path":"/thermostat1/maxTemp","value":1}]`,
			`{"thermostat1":{"__t":"c","maxTemp":1}}`,
		},
		{
			"a component is put, and what it does not name is cleared",
			`[{"op":"add","path":"/thermostat1","value":{"targetTemperature":21.4,"$metadata":{}}}]`,
			`{"thermostat1":{"__t":"c","anotherWritableProperty":null,"targetTemperature":21.4}}`,
		},
		{
			"a component is new", `[{"op":"add","path":"/thermostat3","value":{"$metadata": { },"a":1,"b":{"c":true}}}]`,
			`{"thermostat3":{"__t":"c","a":1,"b":{"c":true}}}`,
		},
		{"a component is empty", `[{"op":"add","path":"/thermostat3","value":{"$metadata":{}}}]`, `{"thermostat3":{"__t":"c"}}`},
		{"a component is removed", `[{"op":"remove","path":"/thermostat2"}]`, `{"thermostat2":null}`},
		{
			"a property of a component is removed", `[{"op":"remove","path":"/thermostat1/targetTemperature"}]`,
			`{"thermostat1":{"__t":"c","targetTemperature":null}}`,
		},
		{
			"the last property of a component is removed, and the component with it",
			`[{"op":"remove","path":"/thermostat2/targetTemperature"}]`, `{"thermostat2":null}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requireUpdate(t, c.patch, c.update)
		})
	}
}

func TestOperationsOfAJSONPatchBuildOnOneAnother(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, patch, update string }{
		{
			"a component starts anew", `[
				{"op":"remove","path":"/thermostat1"},
				{"op":"add","path":"/thermostat1/a","value":1},
				{"op":"replace","path":"/thermostat1/a","value":2},
				{"op":"add","path":"/b","value":3},
				{"op":"remove","path":"/b"}]`,
			`{"thermostat1":{"__t":"c","targetTemperature":null,"anotherWritableProperty":null,"a":2},"b":null}`,
		},
		{
			"a component that was put is changed", `[
				{"op":"replace","path":"/thermostat2","value":{"$metadata":{},"a":1}},
				{"op":"add","path":"/thermostat2/b","value":2}]`,
			`{"thermostat2":{"__t":"c","targetTemperature":null,"a":1,"b":2}}`,
		},
		{
			"all that was put is removed again", `[
				{"op":"remove","path":"/thermostat2"},
				{"op":"add","path":"/thermostat2/b","value":2},
				{"op":"remove","path":"/thermostat2/b"}]`,
			`{"thermostat2":null}`,
		},
		{
			"a property takes the place of a component that is gone", `[
				{"op":"remove","path":"/thermostat2"},{"op":"add","path":"/thermostat2","value":5}]`,
			`{"thermostat2":5}`,
		},
		{"a value that is not needed is not looked at", `[{"op":"remove","path":"/interval","value":[1]}]`, `{"interval":null}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requireUpdate(t, c.patch, c.update)
		})
	}
}

// requireUpdate asserts what update a patch of the controller becomes.
func requireUpdate(t *testing.T, patch, update string) {
	t.Helper()
	s, _ := digital(t, controllerDesired, controllerReported)
	u, err := s.DigitalUpdate(device, operations(t, patch))
	require.NoError(t, err)
	assert.Equal(t, update, string(u.Desired))
	assert.Nil(t, u.Tags)
	_, err = s.Patch(device, u, "")
	require.NoError(t, err)
}

func TestAJSONPatchIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", twin.MaxDigitalName)
	for _, c := range []struct {
		name, patch string
		want        *iot.Error
	}{
		{"no operation", `[]`, iot.ErrJSONPatch},
		{"another operation", `[{"op":"move","path":"/a","from":"/b"}]`, iot.ErrJSONPatch},
		{"a test", `[{"op":"test","path":"/interval","value":10}]`, iot.ErrJSONPatch},
		{"no name of an operation", `[{"path":"/a","value":1}]`, iot.ErrJSONPatch},
		{"no value", `[{"op":"add","path":"/a"}]`, iot.ErrJSONPatch},
		{"too many", `[` + strings.Repeat(`{"op":"add","path":"/a","value":1},`, twin.MaxOperations) + `{"op":"remove","path":"/a"}]`, iot.ErrJSONPatch},
		{"no path", `[{"op":"add","value":1}]`, iot.ErrTwinPatchPath},
		{"the whole", `[{"op":"add","path":"/","value":1}]`, iot.ErrTwinPatchPath},
		{"no slash", `[{"op":"add","path":"a","value":1}]`, iot.ErrTwinPatchPath},
		{"inside a property", `[{"op":"add","path":"/a/b/c","value":1}]`, iot.ErrTwinPatchPath},
		{"a slash at the end", `[{"op":"add","path":"/a/","value":1}]`, iot.ErrTwinPatchPath},
		{"the metadata", `[{"op":"add","path":"/$metadata","value":1}]`, iot.ErrTwinPatchPath},
		{"the metadata of a component", `[{"op":"add","path":"/a/$metadata","value":{}}]`, iot.ErrTwinPatchPath},
		{"a digit first", `[{"op":"add","path":"/1a","value":1}]`, iot.ErrTwinPatchPath},
		{"an underscore first", `[{"op":"add","path":"/_a","value":1}]`, iot.ErrTwinPatchPath},
		{"an underscore last", `[{"op":"add","path":"/a_","value":1}]`, iot.ErrTwinPatchPath},
		{"a dash", `[{"op":"add","path":"/a-b","value":1}]`, iot.ErrTwinPatchPath},
		{"an escape", `[{"op":"add","path":"/a~1b","value":1}]`, iot.ErrTwinPatchPath},
		{"too long a name", `[{"op":"add","path":"/` + long + `a","value":1}]`, iot.ErrTwinPatchPath},
		{"null", `[{"op":"add","path":"/a","value":null}]`, iot.ErrTwinPayload},
		{"null inside", `[{"op":"add","path":"/a","value":{"b":null}}]`, iot.ErrTwinPayload},
		{"an array", `[{"op":"add","path":"/a","value":[1]}]`, iot.ErrTwinPayload},
		{"an array inside a component", `[{"op":"add","path":"/a","value":{"$metadata":{},"b":{"c":[]}}}]`, iot.ErrTwinPayload},
		{"too deep", `[{"op":"add","path":"/a","value":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}]`, iot.ErrTwinPayload},
		{"a bad name inside", `[{"op":"add","path":"/a","value":{"b c":1}}]`, iot.ErrTwinPayload},
		{"a bad name behind an object", `[{"op":"add","path":"/a","value":{"b":{"c":1},"d.e":1}}]`, iot.ErrTwinPayload},
		{"a bad name in a component", `[{"op":"add","path":"/a","value":{"$metadata":{},"b.c":1}}]`, iot.ErrTwinPayload},
		{"metadata that say something", `[{"op":"add","path":"/a","value":{"$metadata":{"b":{}}}}]`, iot.ErrTwinPayload},
		{"metadata in a property", `[{"op":"add","path":"/a/b","value":{"$metadata":{}}}]`, iot.ErrTwinPayload},
		{"replaced what is not there", `[{"op":"replace","path":"/a","value":1}]`, iot.ErrTwinPatch},
		{"removed what is not there", `[{"op":"remove","path":"/a"}]`, iot.ErrTwinPatch},
		{"replaced in no component", `[{"op":"replace","path":"/a/b","value":1}]`, iot.ErrTwinPatch},
		{"removed from a component", `[{"op":"remove","path":"/thermostat1/a"}]`, iot.ErrTwinPatch},
		{"removed twice", `[{"op":"remove","path":"/interval"},{"op":"remove","path":"/interval"}]`, iot.ErrTwinPatch},
		{
			"removed from a component that was put",
			`[{"op":"add","path":"/thermostat1","value":{"$metadata":{}}},{"op":"remove","path":"/thermostat1/targetTemperature"}]`,
			iot.ErrTwinPatch,
		},
		{"removed from a property", `[{"op":"add","path":"/a","value":1},{"op":"remove","path":"/a/b"}]`, iot.ErrTwinPatch},
		{"a property in the place of a component", `[{"op":"add","path":"/thermostat1","value":1}]`, iot.ErrArgumentInvalid},
		{"a component without its mark", `[{"op":"add","path":"/thermostat1","value":{"targetTemperature":1}}]`, iot.ErrArgumentInvalid},
		{"a component in the place of a property", `[{"op":"add","path":"/interval","value":{"$metadata":{}}}]`, iot.ErrArgumentInvalid},
		{"something inside a property", `[{"op":"add","path":"/interval/a","value":1}]`, iot.ErrArgumentInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, before := digital(t, controllerDesired, controllerReported)
			_, err := s.DigitalUpdate(device, operations(t, c.patch))
			require.ErrorIs(t, err, c.want)
			assert.Equal(t, before, digitalOf(t, s))
		})
	}
}

func TestWhatIsNotConformantIsNamed(t *testing.T) {
	t.Parallel()
	s, _ := digital(t, controllerDesired, controllerReported)
	_, err := s.DigitalUpdate(device, operations(t, `[{"op":"add","path":"/interval/a","value":1}]`))
	assert.EqualError(t, err, "ArgumentInvalid: 'interval' exists within the device twin and is not digital twin conformant property. "+
		"Please refer to aka.ms/dtpatch to update this to be conformant.")
}

// FuzzDigitalUpdate applies any JSON patch: what is accepted is an update that
// the twin takes but for its size, and after which what was put is desired.
func FuzzDigitalUpdate(f *testing.F) {
	f.Add([]byte(`[{"op":"add","path":"/thermostat1","value":{"$metadata":{},"a":{"b":1}}},{"op":"remove","path":"/thermostat1/a"}]`))
	f.Add([]byte(`[{"op":"remove","path":"/interval"},{"op":"replace","path":"/serialNumber","value":"\ud800"}]`))
	f.Fuzz(func(t *testing.T, patch []byte) {
		var o []twin.Operation
		if json.Unmarshal(patch, &o) != nil {
			return
		}
		s := twin.NewStore(clock.NewManual(start))
		require.NoError(t, s.Create(device, twin.Initial{Desired: raw(controllerDesired)}))
		u, err := s.DigitalUpdate(device, o)
		if err != nil {
			requireRefusal(t, err)
			return
		}
		require.True(t, json.Valid(u.Desired), "%s", u.Desired)
		c, err := s.Patch(device, u, "")
		if err != nil {
			requireRefusal(t, err)
			return
		}
		desired := values(t, c.Twin.Desired)
		last := o[len(o)-1]
		first, second, deep := strings.Cut(last.Path[1:], "/")
		got, ok := desired[first]
		if deep {
			component, _ := got.(map[string]any)
			got, ok = component[second]
		}
		require.Equal(t, last.Op != "remove", ok, "%s makes %s", patch, c.Twin.Desired)
		if ok && deep {
			require.Equal(t, decode(t, append(append([]byte(`{"a":`), last.Value...), '}'))["a"], got)
		}
		digitalOf(t, s)
	})
}
