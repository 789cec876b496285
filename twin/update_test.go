package twin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, before, patch, after string }{
		{"a new member comes last", `{"b":1,"a":2}`, `{"c":3}`, `{"b":1,"a":2,"c":3}`},
		{"a changed member keeps its place", `{"a":1,"b":2}`, `{"a":3}`, `{"a":3,"b":2}`},
		{"objects are merged", `{"o":{"a":1,"b":2}}`, `{"o":{"b":3,"c":4}}`, `{"o":{"a":1,"b":3,"c":4}}`},
		{"null removes", `{"a":1,"b":2,"c":3}`, `{"b":null}`, `{"a":1,"c":3}`},
		{"null removes what is not there", `{"a":1}`, `{"b":null,"o":{"x":null}}`, `{"a":1,"o":{}}`},
		{"null removes a whole object", `{"o":{"p":{"q":1}}}`, `{"o":null}`, `{}`},
		{"an object that is emptied stays", `{"o":{"a":1}}`, `{"o":{"a":null}}`, `{"o":{}}`},
		{"an empty object is kept", `{}`, `{"o":{}}`, `{"o":{}}`},
		{"an empty object takes nothing away", `{"o":{"a":1}}`, `{"o":{}}`, `{"o":{"a":1}}`},
		{"an object takes the place of a value", `{"a":1}`, `{"a":{"b":null,"c":2}}`, `{"a":{"c":2}}`},
		{"a value takes the place of an object", `{"a":{"b":1}}`, `{"a":"x"}`, `{"a":"x"}`},
		{"arrays are replaced as a whole", `{"a":[1,2,3]}`, `{"a":[{"b":[]},[true,"x"]]}`, `{"a":[{"b":[]},[true,"x"]]}`},
		{"an array takes the place of an object", `{"a":{"b":1}}`, `{"a":[]}`, `{"a":[]}`},
		{
			"numbers keep their text", `{}`, `{"a":1.50,"b":-0,"c":1E+2,"d":4503599627370495}`,
			`{"a":1.50,"b":-0,"c":1E+2,"d":4503599627370495}`,
		},
		{
			"of two members of one name the last counts", `{"a":1}`, `{"a":{"x":1},"b":[{"c":1,"c":2}],"a":{"y":2}}`,
			`{"a":{"y":2},"b":[{"c":2}]}`,
		},
		{"names are compared decoded", `{"é":1}`, `{"\u00e9":2,"\u0061":3}`, `{"é":2,"a":3}`},
		{
			"strings lose escapes they do not need", `{}`, `{"a":"\u0041\/\"\\\n\r\u0009\u001f\ud83d\ude00<é>"}`,
			`{"a":"A/\"\\\n\r\t\u001f😀<é>"}`,
		},
		{"names are escaped again", `{}`, `{"a\"\\b":1}`, `{"a\"\\b":1}`},
		{"names are case-sensitive", `{"a":1}`, `{"A":2}`, `{"a":1,"A":2}`},
		{"a name may be empty", `{}`, `{"":1}`, `{"":1}`},
		{
			"space is legal anywhere", `{}`, " {\t\"a\" :\r\n[ 1 , { } , [ ] ] , \"b\" : { \"c\" : \"\" } } ",
			`{"a":[1,{},[]],"b":{"c":""}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			for _, p := range []string{tt.before, tt.patch} {
				_, err := s.PatchReported(device, []byte(p), 0)
				require.NoError(t, err)
				_, err = s.Patch(device, twin.Update{Tags: raw(p), Desired: raw(p)}, "")
				require.NoError(t, err)
			}
			section := strings.Replace(strings.TrimSuffix(tt.after, "}")+`,"$version":3}`, `{,`, `{`, 1)
			assert.Equal(t, `{"desired":`+section+`,"reported":`+section+`}`, view(t, s, device))
			tags := string(read(t, s, device).Tags)
			if tags == "" {
				tags = "{}" // no tags at all
			}
			assert.Equal(t, tt.after, tags)
		})
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	s, clk := newStore(t)
	patch := func(p string) {
		t.Helper()
		clk.Advance(time.Second)
		_, err := s.Patch(device, twin.Update{Desired: raw(p)}, "")
		require.NoError(t, err)
		_, err = s.PatchReported(device, []byte(p), 0)
		require.NoError(t, err)
	}
	stands := func(metadata string) {
		t.Helper()
		const marks = "{v2}=01 {v3}=02 {v4}=03"
		desired, reported := metadata, metadata
		for _, m := range strings.Fields(marks) {
			mark, second, _ := strings.Cut(m, "=")
			stamp := `"$lastUpdated":"2026-03-01T12:00:` + second + `.1234567Z"`
			desired = strings.ReplaceAll(desired, mark, stamp+`,"$lastUpdatedVersion":`+mark[2:3])
			reported = strings.ReplaceAll(reported, mark, stamp)
		}
		got := read(t, s, device)
		assert.Contains(t, string(got.Desired), `"$metadata":`+desired+`,"$version":`)
		assert.Contains(t, string(got.Reported), `"$metadata":`+reported+`,"$version":`)
	}
	patch(`{"a":1,"o":{"p":{"q":[1,{"r":2}]},"s":"x"}}`)
	stands(`{{v2},"a":{{v2}},"o":{{v2},"p":{{v2},"q":{{v2}}},"s":{{v2}}}}`)
	patch(`{"o":{"s":"x"}}`) // unchanged, but written
	stands(`{{v3},"a":{{v2}},"o":{{v3},"p":{{v2},"q":{{v2}}},"s":{{v3}}}}`)
	patch(`{"o":{"p":{"q":null}}}`) // a removal is seen in what it was removed from
	stands(`{{v4},"a":{{v2}},"o":{{v4},"p":{{v4}},"s":{{v3}}}}`)
}

func TestPatchTellsTheDeviceThePatchAsIssued(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	c, err := s.Patch(device, twin.Update{
		Desired: raw(` { "a" : 1, "gone": null, "$version": 77, "o": {"p": null}, "a": [1.0], "$metadata": {"a":{}} } `),
	}, "")
	require.NoError(t, err)
	assert.Equal(t, `{"gone":null,"o":{"p":null},"a":[1.0],"$version":2}`, string(c.Notification))
	assert.Equal(t, int64(2), c.DesiredVersion)
	assert.Equal(t, int64(1), c.ReportedVersion)
	assert.Equal(t, read(t, s, device), c.Twin)

	c, err = s.Patch(device, twin.Update{Desired: raw(`{}`)}, "")
	require.NoError(t, err)
	assert.Equal(t, `{"$version":3}`, string(c.Notification), "a write that changes nothing is told all the same")

	c, err = s.Patch(device, twin.Update{Tags: raw(`{"a":1}`)}, "")
	require.NoError(t, err)
	assert.Nil(t, c.Notification)
	assert.Equal(t, int64(3), c.DesiredVersion)
}

func TestReplaceTellsTheDeviceTheWholeSection(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	_, err := s.PatchReported(device, []byte(`{"kept":1}`), 0)
	require.NoError(t, err)
	replace := func(u twin.Update, notification string) twin.Twin {
		t.Helper()
		c, err := s.Replace(device, u, "")
		require.NoError(t, err)
		assert.Equal(t, notification, string(c.Notification))
		assert.Equal(t, read(t, s, device), c.Twin)
		assert.Contains(t, string(c.Twin.Reported), `"kept":1`)
		return c.Twin
	}
	got := replace(twin.Update{Tags: raw(`{"t":1}`), Desired: raw(`{"b":{"c":null},"a":1,"n":null}`)},
		`{"b":{},"a":1,"$version":2}`)
	assert.Equal(t, `{"t":1}`, string(got.Tags))

	got = replace(twin.Update{Desired: raw(`{"z":1}`)}, `{"z":1,"$version":3}`)
	assert.Nil(t, got.Tags)
	assert.NotContains(t, string(got.Desired), `"a"`)

	got = replace(twin.Update{Tags: raw(`{"t":2}`)}, `{"$version":4}`)
	assert.Equal(t, `{"t":2}`, string(got.Tags))
	assert.NotContains(t, string(got.Desired), `"z"`)

	got = replace(twin.Update{}, ``)
	assert.Nil(t, got.Tags)
	assert.Equal(t, int64(4), version(t, got.Desired))
}

func TestReadOnlyMembersAreIgnoredForBackEndsOnly(t *testing.T) {
	t.Parallel()
	// As deep as the metadata of the deepest section, and with names no section may have.
	deep := strings.Repeat(`{"a":`, 12) + `{"$lastUpdated":"x"}` + strings.Repeat(`}`, 12)
	s, _ := newStore(t)
	section := raw(`{"$metadata":` + deep + `,"$version":[null,` + strings.Repeat("9", 40) + `],"a":1}`)
	c, err := s.Patch(device, twin.Update{Tags: section, Desired: section}, "")
	require.NoError(t, err)
	assert.Equal(t, `{"a":1,"$version":2}`, string(c.Notification))
	assert.Equal(t, `{"a":1}`, string(c.Twin.Tags))

	_, err = s.Patch(device, twin.Update{Desired: raw(`{"a":{"$version":1}}`)}, "")
	requireError(t, err, iot.ErrArgumentInvalid, "Property name $version contains invalid character '$'")
	_, err = s.Patch(device, twin.Update{Desired: raw(`{"$metadata":` + strings.Repeat(`[`, 1000))}, "")
	require.ErrorIs(t, err, iot.ErrArgumentInvalid)

	for _, name := range []string{"$version", "$metadata"} {
		_, err = s.PatchReported(device, []byte(`{"a":1,"`+name+`":1}`), 0)
		requireError(t, err, iot.ErrArgumentInvalid, "Property name "+name+" contains invalid character '$'")
	}
	assert.NotContains(t, string(read(t, s, device).Reported), `"a"`)
}

func TestReportedVersionMayBeAsked(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	v, err := s.PatchReported(device, []byte(`{"a":1}`), 1)
	require.NoError(t, err)
	assert.Equal(t, int64(2), v)
	_, err = s.PatchReported(device, []byte(`{"a":2}`), 1)
	requireError(t, err, iot.ErrPreconditionFailed, "Reported properties have version 2, not 1.")
	assert.Contains(t, view(t, s, device), `"a":1`)
	v, err = s.PatchReported(device, []byte(`{"a":2}`), 0)
	require.NoError(t, err)
	assert.Equal(t, int64(3), v)
}
