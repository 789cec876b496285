package twin_test

import (
	"encoding/json"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

var (
	start  = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)
	device = iot.Device("d")
	module = iot.Module("d", "m")
)

// newStore is a store with the empty twin of device, on a clock that stands.
func newStore(t *testing.T) (*twin.Store, *clock.Clock) {
	t.Helper()
	clk := clock.NewManual(start)
	s := twin.NewStore(clk)
	require.NoError(t, s.Create(device, twin.Initial{}))
	return s, clk
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// requireError checks an error's code and its whole text.
func requireError(t *testing.T, err error, want *iot.Error, text string) {
	t.Helper()
	require.ErrorIs(t, err, want)
	var got *iot.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, text, got.Message)
}

func view(t *testing.T, s *twin.Store, id iot.Identity) string {
	t.Helper()
	b, err := s.DeviceView(id)
	require.NoError(t, err)
	return string(b)
}

func read(t *testing.T, s *twin.Store, id iot.Identity) twin.Twin {
	t.Helper()
	tw, err := s.Twin(id)
	require.NoError(t, err)
	return tw
}

func TestNewTwinOfADevice(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	assert.Equal(t, twin.Twin{
		ETag:     "AAAAAAAAAAE=",
		Version:  2,
		Desired:  raw(`{"$metadata":{"$lastUpdated":"2026-03-01T12:00:00.1234567Z"},"$version":1}`),
		Reported: raw(`{"$metadata":{"$lastUpdated":"2026-03-01T12:00:00.1234567Z"},"$version":1}`),
	}, read(t, s, device))
	assert.Equal(t, `{"desired":{"$version":1},"reported":{"$version":1}}`, view(t, s, device))
}

func TestNewTwinOfAModuleWasNeverUpdated(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	require.NoError(t, s.Create(module, twin.Initial{}))
	const fresh = `{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1}`
	assert.Equal(t, twin.Twin{
		ETag: "AAAAAAAAAAE=", Version: 2, Desired: raw(fresh), Reported: raw(fresh),
	}, read(t, s, module))
}

func TestTwinMayStartWithTagsAndDesiredProperties(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	id := iot.Device("seeded")
	require.NoError(t, s.Create(id, twin.Initial{
		Tags:    raw(`{"site":"here","nothing":null}`),
		Desired: raw(`{"on":true,"$version":9}`),
	}))
	got := read(t, s, id)
	assert.Equal(t, "AAAAAAAAAAE=", got.ETag)
	assert.Equal(t, int64(2), got.Version)
	assert.Equal(t, `{"site":"here"}`, string(got.Tags))
	assert.Equal(t, `{"on":true,"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z","$lastUpdatedVersion":1,`+
		`"on":{"$lastUpdated":"0001-01-01T00:00:00Z","$lastUpdatedVersion":1}},"$version":1}`, string(got.Desired))
	assert.Equal(t, `{"$metadata":{"$lastUpdated":"2026-03-01T12:00:00.1234567Z"},"$version":1}`, string(got.Reported))
}

func TestTwinOfAModuleMayStartWithDesiredProperties(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	id := iot.Module("d1", "seeded")
	require.NoError(t, s.Create(id, twin.Initial{Desired: raw(`{"on":true}`)}))
	const written = `"$lastUpdated":"2026-03-01T12:00:00.1234567Z","$lastUpdatedVersion":1`
	got := read(t, s, id)
	assert.Equal(t, `{"on":true,"$metadata":{`+written+`,"on":{`+written+`}},"$version":1}`, string(got.Desired))
	assert.Equal(t, `{"$metadata":{`+written+`},"$version":1}`, string(got.Reported))
}

func TestTimesHaveNoZerosAtTheirEnd(t *testing.T) {
	t.Parallel()
	for at, want := range map[time.Duration]string{
		0:                       "2026-03-01T12:00:00.1234567Z",
		-567 * time.Microsecond: "2026-03-01T12:00:00.1228897Z",
		3300 * time.Nanosecond:  "2026-03-01T12:00:00.12346Z",
		-123456700:              "2026-03-01T12:00:00Z",
	} {
		s := twin.NewStore(clock.NewManual(start.Add(at)))
		require.NoError(t, s.Create(device, twin.Initial{}))
		assert.Equal(t, `{"$metadata":{"$lastUpdated":"`+want+`"},"$version":1}`, string(read(t, s, device).Reported))
	}
}

