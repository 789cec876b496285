package twin_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// newBench is a store with a twin of the size real ones have.
func newBench(b *testing.B) *twin.Store {
	b.Helper()
	s := twin.NewStore(clock.New())
	err := s.Create(device, twin.Initial{
		Desired: raw(`{"interval":60,"firmware":{"channel":"stable","version":"1.2.3"}}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	patch(b, s, `{"battery":97,"location":{"lat":48.137,"lon":11.576},"firmware":{"version":"1.2.3","ok":true},"uptime":1}`)
	return s
}

func patch(b *testing.B, s *twin.Store, p string) {
	if _, err := s.PatchReported(device, []byte(p), 0); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPatchReported(b *testing.B) {
	s := newBench(b)
	patches := make([]string, 64)
	for n := range patches {
		patches[n] = `{"battery":` + strconv.Itoa(n) + `,"location":{"lat":48.1,"lon":11.` + strconv.Itoa(n) + `}}`
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		patch(b, s, patches[n%len(patches)])
	}
}

func BenchmarkDeviceView(b *testing.B) {
	look := func(b *testing.B, s *twin.Store) {
		if _, err := s.DeviceView(device); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("unchanged", func(b *testing.B) {
		s := newBench(b)
		b.ReportAllocs()
		for b.Loop() {
			look(b, s)
		}
	})
	b.Run("after a patch", func(b *testing.B) {
		s := newBench(b)
		b.ReportAllocs()
		for b.Loop() {
			patch(b, s, `{"uptime":2}`)
			look(b, s)
		}
	})
}

func BenchmarkTwin(b *testing.B) {
	s := newBench(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Twin(device); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	s := twin.NewStore(clock.New())
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if err := s.Create(iot.Device(strconv.Itoa(n)), twin.Initial{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPatchOfManyNewMembers is the largest patch there can be: as many new
// members as a section has room for.
func BenchmarkPatchOfManyNewMembers(b *testing.B) {
	p := manyMembers(false)
	b.ReportAllocs()
	for b.Loop() {
		s := twin.NewStore(clock.New())
		if err := s.Create(device, twin.Initial{}); err != nil {
			b.Fatal(err)
		}
		patch(b, s, p)
	}
}

// BenchmarkPatchOfManyInAnotherOrder writes them all again, the last one first.
func BenchmarkPatchOfManyInAnotherOrder(b *testing.B) {
	s := twin.NewStore(clock.New())
	if err := s.Create(device, twin.Initial{}); err != nil {
		b.Fatal(err)
	}
	patches := []string{manyMembers(false), manyMembers(true)}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		patch(b, s, patches[n%2])
	}
}

// manyMembers is an object of as many members as a section has room for, in their
// order or the other way round.
func manyMembers(reversed bool) string {
	var members []string
	for r := rune(0x4e00); r < 0x4e00+20_000; r++ {
		members = append(members, `"`+string(r)+`":""`)
	}
	if reversed {
		slices.Reverse(members)
	}
	return "{" + strings.Join(members, ",") + "}"
}
