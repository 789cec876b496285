package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// options are the command line.
type options struct {
	hub      string
	config   string
	duration time.Duration
	every    time.Duration
	devices  int
	interval time.Duration
	spell    time.Duration
	// tolerance is how far memory, goroutines and descriptors may be at the end from
	// where they were, as a share.
	tolerance float64
	settling  time.Duration // how long what is under way at the end may take to arrive
	json      string
	svg       string
	out       io.Writer // samples and faults as they come
}

// address is the hub's.
const address = "127.0.0.61"

// soak is one run.
type soak struct {
	o       options
	hub     *harness.Hub
	ledger  *ledger
	devices []*account
	lives   []*life
	samples []sample
}

// run puts the hub under load and returns what came of it. When ctx ends before
// that, the hub is stopped all the same.
func run(ctx context.Context, o options) (r *report, err error) {
	s := &soak{o: o, ledger: newLedger(o.out)}
	var args []string
	if o.config != "" {
		args = []string{"--config", o.config}
	}
	if s.hub, err = harness.Launch(harness.Options{Address: address, Args: args}); err != nil {
		return nil, err
	}
	defer func() {
		if stopped := s.hub.Stop(); err == nil {
			err = stopped
		}
	}()
	if err := s.register(); err != nil {
		return nil, err
	}
	reading, stopReading := context.WithCancel(context.Background())
	defer stopReading()
	readers := s.startReaders(reading)
	go s.ledger.watch(reading)

	working, stopWorking := context.WithTimeout(ctx, o.duration)
	defer stopWorking()
	sampling := make(chan error, 1)
	go func() { sampling <- s.sample(working) }()
	s.work(working)
	if err := errors.Join(<-sampling, ctx.Err()); err != nil {
		return nil, err
	}
	s.awaitSettled()
	stopReading()
	readers.Wait()
	if err := s.backEnd().twins(); err != nil {
		return nil, err
	}
	for _, d := range s.lives {
		d.drop()
	}
	return s.report(), nil
}

// register makes the devices.
func (s *soak) register() error {
	s.lives, s.devices = make([]*life, s.o.devices), make([]*account, s.o.devices)
	failures := make(chan error, s.o.devices)
	var all sync.WaitGroup
	for w := range registrars {
		all.Go(func() {
			for i := w; i < s.o.devices; i += registrars {
				who, err := s.hub.Register(fmt.Sprintf("soak-%05d", i), "")
				if err != nil {
					failures <- err
					return
				}
				s.devices[i] = s.ledger.open(who.DeviceID)
				s.lives[i] = newLife(s, i, who, s.devices[i])
			}
		})
	}
	all.Wait()
	close(failures)
	return <-failures
}

// registrars is how many register devices beside each other.
const registrars = 8

func (s *soak) backEnd() *backEnd {
	return &backEnd{hub: s.hub, ledger: s.ledger, devices: s.devices}
}

// startReaders has events and feedback read until ctx ends.
func (s *soak) startReaders(ctx context.Context) *sync.WaitGroup {
	var all sync.WaitGroup
	for partition := range partitions {
		all.Go(func() { s.readOverAMQP(ctx, partition) })
	}
	all.Go(func() { s.readOverHTTP(ctx) })
	all.Go(func() { s.backEnd().feedback(ctx, s.o.spell) })
	return &all
}

// work has devices and back ends do what they do until ctx ends, and returns when
// nothing more is begun. The devices stay connected.
func (s *soak) work(ctx context.Context) {
	var all sync.WaitGroup
	for i, d := range s.lives {
		all.Go(func() {
			// They do not come all at once.
			begin := time.NewTimer(s.o.interval * time.Duration(i) / time.Duration(len(s.lives)))
			defer begin.Stop()
			select {
			case <-begin.C:
			case <-ctx.Done():
			}
			d.run(ctx)
		})
	}
	b := s.backEnd()
	n := float64(len(s.lives))
	all.Go(func() {
		if err := b.send(ctx, n/100); err != nil {
			s.ledger.fault("messages to devices: %v", err)
		}
	})
	all.Go(func() { b.every(ctx, n/100, 16, b.invoke) })
	all.Go(func() { b.every(ctx, n/100, 8, b.desire) })
	all.Go(func() { b.comeAndGo(ctx, n/500) })
	all.Wait()
}

// machineOf is what the figures were taken on.
func machineOf() string {
	return fmt.Sprintf("%d cores, %s", runtime.NumCPU(), runtime.Version())
}
