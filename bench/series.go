package main

import (
	"cmp"
	"slices"
)

// series is a figure measured round by round.
type series []float64

// spread is what came of a series.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func (s series) spread() spread {
	if len(s) == 0 {
		return spread{}
	}
	return spread{Median: median(s), Low: slices.Min(s), High: slices.Max(s)}
}

// median is the middle one, the upper of two.
func median[T cmp.Ordered](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// over divides round by round.
func (s series) over(other series) series {
	var quotients series
	for i := range min(len(s), len(other)) {
		quotients = append(quotients, s[i]/other[i])
	}
	return quotients
}

// bound is what a figure must keep, and what we are after; 0 is neither.
type bound struct {
	must, goal float64
	absolute   bool // of the hub's own figure, rather than of its ratio to Mosquitto's
	ceiling    bool // at most, rather than at least
}

// keeps says whether v is on the right side of limit.
func (b bound) keeps(v, limit float64) bool {
	if limit == 0 {
		return true
	}
	if b.ceiling {
		return v <= limit
	}
	return v >= limit
}

// of writes a limit, or nothing when there is none.
func (b bound) of(limit float64, unit string) string {
	if limit == 0 {
		return ""
	}
	sign := "≥ "
	if b.ceiling {
		sign = "≤ "
	}
	if b.absolute {
		return sign + figure(limit) + " " + unit
	}
	return sign + decimals(limit) + "×"
}
