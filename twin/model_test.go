package twin_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// model is a twin by its definition: sections are JSON values, a patch is
// RFC 7396's, metadata are a tree of stamps beside the values.
type model struct {
	store *twin.Store
	clock *clock.Clock

	etag, version         uint64
	etags                 []string
	tags                  map[string]any
	desired, reported     map[string]any
	desiredV, reportedV   int64
	desiredAt, reportedAt map[string]any // $metadata
}

func newModel(t require.TestingT) *model {
	m := &model{
		clock: clock.NewManual(start), etag: 1, version: 2, desiredV: 1, reportedV: 1,
		tags: map[string]any{}, desired: map[string]any{}, reported: map[string]any{},
	}
	m.store = twin.NewStore(m.clock)
	require.NoError(t, m.store.Create(device, twin.Initial{}))
	m.desiredAt, m.reportedAt = m.stamp(0), m.stamp(0)
	return m
}

// stamp is the metadata of a value written now; version 0 has none.
func (m *model) stamp(version int64) map[string]any {
	s := map[string]any{"$lastUpdated": m.clock.Now().UTC().Format("2006-01-02T15:04:05.9999999Z")}
	if version > 0 {
		s["$lastUpdatedVersion"] = json.Number(fmt.Sprint(version))
	}
	return s
}

// restamp writes the metadata of a patch: every member it names is stamped, what
// it removes goes, and an object in the place of another value starts anew.
func (m *model) restamp(at, value, patch map[string]any, version int64) map[string]any {
	for name, member := range m.stamp(version) {
		at[name] = member
	}
	for name, member := range patch {
		inner, isObject := member.(map[string]any)
		had, wasObject := value[name].(map[string]any)
		switch {
		case member == nil:
			delete(at, name)
		case !isObject:
			at[name] = m.stamp(version)
		case wasObject:
			at[name] = m.restamp(at[name].(map[string]any), had, inner, version)
		default:
			at[name] = m.restamp(map[string]any{}, map[string]any{}, inner, version)
		}
	}
	return at
}

// section is a section with its metadata, as back ends see it.
func section(values, at map[string]any, version int64) map[string]any {
	whole := map[string]any{"$metadata": at, "$version": json.Number(fmt.Sprint(version))}
	for name, value := range values {
		whole[name] = value
	}
	return whole
}

// anyPatch is a patch of few names, sometimes one that breaks a rule.
func anyPatch(t *rapid.T) (patch []byte, good bool) {
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
		return []byte(rapid.SampledFrom([]string{
			`{"a":{"b.c":1}}`, `{"a":[null]}`, `{"$a":1}`, `{"a":4503599627370496}`, `[]`, `{"a":`, `{"a":"` + strings.Repeat("x", twin.MaxValueLength+1) + `"}`,
			strings.Repeat(`{"a":`, 12) + `1` + strings.Repeat(`}`, 12),
		}).Draw(t, "bad")), false
	}
	seed := rapid.Uint64().Draw(t, "seed")
	return []byte(generator{rand.New(rand.NewPCG(seed, 1))}.object(3)), true
}

// decoded is a patch as a value; a bad one has no value.
func decoded(patch []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(patch))
	d.UseNumber()
	var v map[string]any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// stripped is a section or a notification without what is the hub's.
func stripped(section []byte) map[string]any {
	v := decoded(section)
	delete(v, "$version")
	return v
}

// member is a member of an object, as JSON.
func member(object []byte, name string) []byte {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(object, &all) // what is not there is nothing
	return all[name]
}

// etagOf is the ETag of a twin that was written so often.
func etagOf(n uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, n))
}

func (m *model) ifMatch(t *rapid.T) string {
	forms := []string{"", "", "*", `"*"`}
	for _, etag := range m.etags[max(0, len(m.etags)-2):] {
		forms = append(forms, etag, `"`+etag+`"`)
	}
	return rapid.SampledFrom(forms).Draw(t, "if-match")
}

// took says whether the store did a write, and asserts that it did what was good
// and refused what was not. A section may have become too large.
func took(t *rapid.T, err error, good, holds bool) bool {
	if errors.Is(err, iot.ErrEntityTooLarge) {
		return false
	}
	require.Equal(t, good && holds, err == nil, "%v", err)
	if err != nil && good {
		require.ErrorIs(t, err, iot.ErrPreconditionFailed)
	}
	return err == nil
}

// holds says whether a condition holds.
func (m *model) holds(ifMatch string) bool {
	return slices.Contains([]string{"", "*", `"*"`, m.current(), `"` + m.current() + `"`}, ifMatch)
}

// current is the twin's ETag as the model has it.
func (m *model) current() string { return etagOf(m.etag) }

func (m *model) written() {
	m.etag++
	m.version++
	m.etags = append(m.etags, m.current())
}

