package auth

import (
	"sync"
	"time"
)

// sightings remembers how far the hub's clock had been advanced when a token
// was first seen, so that its remaining life is taken from the machine's time
// once and runs on the hub's clock from then on. It is a map of two
// generations: when the recent one is full it becomes the older one, whose
// entries are forgotten unless they are asked for in the meantime. A token that
// was forgotten is seen for the first time again.
type sightings struct {
	limit int // entries of a generation

	mu     sync.Mutex
	recent map[uint64]sighting
	older  map[uint64]sighting
}

// sighting is the first sight of a token.
type sighting struct {
	offset time.Duration // of the hub's clock
	second int64         // of the machine's, Unix time
}

func newSightings(limit int) *sightings {
	return &sightings{limit: limit, recent: map[uint64]sighting{}}
}

// first is the clock's offset at the first sight of a token, now's if this is it.
func (s *sightings) first(token uint64, now sighting) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, ok := s.recent[token]
	if ok {
		return seen.offset
	}
	if seen, ok = s.older[token]; !ok {
		seen = now
	}
	s.remember(token, seen)
	return seen.offset
}

// signedAnew is first for tokens that are signed for each request: what two
// requests sign within a second of the machine's time is one and the same token,
// so one that is seen again within that second is taken as new.
func (s *sightings) signedAnew(token uint64, now sighting) time.Duration {
	s.mu.Lock()
	if seen, ok := s.recent[token]; ok && seen.second == now.second {
		s.recent[token] = now
	}
	s.mu.Unlock()
	return s.first(token, now)
}

// remember adds a sighting. The caller holds mu.
func (s *sightings) remember(token uint64, seen sighting) {
	if len(s.recent) >= s.limit {
		s.older, s.recent = s.recent, make(map[uint64]sighting)
	}
	s.recent[token] = seen
}
