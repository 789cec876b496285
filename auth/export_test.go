package auth

import "time"

// Sightings opens the memory of tokens to the tests, which need a small one.
type Sightings struct{ s *sightings }

func NewSightings(limit int) Sightings { return Sightings{newSightings(limit)} }

func (s Sightings) First(token uint64, now time.Duration) time.Duration {
	return s.s.first(token, sighting{offset: now})
}

func (s Sightings) Len() int { return len(s.s.recent) + len(s.s.older) }
