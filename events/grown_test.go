package events_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
)

func TestGrownTellsOfItsOwnPartitionOnly(t *testing.T) {
	t.Parallel()
	l := events.NewLog(clock.New(), events.Options{Partitions: 4})
	grown := make([]<-chan struct{}, 4)
	for i := range grown {
		grown[i] = l.Grown(i)
	}
	p, _ := l.Append("d", events.Event{})
	for i, ch := range grown {
		select {
		case <-ch:
			assert.Equal(t, p, i)
		default:
			assert.NotEqual(t, p, i)
		}
	}
}
