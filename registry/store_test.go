package registry_test

import (
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newStore() (*registry.Store, *clock.Clock) {
	clk := clock.NewManual(start)
	return registry.NewStore(clk), clk
}

func create(t *testing.T, s *registry.Store, d registry.Device) registry.Device {
	t.Helper()
	created, err := s.Create(d)
	require.NoError(t, err)
	return created
}

// requireError checks an error's code and its whole text.
func requireError(t *testing.T, err error, want *iot.Error, text string) {
	t.Helper()
	require.ErrorIs(t, err, want)
	var got *iot.Error
	require.ErrorAs(t, err, &got)
	require.Equal(t, text, got.Message)
}

// counter is the number in an ETag.
func counter(t require.TestingT, etag string) int64 {
	raw, err := base64.StdEncoding.DecodeString(etag)
	require.NoError(t, err)
	n, err := strconv.ParseInt(string(raw), 10, 64)
	require.NoError(t, err)
	return n
}

func TestNewDeviceHasDefaults(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	d := create(t, s, registry.Device{
		ID: "d", GenerationID: "mine", ETag: "mine", StatusUpdated: start,
	})
	assert.Equal(t, registry.Enabled, d.Status)
	assert.True(t, d.StatusUpdated.IsZero())
	assert.Equal(t, "639079632000000000", d.GenerationID)
	assert.Len(t, strconv.FormatInt(counter(t, d.ETag), 10), 9)
	assert.Equal(t, iot.AuthenticationSAS, d.Authentication.Type)
	assert.Empty(t, d.DeviceScope)

	read, err := s.Device("d")
	require.NoError(t, err)
	assert.Equal(t, d, read)
}

func TestDeviceIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		device registry.Device
		text   string
	}{
		{"without an id", registry.Device{}, "The device identifier  is invalid."},
		{"with a slash in its id", registry.Device{ID: "a/b"}, "The device identifier a/b is invalid."},
		{
			"with an unknown status",
			registry.Device{ID: "d", Status: "off"},
			"'off' is not a status: it must be enabled or disabled.",
		},
		{
			"with a status reason that is too long",
			registry.Device{ID: "d", StatusReason: strings.Repeat("é", 129)},
			"The status reason has 129 characters, more than 128.",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore()
			_, err := s.Create(tt.device)
			requireError(t, err, iot.ErrArgumentInvalid, tt.text)
			_, err = s.Update(tt.device, "*")
			requireError(t, err, iot.ErrArgumentInvalid, tt.text)
		})
	}
}

func TestStatusIsComparedWithoutCase(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	assert.Equal(t, registry.Disabled, create(t, s, registry.Device{ID: "d", Status: "Disabled"}).Status)
}

func TestStatusReasonMayHave128Characters(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	reason := strings.Repeat("é", 128)
	assert.Equal(t, reason, create(t, s, registry.Device{ID: "d", StatusReason: reason}).StatusReason)
}

func TestDeviceIsCreatedOnce(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "x"})
	_, err := s.Create(registry.Device{ID: "x"})
	requireError(t, err, iot.ErrDeviceExists, "A device with ID 'x' is already registered.")
	create(t, s, registry.Device{ID: "X"}) // ids are case-sensitive
}

func TestUnknownDeviceIsNotFound(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	_, err := s.Device("ghost")
	requireError(t, err, iot.ErrDeviceNotFound, "ghost")
	_, err = s.Update(registry.Device{ID: "ghost"}, "*")
	requireError(t, err, iot.ErrDeviceNotFound, "ghost")
	requireError(t, s.Delete("ghost", "*"), iot.ErrDeviceNotFound, "ghost")
	_, err = s.Generation(iot.Device("ghost"))
	requireError(t, err, iot.ErrDeviceNotFound, "ghost")
}

