package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"syscall"

	"github.com/rs/zerolog"
)

// doors are the sockets of a server.
type doors struct {
	mqtt, https, amqps, control net.Listener
	amqp                        net.Listener // nil: not asked for
}

// bind opens all sockets or none. listen is net.Listen, but for tests.
func bind(o Options, listen func(network, address string) (net.Listener, error)) (d doors, err error) {
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	open := func(what, addr, otherwise string) (net.Listener, error) {
		if addr == "" {
			addr = otherwise
		}
		ln, err := listen("tcp", addr)
		if err != nil {
			return nil, explain(what, addr, err)
		}
		return ln, nil
	}
	if d.mqtt, err = open("mqtt", o.MQTT, DefaultMQTT); err != nil {
		return d, err
	}
	if d.https, err = open("https", o.HTTPS, DefaultHTTPS); err != nil {
		if o.HTTPS != "" || !denied(err) {
			return d, err
		}
		if d.https, err = open("https", FallbackHTTPS, ""); err != nil {
			return d, err
		}
		warnFallback(o.Log)
	}
	if d.amqps, err = open("amqps", o.AMQPS, DefaultAMQPS); err != nil {
		return d, err
	}
	if o.AMQP != "" {
		if d.amqp, err = open("amqp", o.AMQP, ""); err != nil {
			return d, err
		}
	}
	d.control, err = open("control", o.Control, DefaultControl)
	return d, err
}

// guarded is the doors with a gate before each.
func (d doors) guarded(o Options) doors {
	b, c := o.bounds(), newCrowd()
	secure := func(ln net.Listener, door string) net.Listener {
		g := newGate(ln, door, b, c, o.Log)
		g.handshake = maxHandshake
		return g
	}
	guarded := doors{
		mqtt:    secure(d.mqtt, "mqtt"),
		https:   secure(d.https, "https"),
		amqps:   secure(d.amqps, "amqps"),
		control: newGate(d.control, "control", b, c, o.Log),
	}
	if d.amqp != nil {
		guarded.amqp = newGate(d.amqp, "amqp", b, c, o.Log)
	}
	return guarded
}

func (d doors) close() {
	for _, ln := range []net.Listener{d.mqtt, d.https, d.amqps, d.amqp, d.control} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// explain says which port cannot be had, why, and what to do about it.
func explain(what, addr string, err error) error {
	host, port, _ := net.SplitHostPort(addr)
	if host == "" {
		host = "all interfaces"
	}
	switch {
	case inUse(err):
		return fmt.Errorf("%s: port %s on %s is in use: stop the program that has it, or choose another with --%s: %w",
			what, port, host, what, err)
	case denied(err):
		return fmt.Errorf("%s: port %s on %s needs privilege: %s, or choose another with --%s: %w",
			what, port, host, remedy(), what, err)
	}
	return fmt.Errorf("%s: cannot listen on port %s of %s: choose another address with --%s: %w", what, port, host, what, err)
}

func warnFallback(log zerolog.Logger) {
	log.Warn().Str("https", FallbackHTTPS).Str("remedy", remedy()).
		Msg("port 443 needs privilege, so HTTPS and WebSocket are on 8443: SDKs that have 443 hard-coded " +
			"cannot reach the service API, nor MQTT over WebSocket")
}

// remedy is the one line that lets this program have ports below 1024.
func remedy() string {
	program, err := os.Executable()
	if err != nil {
		program = "linarite"
	}
	if runtime.GOOS == "linux" {
		return "sudo setcap cap_net_bind_service=+ep " + program
	}
	return "run it with sudo"
}

// What Windows calls a port that is in use, and one that may not be had.
const (
	windowsInUse  = syscall.Errno(10048) // WSAEADDRINUSE
	windowsDenied = syscall.Errno(10013) // WSAEACCES
)

func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || runtime.GOOS == "windows" && errors.Is(err, windowsInUse)
}

func denied(err error) bool {
	return errors.Is(err, fs.ErrPermission) || runtime.GOOS == "windows" && errors.Is(err, windowsDenied)
}
