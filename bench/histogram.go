package main

import (
	"math/bits"
	"time"
)

// A histogram's buckets: 16 for each power of two, so that a value is known to
// within 6 %.
const (
	subBits = 4
	buckets = (65 - subBits) << subBits
)

// histogram counts durations.
type histogram struct {
	counts [buckets]uint32
	total  uint64
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucket(uint64(max(0, d)))]++
	h.total++
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// quantile is the duration that a share q of all does not exceed, as if those in a
// bucket were spread evenly over it.
func (h *histogram) quantile(q float64) time.Duration {
	wanted := uint64(q * float64(h.total))
	var before uint64
	for i, n := range h.counts {
		if before+uint64(n) > wanted {
			start, share := bucketStart(i), float64(wanted-before)/float64(n)
			return time.Duration(float64(start) + share*float64(bucketStart(i+1)-start))
		}
		before += uint64(n)
	}
	return 0
}

// bucket is exact below 32 ns and takes the five highest bits above.
func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-subBits-1)
	return shift<<subBits + int(v>>shift)
}

// bucketStart is the least value of a bucket.
func bucketStart(i int) uint64 {
	if i < 2<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	return uint64(i-shift<<subBits) << shift
}