func TestTwinThatMayNotStart(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	tests := []struct {
		name string
		id   iot.Identity
		init twin.Initial
		want *iot.Error
	}{
		{"with tags that are no object", iot.Device("x"), twin.Initial{Tags: raw(`[]`)}, iot.ErrArgumentInvalid},
		{"with bad desired properties", iot.Device("x"), twin.Initial{Desired: raw(`{"$a":1}`)}, iot.ErrArgumentInvalid},
		{"with too many tags", iot.Device("x"), twin.Initial{Tags: raw(filled(twin.MaxTagsSize + 1))}, iot.ErrEntityTooLarge},
		{
			"with too many desired properties", iot.Device("x"),
			twin.Initial{Desired: raw(filled(twin.MaxPropertiesSize + 1))},
			iot.ErrEntityTooLarge,
		},
		{"a second time", device, twin.Initial{}, iot.ErrDeviceExists},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, s.Create(tt.id, tt.init), tt.want)
			if tt.id != device {
				_, err := s.Twin(tt.id)
				require.ErrorIs(t, err, iot.ErrDeviceNotFound)
			}
		})
	}
	require.NoError(t, s.Create(module, twin.Initial{}))
	require.ErrorIs(t, s.Create(module, twin.Initial{}), iot.ErrModuleExists)
}

func TestMissingTwinIsADeviceNotFound(t *testing.T) {
	t.Parallel()
	for _, id := range []iot.Identity{iot.Device("ghost"), iot.Module("d", "ghost")} {
		t.Run(id.String(), func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			_, err := s.Twin(id)
			requireError(t, err, iot.ErrDeviceNotFound, id.String())
			_, err = s.DeviceView(id)
			requireError(t, err, iot.ErrDeviceNotFound, id.String())
			_, err = s.Patch(id, twin.Update{}, "")
			requireError(t, err, iot.ErrDeviceNotFound, id.String())
			_, err = s.Replace(id, twin.Update{}, "*")
			requireError(t, err, iot.ErrDeviceNotFound, id.String())
			_, err = s.PatchReported(id, []byte(`{}`), 0)
			requireError(t, err, iot.ErrDeviceNotFound, id.String())
			s.SetModel(id, "dtmi:x;1")
			s.Delete(id)
		})
	}
}

func TestDeletedDeviceTakesItsModulesAlong(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	one, two, other := iot.Module("d", "1"), iot.Module("d", "2"), iot.Module("e", "1")
	for _, id := range []iot.Identity{one, two, other} {
		require.NoError(t, s.Create(id, twin.Initial{}))
	}
	gone := func(id iot.Identity) {
		t.Helper()
		_, err := s.Twin(id)
		require.ErrorIs(t, err, iot.ErrDeviceNotFound)
	}
	s.Delete(one)
	gone(one)
	read(t, s, two)
	read(t, s, device)

	s.Delete(device)
	gone(two)
	gone(device)
	read(t, s, other)

	require.NoError(t, s.Create(device, twin.Initial{}))
	gone(two)
	s.Clear()
	gone(device)
	gone(other)
	require.NoError(t, s.Create(other, twin.Initial{}))
}

func TestModelIsKeptAndMovesNoVersion(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	want := read(t, s, device)
	want.ModelID = "dtmi:com:example:Thermostat;1"
	s.SetModel(device, want.ModelID)
	assert.Equal(t, want, read(t, s, device))
}

func TestVersionsAndETag(t *testing.T) {
	t.Parallel()
	type counters struct {
		etag              string
		version           int64
		desired, reported int64
	}
	tests := []struct {
		name string
		do   func(*twin.Store) error
		want counters
	}{
		{"a write of tags", func(s *twin.Store) error {
			_, err := s.Patch(device, twin.Update{Tags: raw(`{"a":1}`)}, "")
			return err
		}, counters{"AAAAAAAAAAI=", 3, 1, 1}},
		{"a write of desired properties", func(s *twin.Store) error {
			_, err := s.Patch(device, twin.Update{Desired: raw(`{"a":1}`)}, "")
			return err
		}, counters{"AAAAAAAAAAI=", 3, 2, 1}},
		{"a write of both", func(s *twin.Store) error {
			_, err := s.Patch(device, twin.Update{Tags: raw(`{}`), Desired: raw(`{}`)}, "")
			return err
		}, counters{"AAAAAAAAAAI=", 3, 2, 1}},
		{"a write of nothing", func(s *twin.Store) error {
			_, err := s.Patch(device, twin.Update{Tags: raw(`null`)}, "")
			return err
		}, counters{"AAAAAAAAAAE=", 2, 1, 1}},
		{"a write of reported properties", func(s *twin.Store) error {
			_, err := s.PatchReported(device, []byte(`{}`), 0)
			return err
		}, counters{"AAAAAAAAAAE=", 3, 1, 2}},
		{"a replacement of everything", func(s *twin.Store) error {
			_, err := s.Replace(device, twin.Update{Tags: raw(`{}`), Desired: raw(`{}`)}, "")
			return err
		}, counters{"AAAAAAAAAAI=", 3, 2, 1}},
		{"a replacement without desired properties where there are none", func(s *twin.Store) error {
			_, err := s.Replace(device, twin.Update{}, "")
			return err
		}, counters{"AAAAAAAAAAI=", 3, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t)
			require.NoError(t, tt.do(s))
			got := read(t, s, device)
			assert.Equal(t, tt.want, counters{got.ETag, got.Version, version(t, got.Desired), version(t, got.Reported)})
		})
	}
}

