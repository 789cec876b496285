package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestASmallHeapIsCollectedLessOften(t *testing.T) {
	for live, percent := range map[uint64]int{
		0: 400, 1 << 20: 400, 8 << 20: 400, 9 << 20: 350, 16 << 20: 200, 32 << 20: 100, 64 << 20: 50, 1 << 30: 50,
	} {
		assert.Equal(t, percent, percentFor(live), "%d live bytes", live)
	}
}

func TestUnusedMemoryIsReturnedWhenItIsMuch(t *testing.T) {
	assert.False(t, worthReturning(0, 16<<20))
	assert.True(t, worthReturning(0, 16<<20+1))
	assert.False(t, worthReturning(1<<30, 128<<20))
	assert.True(t, worthReturning(1<<30, 129<<20))
}
