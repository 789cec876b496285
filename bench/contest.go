package main

import (
	"errors"
	"fmt"
	"slices"
)

// contest measures brokers side by side.
type contest struct {
	brokers []broker // the hub first
	rounds  int
	report  *report
	scratch string // folder
}

// compare has all brokers running, with n clients known to each, and measures
// each once a round: in turn, then the other way round (ABBA), so that what
// changes on the machine meanwhile touches all alike.
func (c *contest) compare(n int, measure func(b broker, logins []login) error) (err error) {
	logins := map[broker][]login{}
	for _, b := range c.brokers {
		if err := b.start(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.stop()) }()
		if logins[b], err = b.logins(n); err != nil {
			return err
		}
	}
	order := slices.Clone(c.brokers)
	for range c.rounds {
		for _, b := range order {
			if err := measure(b, logins[b]); err != nil {
				return fmt.Errorf("%s: %w", b.name(), err)
			}
		}
		slices.Reverse(order)
	}
	return nil
}

// figures are series by figure and broker.
type figures map[string]map[string]series

func (f figures) add(figure string, b broker, v float64) {
	if f[figure] == nil {
		f[figure] = map[string]series{}
	}
	f[figure][b.name()] = append(f[figure][b.name()], v)
}
