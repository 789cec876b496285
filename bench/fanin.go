package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// fanIn is cloud-to-device messages sent by some back ends to some devices, which
// complete each.
type fanIn struct {
	backEnds, devices int
	messages          int // in each round
}

// fanIn runs on the hub and reports how many arrive in a second.
func (c *contest) fanIn(l *linarite, f fanIn) (err error) {
	if err := l.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	logins, err := l.logins(f.devices)
	if err != nil {
		return err
	}
	devices, err := enlist(l, logins)
	if err != nil {
		return err
	}
	completed := make(chan struct{}, f.messages)
	for _, d := range devices {
		go d.complete(completed)
	}
	var rates series
	for range c.rounds {
		rate, err := f.round(l.hub, devices, completed)
		if err != nil {
			return errors.Join(err, dismiss(devices))
		}
		rates = append(rates, rate)
	}
	name := fmt.Sprintf("cloud to device, %d back ends, %d devices", f.backEnds, f.devices)
	c.report.addOwn(name, "msg/s", rates, bound{})
	return dismiss(devices)
}

// round sends and waits until everything is completed.
func (f fanIn) round(hub *harness.Hub, devices []*device, completed <-chan struct{}) (float64, error) {
	began := time.Now()
	err := parallel(f.backEnds, f.messages, func(i int) error {
		return hub.Enqueue(devices[i%len(devices)].clientID, harness.CloudMessage{Body: strconv.Itoa(i)})
	})
	if err != nil {
		return 0, err
	}
	late := time.After(ioTimeout)
	for i := range f.messages {
		select {
		case <-completed:
		case <-late:
			return 0, fmt.Errorf("%d of %d messages arrived", i, f.messages)
		}
	}
	return float64(f.messages) / time.Since(began).Seconds(), nil
}

// complete acknowledges every message until the connection ends.
func (d *device) complete(completed chan<- struct{}) {
	for {
		_, id, _, err := d.message()
		if err != nil || d.acknowledge(id) != nil {
			return
		}
		completed <- struct{}{}
	}
}
