package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// linarite is the hub with its default flags. Each client is a device of its
// own, registered through the service API, with a SAS token of its own key.
type linarite struct {
	label   string
	address string
	crowd   int // how many more devices it has, which never connect
	hub     *harness.Hub
}

// newLinarite is the hub of a binary.
func newLinarite(binary string) (*linarite, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	if err := os.Setenv("LINARITE_BIN", path); err != nil {
		return nil, err
	}
	_, err = harness.Binary()
	return &linarite{label: nameLinarite, address: linariteAddress}, err
}

func (l *linarite) name() string     { return l.label }
func (l *linarite) addr() string     { return l.address + ":" + harness.MQTTPort }
func (l *linarite) tls() *tls.Config { return l.hub.TLS() }
func (l *linarite) pid() int         { return l.hub.PID() }
func (l *linarite) stop() error      { return l.hub.Stop() }

func (l *linarite) start() (err error) {
	l.hub, err = harness.Launch(harness.Options{Address: l.address})
	return err
}

func (l *linarite) logins(n int) ([]login, error) {
	if err := l.register(l.crowd); err != nil {
		return nil, err
	}
	all := make([]login, n)
	err := parallel(8, n, func(i int) error {
		device, err := l.hub.Register(fmt.Sprintf("bench-%05d", i), "")
		all[i] = deviceLogin(device)
		return err
	})
	return all, err
}

// register makes devices known that will never come.
func (l *linarite) register(n int) error {
	return parallel(8, n, func(i int) error {
		_, err := l.hub.Register(fmt.Sprintf("crowd-%06d", i), "")
		return err
	})
}

// fresh lets an unknown device in, since nobody is there yet to register one.
func (l *linarite) fresh(dir string) (*exec.Cmd, login, error) {
	device := harness.Identity{Host: l.address, DeviceID: "first", Key: harness.WellKnownKey}
	command, err := harness.Command(harness.Options{
		Address: l.address, Data: dir, Args: []string{"--auto-create"},
	})
	return command, deviceLogin(device), err
}

func deviceLogin(device harness.Identity) login {
	return login{
		clientID: device.ClientID(),
		userName: device.UserName(),
		password: device.Token(time.Hour),
		topic:    telemetryTopic(device.DeviceID),
	}
}

// telemetryTopic is about 70 bytes with three properties, as devices send.
func telemetryTopic(device string) string {
	return "devices/" + device + "/messages/events/%24.mid=0123456789&temperature=21.5&room=7"
}
