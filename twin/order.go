package twin

import (
	"slices"

	"github.com/linarite/linarite/iot"
)

// order is the twins in the order in which they were made. Each has a place,
// which no other ever has, so that whoever reads on from a place misses and
// repeats nothing that stayed.
type order struct {
	places []place // rising
	gone   int     // how many of them are empty
	last   int64
}

type place struct {
	number int64
	record *record // nil when it is gone
}

// ordered is the order that the identity's twin is in. The caller holds mu.
func (s *Store) ordered(id iot.Identity) *order {
	if id.IsModule() {
		return &s.inOrder[1]
	}
	return &s.inOrder[0]
}

func (o *order) add(r *record) {
	o.last++
	r.place = o.last
	o.places = append(o.places, place{r.place, r})
}

func (o *order) remove(r *record) {
	const few = 64
	o.places[o.behind(r.place-1)].record = nil
	o.gone++
	if o.gone > few && o.gone > len(o.places)/2 {
		o.places = slices.DeleteFunc(o.places, func(p place) bool { return p.record == nil })
		o.gone = 0
	}
}

// behind is the index of the first place behind a number.
func (o *order) behind(number int64) int {
	i, _ := slices.BinarySearchFunc(o.places, number+1, func(p place, n int64) int {
		return int(p.number - n)
	})
	return i
}
