package twin_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
	"github.com/linarite/linarite/twin"
)

// requireSame walks all of a value and holds it against JSON.
func requireSame(t testing.TB, want any, v query.Value) {
	t.Helper()
	require.True(t, v.IsDefined())
	text := v.AppendJSON(nil)
	require.Equal(t, want, decode(t, fmt.Appendf(nil, `{"v":%s}`, text))["v"], "%s", text)
	switch want := want.(type) {
	case map[string]any:
		for name, below := range want {
			requireSame(t, below, v.Member(name))
		}
		require.False(t, v.Member("no such name").IsDefined())
	case []any:
		for i, below := range want {
			requireSame(t, below, v.Element(i))
		}
		require.False(t, v.Element(len(want)).IsDefined())
	}
}

func TestSnapshotsCanBeWalked(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		clk := clock.NewManual(start)
		s := twin.NewStore(clk)
		require.NoError(t, s.Create(device, twin.Initial{}))
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		for range 8 {
			clk.Advance(time.Duration(g.IntN(1000)) * time.Millisecond)
			patch := []byte(g.object(3))
			_, err := s.PatchReported(device, patch, 0)
			require.NoError(t, err)
			_, err = s.Patch(device, twin.Update{Tags: patch, Desired: []byte(g.object(2))}, "")
			require.NoError(t, err)
		}
		snapshot, err := s.Snapshot(device)
		require.NoError(t, err)
		whole := read(t, s, device)
		requireSame(t, any(decode(t, whole.Desired)), snapshot.Desired())
		requireSame(t, any(decode(t, whole.Reported)), snapshot.Reported())
		if whole.Tags == nil {
			require.False(t, snapshot.Tags().IsDefined())
		} else {
			requireSame(t, any(decode(t, whole.Tags)), snapshot.Tags())
		}
		require.Equal(t, whole.ETag, snapshot.ETag())
		require.Equal(t, whole.Version, snapshot.Version())
	}
}

func TestSnapshotsDoNotChange(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	_, err := s.Patch(device, twin.Update{Tags: raw(`{"a":1}`), Desired: raw(`{"b":{"c":[1]}}`)}, "")
	require.NoError(t, err)
	s.SetModel(device, "dtmi:x;1")
	snapshot, err := s.Snapshot(device)
	require.NoError(t, err)
	before := read(t, s, device)
	_, err = s.Replace(device, twin.Update{Tags: raw(`{"a":2}`)}, "")
	require.NoError(t, err)
	_, err = s.PatchReported(device, []byte(`{"r":1}`), 0)
	require.NoError(t, err)
	s.Delete(device)
	assert.Equal(t, before, snapshot.Twin())
	assert.Equal(t, `{"c":[1]}`, string(snapshot.Desired().Member("b").AppendJSON(nil)))
	assert.Equal(t, device, snapshot.Identity())
	assert.Equal(t, "dtmi:x;1", snapshot.ModelID())
}

// readOn reads a collection from a place on, size twins at a time, and calls
// between before each page.
func readOn(s *twin.Store, c twin.Collection, size int, between func()) (ids []iot.Identity) {
	place := int64(0)
	for {
		between()
		page := s.Next(c, place, make([]twin.Snapshot, 0, size))
		if len(page) == 0 {
			return ids
		}
		for i := range page {
			ids = append(ids, page[i].Identity())
		}
		place = page[len(page)-1].Place()
	}
}

func TestPagesMissAndRepeatNothingThatStays(t *testing.T) {
	t.Parallel()
	s := twin.NewStore(clock.NewManual(start))
	var stay, all []iot.Identity
	for i := range 300 {
		id := iot.Device(fmt.Sprintf("d%d", i))
		all = append(all, id, iot.Module(id.DeviceID, "m"))
		require.NoError(t, s.Create(id, twin.Initial{}))
		require.NoError(t, s.Create(all[len(all)-1], twin.Initial{}))
		if i%3 == 0 {
			stay = append(stay, id)
		}
	}
	g := rand.New(rand.NewPCG(1, 2))
	ids := readOn(s, twin.Devices, 7, func() {
		for range 20 {
			i := g.IntN(300)
			if id := iot.Device(fmt.Sprintf("d%d", i)); i%3 != 0 {
				s.Delete(id)
				if g.IntN(2) == 0 {
					require.NoError(t, s.Create(id, twin.Initial{}))
				}
			} else {
				_, err := s.PatchReported(id, []byte(`{"a":1}`), 0)
				require.NoError(t, err)
			}
		}
	})
	seen := map[iot.Identity]int{}
	for _, id := range ids {
		seen[id]++
		require.False(t, id.IsModule())
	}
	for _, id := range stay {
		require.Equal(t, 1, seen[id], "%s", id)
	}
	modules := readOn(s, twin.Modules, 1000, func() {})
	require.NotEmpty(t, modules)
	require.Less(t, len(modules), 300, "a deleted device takes its modules along")
	s.Clear()
	require.Empty(t, readOn(s, twin.Devices, 7, func() {}))
}

func TestReadingOnBesideChanges(t *testing.T) {
	t.Parallel()
	s := twin.NewStore(clock.New())
	require.NoError(t, s.Create(device, twin.Initial{Tags: raw(`{"n":{"a":"x"}}`)}))
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			own := iot.Device(fmt.Sprintf("own%d", w))
			for range 50 {
				assert.NoError(t, s.Create(own, twin.Initial{}))
				_, err := s.PatchReported(device, []byte(`{"n":{"w":1}}`), 0)
				assert.NoError(t, err)
				page := s.Next(twin.Devices, 0, make([]twin.Snapshot, 0, 10))
				assert.GreaterOrEqual(t, len(page), 2)
				for i := range page {
					assert.True(t, json.Valid(page[i].Reported().AppendJSON(nil)))
				}
				s.Delete(own)
			}
		})
	}
	all.Wait()
}

func TestControlCharactersAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	nothing := `"` + strings.Repeat(`\u0001`, twin.MaxValueLength) + `"`
	var err error
	for i := 0; err == nil; i++ {
		require.Less(t, i, 100, "they count nothing, but take memory")
		_, err = s.PatchReported(device, fmt.Appendf(nil, `{"m%d":%s}`, i, nothing), 0)
	}
	require.ErrorIs(t, err, iot.ErrEntityTooLarge)
}
