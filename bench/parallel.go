package main

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// parallel calls do for 0 to n-1 from several workers. The first error ends it.
func parallel(workers, n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	var running sync.WaitGroup
	failures := make([]error, workers)
	for w := range failures {
		running.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if failures[w] = do(i); failures[w] != nil {
					failed.Store(true)
				}
			}
		})
	}
	running.Wait()
	return errors.Join(failures...)
}

// retry calls do every half millisecond until it succeeds.
func retry(limit time.Duration, do func() error) error {
	deadline := time.After(limit)
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		}
	}
}
