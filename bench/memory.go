package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/linarite/linarite/bench/machine"
)

// settle is how long connections are left alone before memory is read.
const settle = 3 * time.Second

// memory is clients that are connected, subscribed and silent.
type memory struct {
	devices          int
	waves            int // how often all of them connect anew
	settled, revived bound
}

// memory measures what brokers grow by for each device, in kilobytes. What they
// keep about it counts too, so the hub's share has the registered device and its
// twin.
func (c *contest) memory(m memory) error {
	f, waves := figures{}, m.waves
	for i, b := range c.brokers {
		if i > 1 {
			m.waves = 0 // which take stock mochi a minute
		}
		if err := m.run(b, f); err != nil {
			return fmt.Errorf("memory: %s: %w", b.name(), err)
		}
	}
	c.report.add(fmt.Sprintf("memory of an idle device, %d", m.devices), "kB", f["settled"], m.settled)
	if waves > 0 {
		c.report.add(fmt.Sprintf("the same after %d waves of reconnects", waves), "kB", f["revived"], m.revived)
	}
	return nil
}

func (m memory) run(b broker, f figures) (err error) {
	if err := b.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	before, err := machine.ResidentMemory(b.pid())
	if err != nil {
		return err
	}
	logins, err := b.logins(m.devices)
	if err != nil {
		return err
	}
	for wave := range m.waves + 1 {
		devices, err := enlist(b, logins)
		if err != nil {
			return err
		}
		<-time.After(settle)
		after, err := machine.ResidentMemory(b.pid())
		if err != nil {
			return err
		}
		switch each := float64(after-before) / 1000 / float64(m.devices); wave {
		case 0:
			f.add("settled", b, each)
		case m.waves:
			f.add("revived", b, each)
		}
		if err := dismiss(devices); err != nil {
			return err
		}
	}
	return nil
}
