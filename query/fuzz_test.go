package query_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/query"
)

// requireInside checks that an error names a place inside the text.
func requireInside(t *testing.T, text string, err error) {
	t.Helper()
	var wrong *query.SyntaxError
	require.ErrorAs(t, err, &wrong)
	lines := strings.Split(text, "\n")
	require.LessOrEqual(t, wrong.Line, len(lines))
	require.LessOrEqual(t, wrong.Column, utf8.RuneCountInString(lines[wrong.Line-1])+1)
}

// Any text is either refused at a place inside it, or a condition that has an
// outcome and an explanation.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{
		"", "level = 'a' AND NOT ($body.a.b[1] > 3 OR $twin.tags.x <> null)", "as_number(number) * -2 % 0x1F ?? 1e3 >= .5",
		"{$body.clash} || concat('\\u0041', level, empty) = \"x\"", "/* c */ substring(été, 1, 2) = upper(none) -- x",
		"twin_change_includes(properties.reported.a) and is_object($body.Weather.Place)", "((((((3", "$body.a[",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := query.CompileCondition(text, query.ConditionOptions{TwinChanges: true})
		if err != nil {
			requireInside(t, text, err)
			return
		}
		m := weather()
		got, err := c.Evaluate(m)
		require.NoError(t, err)
		x := c.Explain(m)
		require.Equal(t, got, x.Outcome)
		require.Contains(t, text, x.Clause)
		m.bodyErr = assert.AnError
		_, _ = c.Evaluate(m)
	})
}

// What ParseJSON accepts and makes is what encoding/json does, but for the
// depth, numbers that are long and those that no double holds.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-2.5e+3,"x\u00e9\ud834\udd1e\ud800",null,true,{}],"a":{"b":[]}}`, "\"\xff\"", `[`, `"\x"`, ` 0 `, `01`, `1.`, `-`, `{"a" 1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := query.ParseJSON(text)
		if err != nil {
			require.True(t, !json.Valid(text) || strings.Contains(err.Error(), "more than"), "%q: %v", text, err)
			return
		}
		require.True(t, json.Valid(text), "%q", text)
		var want, got any
		if json.Unmarshal(text, &want) != nil {
			return // a number that is too large
		}
		require.NoError(t, json.Unmarshal(v.AppendJSON(nil), &got), "%q", text)
		require.Equal(t, want, got)
	})
}