func TestUpdateCountsItsETagUpAndKeepsTheGeneration(t *testing.T) {
	t.Parallel()
	s, clk := newStore()
	first := create(t, s, registry.Device{ID: "d"})
	create(t, s, registry.Device{ID: "other"})
	clk.Advance(time.Minute)
	second, err := s.Update(registry.Device{ID: "d", GenerationID: "mine", ETag: "mine"}, first.ETag)
	require.NoError(t, err)
	assert.Equal(t, counter(t, first.ETag)+1, counter(t, second.ETag))
	assert.Equal(t, first.GenerationID, second.GenerationID)
}

func TestConditions(t *testing.T) {
	t.Parallel()
	const stale = "MTIzNDU2Nzg5" // 123456789
	tests := []struct {
		name    string
		ifMatch func(etag string) string
		text    string // with {v} for the version; empty when the condition holds
	}{
		{"a star", func(string) string { return "*" }, ""},
		{"a quoted star", func(string) string { return `"*"` }, ""},
		{"empty quotes", func(string) string { return `""` }, ""},
		{"the etag", func(e string) string { return e }, ""},
		{"the etag in quotes", func(e string) string { return `"` + e + `"` }, ""},
		{"no condition", func(string) string { return "" }, "Etag missing"},
		{
			"another version", func(string) string { return stale },
			"Precondition failed: Device version did not match, existingVersion:{v} newVersion:123456789",
		},
		{
			"another version in quotes", func(string) string { return `"` + stale + `"` },
			"Precondition failed: Device version did not match, existingVersion:{v} newVersion:123456789",
		},
		{
			"an etag of another kind", func(string) string { return "AAAAAAAAAAE=" },
			"PreconditionFailed, ETag may be invalid.",
		},
		{
			"no base64", func(string) string { return "hello world" },
			"PreconditionFailed, ETag may be invalid.",
		},
		{"one quote", func(string) string { return `"` }, "PreconditionFailed, ETag may be invalid."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore()
			d := create(t, s, registry.Device{ID: "d"})
			m, err := s.CreateModule(registry.Module{DeviceID: "d", ID: "m"})
			require.NoError(t, err)
			check := func(err error, etag string) {
				t.Helper()
				if tt.text == "" {
					require.NoError(t, err)
					return
				}
				v := strconv.FormatInt(counter(t, etag), 10)
				requireError(t, err, iot.ErrPreconditionFailed, strings.Replace(tt.text, "{v}", v, 1))
			}
			updated, err := s.UpdateModule(m, tt.ifMatch(m.ETag))
			check(err, m.ETag)
			if err == nil {
				m = updated
			}
			check(s.DeleteModule("d", "m", tt.ifMatch(m.ETag)), m.ETag)
			changed, err := s.Update(d, tt.ifMatch(d.ETag))
			check(err, d.ETag)
			if err == nil {
				d = changed
			}
			check(s.Delete("d", tt.ifMatch(d.ETag)), d.ETag)
		})
	}
}

func TestStatusUpdatedMovesOnlyWithTheStatus(t *testing.T) {
	t.Parallel()
	s, clk := newStore()
	d := create(t, s, registry.Device{ID: "d"})
	update := func(change func(*registry.Device)) registry.Device {
		t.Helper()
		clk.Advance(time.Minute)
		change(&d)
		next, err := s.Update(d, "*")
		require.NoError(t, err)
		return next
	}
	same := update(func(d *registry.Device) { d.StatusReason = "looked at" })
	assert.True(t, same.StatusUpdated.IsZero())
	assert.Equal(t, "looked at", same.StatusReason)

	off := update(func(d *registry.Device) { d.Status = registry.Disabled })
	assert.Equal(t, start.Add(2*time.Minute), off.StatusUpdated)

	still := update(func(*registry.Device) {})
	assert.Equal(t, start.Add(2*time.Minute), still.StatusUpdated)

	on := update(func(d *registry.Device) { d.Status = "" })
	assert.Equal(t, registry.Enabled, on.Status)
	assert.Equal(t, start.Add(4*time.Minute), on.StatusUpdated)
}

