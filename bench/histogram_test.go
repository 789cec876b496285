package main

import (
	"testing"
	"time"
)

func TestBucketsAreInOrderAndSixteenToAPowerOfTwo(t *testing.T) {
	t.Parallel()
	for i := 1; i < buckets; i++ {
		if bucketStart(i) <= bucketStart(i-1) {
			t.Fatalf("bucket %d starts at %d, the one before at %d", i, bucketStart(i), bucketStart(i-1))
		}
		if got := bucket(bucketStart(i)); got != i {
			t.Fatalf("the start of bucket %d is in bucket %d", i, got)
		}
		if got := bucket(bucketStart(i) - 1); got != i-1 {
			t.Fatalf("the end of bucket %d is in bucket %d", i-1, got)
		}
	}
	if got := bucket(1<<64 - 1); got != buckets-1 {
		t.Fatalf("the greatest value is in bucket %d of %d", got, buckets)
	}
}

func TestQuantilesOfWhatIsSpreadEvenlyAreWithinOnePercent(t *testing.T) {
	t.Parallel()
	var a, b histogram
	for i := 1; i <= 500; i++ {
		a.record(time.Duration(i) * time.Microsecond)
		b.record(time.Duration(i+500) * time.Microsecond)
	}
	a.merge(&b)
	for q, want := range map[float64]float64{0: 1, 0.5: 501, 0.99: 991} {
		got := float64(a.quantile(q).Nanoseconds()) / 1000
		if got > want*1.01 || got < want*0.94 && q == 0 || got < want*0.99 && q > 0 {
			t.Errorf("quantile %v is %v µs, not %v µs", q, got, want)
		}
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("nothing has the quantile %v", got)
	}
}
