package twin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// filled is a section of the given size, which is at least 5.
func filled(size int) string {
	const chunk = 4000
	b := strings.Builder{}
	b.WriteByte('{')
	for n := 0; size > 0; n++ {
		take := min(size, chunk)
		if rest := size - take; rest > 0 && rest < 5 {
			take -= 5 // leave enough for a name
		}
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%04d":"%s"`, n, strings.Repeat("x", take-4))
		size -= take
	}
	b.WriteByte('}')
	return b.String()
}

func nested(levels int, open, inner, end string) string {
	return strings.Repeat(open, levels) + inner + strings.Repeat(end, levels)
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, section string }{
		{"an empty section", `{}`},
		{"the largest integer", `{"a":4503599627370495}`},
		{"the smallest integer", `{"a":-4503599627370496}`},
		{"a larger number that is no integer", `{"a":4503599627370497.0,"b":1e300}`},
		{"a string of 4096 bytes", `{"a":"` + strings.Repeat("é", 2048) + `"}`},
		{"a name of 1024 bytes", `{"` + strings.Repeat("é", 512) + `":1}`},
		{"ten levels of objects", `{"a":` + nested(10, `{"a":`, `1`, `}`) + `}`},
		{"ten levels of arrays", `{"a":` + nested(10, `[`, `1`, `]`) + `}`},
		{"odd but legal names", `{"a-b_c":1,"<>()@,;:/?=[]":2,"ÄÖÜ☃":3}`},
		{"every control character in a string", `{"a":"\u0000\u001f\u007f\u0085"}`},
		{"a null in an object", `{"a":{"b":null}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			_, err := s.Patch(device, twin.Update{Tags: raw(tt.section), Desired: raw(tt.section)}, "")
			require.NoError(t, err)
			_, err = s.Replace(device, twin.Update{Tags: raw(tt.section), Desired: raw(tt.section)}, "")
			require.NoError(t, err)
			_, err = s.PatchReported(device, []byte(tt.section), 0)
			require.NoError(t, err)
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	const notObject = "The section of the twin must be a JSON object."
	const deep = "Nested depth of twin property exceeds 10"
	const nullInArray = "Arrays cannot contain 'null' as value, nor can the objects in them"
	outOfBound := "Property a has an out of bound value. Valid values are between -4503599627370496 and 4503599627370495"
	badName := func(name, char string) string {
		return "Property name " + name + " contains invalid character " + char
	}
	tests := []struct{ name, section, text string }{
		{"no JSON", ` `, notObject},
		{"an array", `[]`, notObject},
		{"a string", `"x"`, notObject},
		{"bytes that are not UTF-8", "{\"a\":\"\xff\"}", "The JSON is not valid UTF-8."},
		{"a dot in a name", `{"a.b":1}`, badName("a.b", "'.'")},
		{"a dollar in a name", `{"o":{"a$":1}}`, badName("a$", "'$'")},
		{"a number sign in a name", `{"a#":1}`, badName("a#", "'#'")},
		{"a space in a name", `{"a b":1}`, badName("a b", "' '")},
		{"another space in a name", `{"a\u2003":1}`, badName("a\u2003", `'\u2003'`)},
		{"a control character in a name", `{"a\u0085":1}`, badName("a\u0085", `'\u0085'`)},
		{"a bad name in an array", `{"a":[{"b.c":1}]}`, badName("b.c", "'.'")},
		{"a bad name that a later one replaces", `{"a":{"b.c":1},"a":1}`, badName("b.c", "'.'")},
		{
			"a name of 1025 bytes", `{"` + strings.Repeat("é", 512) + `a":1}`,
			"Length of property name " + strings.Repeat("é", 20) + "... exceeds maximum length of 1024",
		},
		{
			"a string of 4097 bytes", `{"a":"` + strings.Repeat("é", 2048) + `x"}`,
			"Value associated with property name a has length 4097 that exceeds maximum length of 4096",
		},
		{
			"a number of 4097 digits", `{"a":0.` + strings.Repeat("0", 4095) + `}`,
			"Value associated with property name a has length 4097 that exceeds maximum length of 4096",
		},
		{"an integer that is too large", `{"a":4503599627370496}`, outOfBound},
		{"an integer that is too small", `{"a":-4503599627370497}`, outOfBound},
		{"an integer beyond 64 bits", `{"a":99999999999999999999}`, outOfBound},
		{"a number no double can hold", `{"a":1e999}`, "Property a has an out of bound value."},
		{"eleven levels of objects", `{"a":` + nested(11, `{"a":`, `1`, `}`) + `}`, deep},
		{"eleven levels of arrays", `{"a":` + nested(11, `[`, `1`, `]`) + `}`, deep},
		{"a level for ever", `{"a":` + strings.Repeat(`[`, 1<<20), deep},
		{"a null in an array", `{"a":[null]}`, nullInArray},
		{"a null in an object in an array", `{"a":[{"b":{"c":null}}]}`, nullInArray},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refused(t, tt.section, iot.ErrArgumentInvalid, tt.text)
		})
	}
}

// refused checks that a section is refused, whoever writes it, and that
// nothing changes.
func refused(t *testing.T, section string, want *iot.Error, text string) {
	t.Helper()
	s, _ := newStore(t)
	before := read(t, s, device)
	for _, u := range []twin.Update{
		{Tags: raw(section), Desired: raw(`{"ok":1}`)}, {Tags: raw(`{"ok":1}`), Desired: raw(section)},
	} {
		_, err := s.Patch(device, u, "")
		requireError(t, err, want, text)
		_, err = s.Replace(device, u, "")
		requireError(t, err, want, text)
	}
	_, err := s.PatchReported(device, []byte(section), 0)
	requireError(t, err, want, text)
	assert.Equal(t, before, read(t, s, device))
	assert.Equal(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, view(t, s, device))
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		section string
		at      int
	}{
		{`{`, 1},
		{`{"`, 2},
		{`{"a`, 3},
		{`{"a"`, 4},
		{`{"a":`, 5},
		{`{"a":1`, 6},
		{`{"a":1,`, 7},
		{`{"a":1}x`, 7},
		{`{"a":1}{}`, 7},
		{`{a:1}`, 1},
		{`{'a':1}`, 1},
		{`{,}`, 1},
		{`{"a":1,}`, 7},
		{`{"a" 1}`, 5},
		{`{"a":[}`, 6},
		{`{"a":[1}`, 7},
		{`{"a":[1,]}`, 8},
		{`{"a":[1 2]}`, 8},
		{`{"a":01}`, 6},
		{`{"a":-}`, 6},
		{`{"a":1.}`, 7},
		{`{"a":.5}`, 5},
		{`{"a":1e}`, 7},
		{`{"a":1e+}`, 8},
		{`{"a":+1}`, 5},
		{`{"a":0x1}`, 6},
		{`{"a":NaN}`, 5},
		{`{"a":truth}`, 5},
		{`{"a":trueish}`, 9},
		{`{"a":nil}`, 5},
		{`{"a":` + "\x00" + `}`, 5},
		{`{"a":"\`, 7},
		{`{"a":"\"`, 8},
		{`{"a":"\x"}`, 9},
		{`{"a":"\u12g4"}`, 13},
		{"{\"a\":\"\n\"}", 6},
		{"{\"a\":\"\x00\"}", 6},
		{`{"a\q":1}`, 6},
	}
	for _, tt := range tests {
		t.Run(tt.section, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			_, err := s.PatchReported(device, []byte(tt.section), 0)
			requireError(t, err, iot.ErrArgumentInvalid, fmt.Sprintf("The JSON is malformed at byte %d.", tt.at))
			_, err = s.Patch(device, twin.Update{Desired: raw(`{"$metadata":` + tt.section + `}`)}, "")
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
		})
	}
}

func TestSizeOfASection(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	for _, limit := range []int{5, 3999, 4004, 8192, 32768} {
		require.Equal(t, limit, size(t, raw(filled(limit))), "the helper works")
	}
	_, err := s.Patch(device, twin.Update{
		Tags: raw(filled(twin.MaxTagsSize)), Desired: raw(filled(twin.MaxPropertiesSize)),
	}, "")
	require.NoError(t, err)
	_, err = s.Replace(device, twin.Update{
		Tags: raw(filled(twin.MaxTagsSize)), Desired: raw(filled(twin.MaxPropertiesSize)),
	}, "")
	require.NoError(t, err)
	_, err = s.PatchReported(device, []byte(filled(twin.MaxPropertiesSize)), 0)
	require.NoError(t, err)

	before := read(t, s, device)
	more := raw(`{"a":""}`)
	_, err = s.Patch(device, twin.Update{Tags: more, Desired: raw(`{}`)}, "")
	requireError(t, err, iot.ErrEntityTooLarge, "Twin tags size 8193 exceeds maximum 8192")
	_, err = s.Patch(device, twin.Update{Tags: raw(`{}`), Desired: more}, "")
	requireError(t, err, iot.ErrEntityTooLarge, "Twin desired properties size 32769 exceeds maximum 32768")
	_, err = s.Replace(device, twin.Update{Tags: raw(filled(twin.MaxTagsSize + 1))}, "")
	requireError(t, err, iot.ErrEntityTooLarge, "Twin tags size 8193 exceeds maximum 8192")
	_, err = s.Replace(device, twin.Update{Desired: raw(filled(twin.MaxPropertiesSize + 1))}, "")
	requireError(t, err, iot.ErrEntityTooLarge, "Twin desired properties size 32769 exceeds maximum 32768")
	_, err = s.PatchReported(device, more, 0)
	requireError(t, err, iot.ErrEntityTooLarge, "Twin reported properties size 32769 exceeds maximum 32768")
	assert.Equal(t, before, read(t, s, device))

	_, err = s.PatchReported(device, []byte(`{"a":"","0000":null}`), 0)
	require.NoError(t, err, "what is removed makes room")
}

func TestWhatCounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, section string
		want          int
	}{
		{"a number", `{"ab":1.5e10}`, 2 + 8},
		{"a boolean", `{"ab":true}`, 2 + 4},
		{"a string's characters", `{"é":"😀é\n\u0085"}`, 1 + 2},
		{"an object's members", `{"o":{"a":1,"b":{}}}`, 1 + 1 + 8 + 1},
		{"an array's elements", `{"o":[1,"ab",[true],{"c":""}]}`, 1 + 8 + 2 + 4 + 1},
		{"a null for nothing", `{"a":null,"o":{"b":null}}`, 1},
		{"the last of one name", `{"a":"xxxx","b":1,"a":true}`, 1 + 8 + 1 + 4},
		{"no read-only members", `{"$version":1,"$metadata":{"a":{}},"a":true}`, 1 + 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			_, err := s.Patch(device, twin.Update{Tags: raw(tt.section)}, "")
			require.NoError(t, err)
			room := twin.MaxTagsSize - tt.want
			_, err = s.Patch(device, twin.Update{Tags: raw(filled(room + 1))}, "")
			require.ErrorIs(t, err, iot.ErrEntityTooLarge)
			_, err = s.Patch(device, twin.Update{Tags: raw(filled(room))}, "")
			require.NoError(t, err)
		})
	}
}

func TestManyMembers(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	const count = 3000
	list := func(value string, each int) string {
		b := strings.Builder{}
		for n := range count {
			for range each {
				fmt.Fprintf(&b, `,"%x":%s`, n, value)
			}
		}
		return "{" + b.String()[1:] + "}"
	}
	patch := func(p string) {
		t.Helper()
		_, err := s.PatchReported(device, []byte(p), 0)
		require.NoError(t, err)
	}
	patch(list(`true`, 3)) // each name three times
	patch(list(`""`, 1))
	assert.Equal(t, count, strings.Count(view(t, s, device), `":""`))
	patch(`{"0":null,"5":1,"bb7":2,"new":3,"3":null,"4":null,"6":null,"7":null,"8":null,"9":null}`)
	got := view(t, s, device)
	assert.Equal(t, count-9, strings.Count(got, `":""`))
	assert.Contains(t, got, `"1":"","2":"","5":1,"a":""`)
	assert.Contains(t, got, `"bb7":2,"new":3`)
	patch(list(`null`, 1))
	assert.Equal(t, `{"desired":{"$version":1},"reported":{"new":3,"$version":5}}`, view(t, s, device))
}

// A device may name its members in any order; nobody else may have to wait for
// that, as they did when this took a thousand times as long.
func TestAPatchInAnotherOrderCostsAboutAsMuch(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	took := func(p string) time.Duration {
		began := clock.Wall()
		_, err := s.PatchReported(device, []byte(p), 0)
		require.NoError(t, err)
		return clock.Wall().Sub(began)
	}
	same, reversed := manyMembers(false), manyMembers(true)
	took(same)
	before := view(t, s, device)
	usual := took(same)
	assert.Less(t, took(reversed), 50*usual)
	assert.Equal(t, strings.Replace(before, `"$version":2}}`, `"$version":4}}`, 1), view(t, s, device), "members stay where they are")
}
