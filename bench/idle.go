package main

import (
	"errors"
	"time"
)

// settle is how long connections are left alone before memory is read.
const settle = 3 * time.Second

// idleMemory starts a broker and returns what it grows by for each of n clients
// that are connected and silent, in bytes. What it keeps about a client counts
// too, so the hub's share includes a registered device.
func idleMemory(b broker, n int) (bytes float64, err error) {
	if err := b.start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	before, err := residentMemory(b.pid())
	if err != nil {
		return 0, err
	}
	logins, err := b.logins(n)
	if err != nil {
		return 0, err
	}
	conns, err := connectAll(b, logins)
	if err != nil {
		return 0, err
	}
	<-time.After(settle)
	after, err := residentMemory(b.pid())
	if err != nil {
		return 0, err
	}
	return float64(after-before) / float64(n), leaveAll(conns)
}
