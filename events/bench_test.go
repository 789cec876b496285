package events_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// telemetry is an ordinary message of a few hundred bytes.
func telemetry() iot.Message {
	return iot.Message{
		System:     iot.Properties{{Name: iot.MessageID, Value: "1"}, {Name: iot.ContentType, Value: "application/json"}},
		Properties: iot.Properties{{Name: "alert", Value: "false"}},
		Body:       make([]byte, 200),
	}
}

func BenchmarkAppend(b *testing.B) {
	clk := clock.New()
	log := events.NewLog(clk, events.Options{MaxEvents: 100_000})
	e := events.Event{Enqueued: clk.Now(), Source: "Telemetry", Message: telemetry()}
	b.ReportAllocs()
	for b.Loop() {
		log.Append("device-0017", e)
	}
}

func BenchmarkAppendFromManyConnections(b *testing.B) {
	clk := clock.New()
	log := events.NewLog(clk, events.Options{MaxEvents: 100_000})
	e := events.Event{Enqueued: clk.Now(), Source: "Telemetry", Message: telemetry()}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			log.Append("device-0017", e)
		}
	})
}

// BenchmarkAppendWithReaders has readers that read as fast as they can and wait
// when they have read everything.
func BenchmarkAppendWithReaders(b *testing.B) {
	for _, readers := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(readers), func(b *testing.B) {
			clk := clock.New()
			log := events.NewLog(clk, events.Options{MaxEvents: 100_000})
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for i := range readers {
				wg.Go(func() { follow(ctx, log, i%log.Partitions()) })
			}
			e := events.Event{Enqueued: clk.Now(), Source: "Telemetry", Message: telemetry()}
			b.ReportAllocs()
			for b.Loop() {
				log.Append("device-0017", e)
			}
			b.StopTimer()
			cancel()
			wg.Wait()
		})
	}
}

func follow(ctx context.Context, log *events.Log, partition int) {
	for next := int64(0); log.Wait(ctx, partition, next) == nil; {
		_, next = log.Read(partition, next, 100)
	}
}

func BenchmarkRead(b *testing.B) {
	log := filled(100_000)
	b.Run("one partition", func(b *testing.B) {
		b.ReportAllocs()
		next := int64(0)
		for b.Loop() {
			var evs []events.Event
			if evs, next = log.Read(0, next, 100); len(evs) == 0 {
				next = 0
			}
		}
	})
	b.Run("all partitions", func(b *testing.B) {
		b.ReportAllocs()
		next := log.Start()
		for b.Loop() {
			var evs []events.Event
			if evs, next = log.ReadAll(next, 100); len(evs) == 0 {
				next = log.Start()
			}
		}
	})
}

// filled is a log of n events of many devices.
func filled(n int) *events.Log {
	log := events.NewLog(clock.New(), events.Options{})
	for i := range n {
		log.Append(fmt.Sprint("device-", i%1000), events.Event{Source: "Telemetry", Message: telemetry()})
	}
	return log
}
