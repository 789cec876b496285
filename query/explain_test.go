package query_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// Source: contract.md §19.3 (TwinChangeIncludes.cs, TwinChangeJsonPathValidator.cs).
func TestTwinChangeIncludes(t *testing.T) {
	t.Parallel()
	m := weather()
	m.body = `{"version":4,"tags":{"site":"n"},"properties":{"reported":{"temp":21,"gone":null,"deep":{"a":1}}}}`
	changes := query.ConditionOptions{TwinChanges: true}
	for text, want := range map[string]query.Truth{
		"twin_change_includes(tags.site)":                                                   yes,
		"TWIN_CHANGE_INCLUDES( properties.reported.temp )":                                  yes,
		"twin_change_includes(properties.reported.deep)":                                    yes,
		"twin_change_includes(properties.reported.gone)":                                    no,
		"twin_change_includes(properties.desired.temp)":                                     no,
		"NOT twin_change_includes(tags.floor)":                                              yes,
		"twin_change_includes(tags.floor) OR $body.properties.reported.temp > 20":           yes,
		"twin_change_includes(Properties.reported.temp)":                                    no,
		"twin_change_includes(tags.site) AND is_defined($body.version) AND level='storage'": yes,
	} {
		c, err := query.CompileCondition(text, changes)
		require.NoError(t, err, text)
		got, err := c.Evaluate(m)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"twin_change_includes(version)":              "column 22: the path must start with properties.reported., properties.desired. or tags.",
		"twin_change_includes()":                     "column 1: twin_change_includes needs a path",
		"twin_change_includes('tags.a')":             "column 1: twin_change_includes needs a path",
		"twin_change_includes(tags.a, tags.b)":       "column 28: unexpected ','",
		"twin_change_includes(properties.reported.)": "column 42: a name is missing in the path",
	} {
		_, err := query.CompileCondition(text, changes)
		require.ErrorContains(t, err, want, text)
	}
}

func TestABodyThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	m := weather()
	m.bodyErr = errors.New("no JSON")
	for text, want := range map[string]query.Truth{
		"$body.a = 1":                        undef,
		"$body.a = 1 OR level = 'storage'":   yes,
		"level = 'storage' OR $body.a = 1":   yes,
		"level = 'x' AND $body.a = 1":        no,
		"NOT ($body.a = 1)":                  undef,
		"is_defined($body.a)":                no,
		"level = 'storage' AND $body.a != 1": undef,
	} {
		c, err := query.CompileCondition(text, query.ConditionOptions{})
		require.NoError(t, err)
		got, err := c.Evaluate(m)
		assert.Equal(t, want, got, text)
		decidedWithout := text[:5] == "level" && want != undef
		assert.Equal(t, decidedWithout, err == nil, text)
	}
}

func TestExplanationsNameTheClauseThatDecided(t *testing.T) {
	t.Parallel()
	seen := func(s ...string) (all []query.Seen) {
		for i := 0; i < len(s); i += 2 {
			all = append(all, query.Seen{Name: s[i], Value: s[i+1]})
		}
		return all
	}
	for _, c := range []struct {
		text   string
		truth  query.Truth
		clause string
		column int
		seen   []query.Seen
	}{
		{"level = 'storage'", yes, "level = 'storage'", 1, seen("level", `"storage"`)},
		{"true", yes, "true", 1, nil},
		{"", yes, "", 1, nil},
		{"level = 'storage' AND as_number(number) > 5", no, "as_number(number) > 5", 23, seen("number", `"3"`)},
		{"level = 'x' OR $body.Weather.On OR number = '1'", yes, "$body.Weather.On", 16, seen("$body.Weather.On", "true")},
		{"level = 'x' OR number = '4'", no, "level = 'x' OR number = '4'", 1, seen("level", `"storage"`, "number", `"3"`)},
		{"level = 'storage' AND\n NOT (none = 'x')", undef, "(none = 'x')", 6, seen("none", "undefined")},
		{"{$sys4} = $sys4", no, "{$sys4} = $sys4", 1, seen("{$sys4}", `"system"`, "$sys4", `"own"`)},
		{"$body.Weather.Past[1] = 31", no, "$body.Weather.Past[1] = 31", 1, seen("$body.Weather.Past[1]", "30")},
		{"level = level", yes, "level = level", 1, seen("level", `"storage"`)},
		{
			"$body.Weather.Place = 1", undef, "$body.Weather.Place = 1", 1,
			seen("$body.Weather.Place", `{"Street":"One Microsoft Way","City":"Redmond","State":"WA"}`),
		},
	} {
		condition, err := query.CompileCondition(c.text, query.ConditionOptions{})
		require.NoError(t, err)
		x := condition.Explain(weather())
		assert.Equal(t, query.Explanation{Outcome: c.truth, Clause: c.clause, Column: c.column, Seen: c.seen}, x, c.text)
		assert.Equal(t, c.text, condition.String())
	}
	m := weather()
	m.bodyErr = errors.New("no JSON")
	condition, err := query.CompileCondition("level = 'storage' AND $body.x = 1", query.ConditionOptions{})
	require.NoError(t, err)
	x := condition.Explain(m)
	assert.Equal(t, "$body.x = 1", x.Clause)
	assert.Equal(t, m.bodyErr, x.Err)
	assert.Equal(t, "undefined", x.Outcome.String())
}

// An explanation agrees with the outcome, whatever else it looks at to show it.
func TestAnExplanationChangesNothing(t *testing.T) {
	t.Parallel()
	m := weather()
	m.bodyErr = errors.New("no JSON")
	c, err := query.CompileCondition("(level ?? $body.a) = 'storage'", query.ConditionOptions{})
	require.NoError(t, err)
	x := c.Explain(m)
	assert.Equal(t, yes, x.Outcome)
	require.NoError(t, x.Err, "the body was not needed")

	long := strings.Repeat("x", 1<<18)
	m = weather()
	m.properties = append(m.properties, iot.Property{Name: "long", Value: long})
	c, err = query.CompileCondition("(length(long) = 1 OR length(long) = 2) OR length(long) > 3 AND "+
		strings.Repeat("length(long) > 3 AND ", 9)+"long != LONG", query.ConditionOptions{})
	require.NoError(t, err)
	got, err := c.Evaluate(m)
	require.NoError(t, err)
	x = c.Explain(m)
	require.NoError(t, x.Err)
	assert.Equal(t, got, x.Outcome)
	assert.Equal(t, "long != LONG", x.Clause[len(x.Clause)-len("long != LONG"):])
	for _, s := range x.Seen {
		assert.Less(t, len(s.Value), 2000)
	}
}