func (m *model) patch(t *rapid.T) {
	u, ifMatch := twin.Update{}, m.ifMatch(t)
	goodTags, goodDesired := true, true
	if rapid.Bool().Draw(t, "tags") {
		u.Tags, goodTags = anyPatch(t)
	}
	if rapid.Bool().Draw(t, "desired") {
		u.Desired, goodDesired = anyPatch(t)
	}
	checked := m.store.Check(device, u)
	c, err := m.store.Patch(device, u, ifMatch)
	if !took(t, err, goodTags && goodDesired, m.holds(ifMatch)) {
		require.True(t, checked != nil || errors.Is(err, iot.ErrPreconditionFailed))
		return
	}
	require.NoError(t, checked)
	if u.IsEmpty() {
		return
	}
	m.written()
	m.tags = mergePatch(m.tags, orEmpty(u.Tags)).(map[string]any)
	if u.Desired == nil {
		require.Nil(t, c.Notification)
		return
	}
	m.desiredV++
	require.Equal(t, decoded(u.Desired), stripped(c.Notification), "a device is told what was asked")
	m.desiredAt = m.restamp(m.desiredAt, m.desired, decoded(u.Desired), m.desiredV)
	m.desired = mergePatch(m.desired, decoded(u.Desired)).(map[string]any)
}

// orEmpty is a patch as a value; one that is absent changes nothing.
func orEmpty(patch []byte) map[string]any {
	if patch == nil {
		return map[string]any{}
	}
	return decoded(patch)
}

func (m *model) replace(t *rapid.T) {
	tags, goodTags := anyPatch(t)
	desired, goodDesired := anyPatch(t)
	ifMatch := m.ifMatch(t)
	_, err := m.store.Replace(device, twin.Update{Tags: tags, Desired: desired}, ifMatch)
	if !took(t, err, goodTags && goodDesired, m.holds(ifMatch)) {
		return
	}
	m.written()
	m.tags = mergePatch(nil, decoded(tags)).(map[string]any)
	m.desiredV++
	m.desiredAt = m.restamp(map[string]any{}, map[string]any{}, decoded(desired), m.desiredV)
	m.desired = mergePatch(nil, decoded(desired)).(map[string]any)
}

func (m *model) report(t *rapid.T) {
	patch, good := anyPatch(t)
	expected := rapid.SampledFrom([]int64{0, m.reportedV, m.reportedV + 1}).Draw(t, "version")
	v, err := m.store.PatchReported(device, patch, expected)
	if !took(t, err, good, expected <= m.reportedV) {
		return
	}
	m.version++
	m.reportedV++
	require.Equal(t, m.reportedV, v)
	m.reportedAt = m.restamp(m.reportedAt, m.reported, decoded(patch), 0)
	m.reported = mergePatch(m.reported, decoded(patch)).(map[string]any)
}

// check holds the twin against the model: values, metadata, versions, ETag, and
// what the device sees.
func (m *model) check(t *rapid.T) {
	got, err := m.store.Twin(device)
	require.NoError(t, err)
	require.Equal(t, m.current(), got.ETag)
	require.Equal(t, int64(m.version), got.Version)
	require.Equal(t, len(m.tags) == 0, got.Tags == nil)
	if got.Tags != nil {
		require.Equal(t, m.tags, decoded(got.Tags))
	}
	require.Equal(t, section(m.desired, m.desiredAt, m.desiredV), decoded(got.Desired))
	require.Equal(t, section(m.reported, m.reportedAt, m.reportedV), decoded(got.Reported))
	view, err := m.store.DeviceView(device)
	require.NoError(t, err)
	require.Equal(t, m.desired, stripped(member(view, "desired")))
	require.Equal(t, m.reported, stripped(member(view, "reported")))
	m.clock.Advance(time.Millisecond)
}

// Any sequence of patches, replacements and reports makes the twin that the
// definition of a merge patch makes, with the metadata that go with it.
func TestTheTwinDoesWhatItsModelDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){"": m.check, "patch": m.patch, "replace": m.replace, "report": m.report})
	})
}

// Back ends count together under ETags while a device reports: nobody's step may
// be lost, and no report touches the ETag.
func TestNoPatchIsLostToAnotherWriter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		writers := rapid.IntRange(2, 6).Draw(t, "writers")
		steps := rapid.IntRange(1, 10).Draw(t, "steps")
		reports := rapid.IntRange(0, 20).Draw(t, "reports")
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range steps {
					step(t, m.store)
				}
			})
		}
		all.Go(func() {
			for n := range reports {
				_, err := m.store.PatchReported(device, fmt.Appendf(nil, `{"n":%d}`, n), 0)
				assert.NoError(t, err)
			}
		})
		all.Wait()
		got, err := m.store.Twin(device)
		require.NoError(t, err)
		total := writers * steps
		require.Equal(t, json.Number(fmt.Sprint(total)), decoded(got.Desired)["count"])
		require.Equal(t, etagOf(uint64(1+total)), got.ETag)
		require.Equal(t, int64(2+total+reports), got.Version)
	})
}

// step counts one further.
func step(t *rapid.T, s *twin.Store) {
	for {
		got, err := s.Twin(device)
		assert.NoError(t, err)
		count, _ := decoded(got.Desired)["count"].(json.Number)
		n, _ := count.Int64()
		runtime.Gosched() // lets others write in between
		_, err = s.Patch(device, twin.Update{Desired: fmt.Appendf(nil, `{"count":%d}`, n+1)}, got.ETag)
		switch {
		case err == nil:
			return
		case !errors.Is(err, iot.ErrPreconditionFailed):
			assert.NoError(t, err)
			return
		}
	}
}
