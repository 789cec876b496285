package twin_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// mergePatch is the MergePatch function of RFC 7396, section 2.
func mergePatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, value := range p {
		if value == nil {
			delete(t, name)
		} else {
			t[name] = mergePatch(t[name], value)
		}
	}
	return t
}

func decode(t testing.TB, b []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v map[string]any
	require.NoError(t, d.Decode(&v), "%s", b)
	return v
}

// values are the members of a section that are not the hub's.
func values(t testing.TB, section []byte) map[string]any {
	t.Helper()
	v := decode(t, section)
	delete(v, "$metadata")
	delete(v, "$version")
	return v
}

// size is the size of a section, as contract.md §10.3 has it.
func size(t testing.TB, section []byte) int {
	t.Helper()
	return sizeOf(values(t, section))
}

func sizeOf(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			n += sizeOf(name) + sizeOf(value)
		}
	case []any:
		for _, value := range v {
			n += sizeOf(value)
		}
	case string:
		for _, r := range v {
			if !unicode.IsControl(r) {
				n++
			}
		}
	case json.Number:
		n = 8
	case bool:
		n = 4
	}
	return n
}

// requireMirror checks that metadata has the structure of the values.
func requireMirror(t testing.TB, value any, metadata map[string]any) {
	t.Helper()
	require.Contains(t, metadata, "$lastUpdated")
	delete(metadata, "$lastUpdated")
	delete(metadata, "$lastUpdatedVersion")
	object, _ := value.(map[string]any)
	require.ElementsMatch(t, slices.Collect(maps.Keys(object)), slices.Collect(maps.Keys(metadata)))
	for name, below := range metadata {
		requireMirror(t, object[name], below.(map[string]any))
	}
}

func requireSection(t testing.TB, want map[string]any, section []byte) {
	t.Helper()
	require.Equal(t, want, values(t, section))
	metadata, _ := decode(t, section)["$metadata"].(map[string]any)
	requireMirror(t, want, metadata)
}

func TestPatchesMergeAsTheStandardSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		s, _ := newStore(t)
		g := generator{rand.New(rand.NewPCG(seed, 0))}
		want := map[string]any{}
		for range 20 {
			patch := []byte(g.object(3))
			if len(patch) > 2000 {
				continue // the tags should have room for all
			}
			_, err := s.PatchReported(device, patch, 0)
			require.NoError(t, err, "%s", patch)
			c, err := s.Patch(device, twin.Update{Tags: patch, Desired: patch}, "")
			require.NoError(t, err, "%s", patch)
			want = mergePatch(want, decode(t, patch)).(map[string]any)
			requireSection(t, want, c.Twin.Reported)
			requireSection(t, want, c.Twin.Desired)
			require.Equal(t, decode(t, patch), values(t, c.Notification))
		}
		room := twin.MaxPropertiesSize - sizeOf(want)
		_, err := s.PatchReported(device, []byte(`{"filled":`+filled(room-5)+`}`), 0)
		require.ErrorIs(t, err, iot.ErrEntityTooLarge, "the size is kept exactly")
		_, err = s.PatchReported(device, []byte(`{"filled":`+filled(room-6)+`}`), 0)
		require.NoError(t, err, "the size is kept exactly")
	}
}

// generator makes random patches of few names, so that they meet.
type generator struct{ *rand.Rand }

func (g generator) object(depth int) string {
	names := []string{`a`, `b`, `c`, `d`, `\u0061`, `é`, `\u00e9`, `q\"`, ``}
	members := make([]string, g.IntN(5))
	for i := range members {
		members[i] = `"` + names[g.IntN(len(names))] + `":` + g.value(depth, true)
	}
	return `{` + strings.Join(members, `, `) + `}`
}

func (g generator) value(depth int, nullable bool) string {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch g.IntN(kinds) {
	case 0:
		if nullable {
			return `null`
		}
		return `false`
	case 1:
		return []string{`1`, `-0`, `1.50`, `2e3`, `4503599627370495`}[g.IntN(5)]
	case 2:
		return []string{`""`, `"x"`, `"\u0041\n"`, `"\ud800"`, `"\ud83d\ude00 \u0000"`}[g.IntN(5)]
	case 3:
		return strconv.FormatBool(g.IntN(2) == 0)
	case 4:
		elements := make([]string, g.IntN(3))
		for i := range elements {
			elements[i] = g.value(0, false)
		}
		return `[` + strings.Join(elements, `,`) + `]`
	}
	return g.object(depth - 1)
}

// FuzzPatch applies two patches: what is accepted merges as RFC 7396 says,
// once as well as twice; what is refused changes nothing; what comes out is
// always JSON.
func FuzzPatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":null},"c":[1,{"d":"x"}]}`))
	f.Fuzz(func(t *testing.T, base, patch []byte) {
		s := twin.NewStore(clock.NewManual(start))
		require.NoError(t, s.Create(device, twin.Initial{}))
		want := map[string]any{}
		for _, p := range [][]byte{base, patch, patch} {
			before := read(t, s, device)
			v, err := s.PatchReported(device, p, 0)
			if err != nil {
				requireRefusal(t, err)
				require.Equal(t, before, read(t, s, device))
				continue
			}
			require.Equal(t, version(t, before.Reported)+1, v)
			want = mergePatch(want, decode(t, p)).(map[string]any)
			requireSection(t, want, read(t, s, device).Reported)
			b, err := s.DeviceView(device)
			require.NoError(t, err)
			require.True(t, json.Valid(b))
		}
		fuzzDesired(t, s, patch)
	})
}

func fuzzDesired(t *testing.T, s *twin.Store, patch []byte) {
	t.Helper()
	c, err := s.Patch(device, twin.Update{Tags: patch, Desired: patch}, "")
	if err != nil {
		requireRefusal(t, err)
		return
	}
	if c.Notification == nil {
		return // the patch was null
	}
	told := values(t, c.Notification)
	asked := values(t, patch)
	assert.Equal(t, asked, told)
	want := mergePatch(nil, told).(map[string]any)
	requireSection(t, want, c.Twin.Desired)
	again, err := s.Replace(device, twin.Update{Tags: c.Twin.Tags, Desired: c.Twin.Desired}, "")
	require.NoError(t, err, "what the twin says can be written back")
	requireSection(t, want, again.Twin.Desired)
	require.Equal(t, c.Twin.Tags, again.Twin.Tags)
}

func requireRefusal(t *testing.T, err error) {
	t.Helper()
	var refusal *iot.Error
	require.ErrorAs(t, err, &refusal)
	require.Contains(t, []int{400, 413}, refusal.Status)
}