func TestStatisticsFollowTheDevices(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	stands := func(total, enabled, disabled int) {
		t.Helper()
		a, b, c := s.Statistics()
		assert.Equal(t, []int{total, enabled, disabled}, []int{a, b, c})
	}
	stands(0, 0, 0)
	create(t, s, registry.Device{ID: "a"})
	b := create(t, s, registry.Device{ID: "b", Status: registry.Disabled})
	stands(2, 1, 1)
	b.Status = registry.Enabled
	_, err := s.Update(b, "*")
	require.NoError(t, err)
	stands(2, 2, 0)
	_, err = s.Update(registry.Device{ID: "a", Status: registry.Disabled}, "*")
	require.NoError(t, err)
	stands(2, 1, 1)
	require.NoError(t, s.Delete("a", "*"))
	stands(1, 1, 0)
	s.Clear()
	stands(0, 0, 0)
}

func TestDevicesAreListedInTheOrderOfTheirRegistration(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	ids := func(top int) []string {
		list := []string{}
		for _, d := range s.Devices(top) {
			list = append(list, d.ID)
		}
		return list
	}
	for _, id := range []string{"c", "a", "d", "b"} {
		create(t, s, registry.Device{ID: id})
	}
	assert.Equal(t, []string{"c", "a", "d", "b"}, ids(1000))
	assert.Equal(t, []string{"c", "a"}, ids(2))
	assert.Empty(t, ids(0))
	assert.Empty(t, ids(-1))

	require.NoError(t, s.Delete("a", "*")) // in the middle
	assert.Equal(t, []string{"c", "d", "b"}, ids(9))
	require.NoError(t, s.Delete("c", "*")) // at the start
	require.NoError(t, s.Delete("b", "*")) // at the end
	create(t, s, registry.Device{ID: "a"})
	assert.Equal(t, []string{"d", "a"}, ids(9))
	s.Clear()
	assert.Empty(t, ids(9))
	create(t, s, registry.Device{ID: "e"})
	assert.Equal(t, []string{"e"}, ids(9))
}

func TestGenerationsAndETagsAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	s, clk := newStore()
	seen := map[string]bool{}
	newest := int64(0)
	add := func() {
		t.Helper()
		d := create(t, s, registry.Device{ID: "d"})
		m, err := s.CreateModule(registry.Module{DeviceID: "d", ID: "m"})
		require.NoError(t, err)
		for _, s := range []string{d.ETag, m.ETag, d.GenerationID, m.GenerationID} {
			require.False(t, seen[s], "given twice: %s", s)
			seen[s] = true
		}
		n, err := strconv.ParseInt(d.GenerationID, 10, 64)
		require.NoError(t, err)
		require.Greater(t, n, newest)
		newest = n
	}
	for range 20 { // the clock stands
		add()
		require.NoError(t, s.Delete("d", "*"))
	}
	clk.Advance(time.Hour)
	add()
	clk.Rewind()
	s.Clear()
	add()
}

func TestCallersCannotReachIntoTheStore(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	parent := create(t, s, registry.Device{ID: "p", IoTEdge: true}).DeviceScope
	given := registry.Device{ID: "d", IoTEdge: true, ParentScopes: []string{parent}}
	created := create(t, s, given)
	given.ParentScopes[0] = "given"
	created.ParentScopes[0] = "created"
	s.Devices(2)[1].ParentScopes[0] = "listed"
	read, err := s.Device("d")
	require.NoError(t, err)
	assert.Equal(t, []string{parent}, read.ParentScopes)
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			own := "d" + strconv.Itoa(n)
			for range 50 {
				_, err := s.Create(registry.Device{ID: own})
				assert.NoError(t, err)
				_, err = s.CreateModule(registry.Module{DeviceID: own, ID: "m"})
				assert.NoError(t, err)
				_, err = s.Update(registry.Device{ID: own, Status: registry.Disabled}, "*")
				assert.NoError(t, err)
				for _, d := range s.Devices(10) {
					_, _ = s.Authentication(iot.Module(d.ID, "m"))
					_, _ = s.Modules(d.ID)
				}
				assert.NoError(t, s.Delete(own, "*"))
			}
		})
	}
	wg.Wait()
	total, _, disabled := s.Statistics()
	assert.Zero(t, total)
	assert.Zero(t, disabled)
}