func version(t *testing.T, section json.RawMessage) int64 {
	t.Helper()
	var v struct {
		Version int64 `json:"$version"`
	}
	require.NoError(t, json.Unmarshal(section, &v))
	return v.Version
}

func TestConditions(t *testing.T) {
	t.Parallel()
	const mismatch = "ETag mismatch for device ID 'd'"
	tests := []struct{ name, ifMatch, text string }{
		{"none", "", ""},
		{"a star", "*", ""},
		{"a quoted star", `"*"`, ""},
		{"empty quotes", `""`, ""},
		{"the etag", "AAAAAAAAAAE=", ""},
		{"the etag in quotes", `"AAAAAAAAAAE="`, ""},
		{"another etag", `"AAAAAAAAAAI="`, mismatch},
		{"no etag at all", "x", mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, id := range []iot.Identity{device, module} {
				patched, _ := newStore(t)
				replaced, _ := newStore(t)
				require.NoError(t, patched.Create(module, twin.Initial{}))
				require.NoError(t, replaced.Create(module, twin.Initial{}))
				before := read(t, patched, id)
				_, patchErr := patched.Patch(id, twin.Update{Tags: raw(`{}`)}, tt.ifMatch)
				_, replaceErr := replaced.Replace(id, twin.Update{}, tt.ifMatch)
				if tt.text == "" {
					require.NoError(t, patchErr)
					require.NoError(t, replaceErr)
					continue
				}
				requireError(t, patchErr, iot.ErrPreconditionFailed, tt.text)
				requireError(t, replaceErr, iot.ErrPreconditionFailed, tt.text)
				assert.Equal(t, before, read(t, patched, id))
				assert.Equal(t, before, read(t, replaced, id))
			}
		})
	}
}

func TestDeviceViewFollowsTheTwin(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	view(t, s, device)
	_, err := s.PatchReported(device, []byte(`{"r":1}`), 0)
	require.NoError(t, err)
	for range 2 {
		assert.Equal(t, `{"desired":{"$version":1},"reported":{"r":1,"$version":2}}`, view(t, s, device))
	}

	_, err = s.Patch(device, twin.Update{Tags: raw(`{"secret":1}`), Desired: raw(`{"d":{"e":[1]}}`)}, "")
	require.NoError(t, err)
	first := view(t, s, device)
	assert.Equal(t, `{"desired":{"d":{"e":[1]},"$version":2},"reported":{"r":1,"$version":2}}`, first)

	_, err = s.Replace(device, twin.Update{}, "")
	require.NoError(t, err)
	assert.Equal(t, `{"desired":{"$version":3},"reported":{"r":1,"$version":2}}`, view(t, s, device))
	assert.Contains(t, first, `"e":[1]`, "a view that was handed out stays as it was")
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	const writers, writes = 4, 100
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			own := iot.Module("d", strconv.Itoa(w))
			assert.NoError(t, s.Create(own, twin.Initial{}))
			for range writes {
				_, err := s.PatchReported(device, []byte(`{"n":{"`+own.ModuleID+`":1}}`), 0)
				assert.NoError(t, err)
				_, err = s.Patch(device, twin.Update{Desired: raw(`{"a":null}`)}, "")
				assert.NoError(t, err)
				_, err = s.Twin(own)
				assert.NoError(t, err)
				b, err := s.DeviceView(device)
				assert.NoError(t, err)
				assert.True(t, json.Valid(b))
			}
			s.Delete(own)
		})
	}
	wg.Wait()
	got := read(t, s, device)
	assert.Equal(t, int64(1+writers*writes), version(t, got.Desired))
	assert.Equal(t, int64(1+writers*writes), version(t, got.Reported))
}

// Not parallel: it measures the heap.
func TestIdleTwinsAreCheap(t *testing.T) {
	const count = 10_000
	s := twin.NewStore(clock.NewManual(start))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range count {
		require.NoError(t, s.Create(iot.Device("device-"+strconv.Itoa(n)), twin.Initial{}))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / count
	t.Logf("%d bytes each", each)
	assert.Less(t, each, int64(512))
	runtime.KeepAlive(s)
}
