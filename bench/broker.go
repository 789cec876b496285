package main

import (
	"crypto/tls"
	"os/exec"
)

// broker is a program under load.
type broker interface {
	name() string
	// start runs the broker and returns when it takes connections.
	start() error
	// stop ends it; it is an error when it does not end cleanly.
	stop() error
	// pid is its process, while it runs.
	pid() int
	// addr is where it speaks MQTT over TLS.
	addr() string
	// tls is what a client trusts, once it has started.
	tls() *tls.Config
	// logins makes n clients known to it.
	logins(n int) ([]login, error)
	// fresh is the command of a first start, with nothing kept from before in
	// dir, and a client that it will let in.
	fresh(dir string) (*exec.Cmd, login, error)
}

// Names of the brokers, in the order of the report's columns.
const (
	nameLinarite  = "linarite"
	nameMosquitto = "mosquitto"
	nameMochi     = "mochi"
)

// login is how a client enters a broker, and the topic it publishes to.
type login struct {
	clientID string
	userName string // "" for neither name nor password
	password string
	topic    string
}
