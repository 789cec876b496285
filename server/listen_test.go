package server_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/server"
)

// machine is one on which addresses can be had, or not for a reason.
type machine struct {
	refused map[string]error
	open    map[string]bool
}

func newMachine(refused map[string]error) *machine {
	return &machine{refused: refused, open: map[string]bool{}}
}

func (m *machine) listen(_, addr string) (net.Listener, error) {
	if err := m.refused[addr]; err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", err)}
	}
	m.open[addr] = true
	return door{m, addr}, nil
}

type door struct {
	m    *machine
	addr string
}

func (d door) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (d door) Close() error              { d.m.open[d.addr] = false; return nil }
func (d door) Addr() net.Addr            { return d }
func (d door) Network() string           { return "tcp" }
func (d door) String() string            { return d.addr }

func TestTheDefaultPorts(t *testing.T) {
	t.Parallel()
	addrs, err := server.Bind(server.Options{}, newMachine(nil).listen)
	require.NoError(t, err)
	assert.Equal(t, []string{"127.0.0.1:8883", "127.0.0.1:443", "127.0.0.1:5671", "127.0.0.1:8080"}, addrs)
}

func TestPortsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options server.Options
		refused map[string]error
		because []string
	}{
		"the default port of MQTT is in use": {
			server.Options{},
			map[string]error{"127.0.0.1:8883": syscall.EADDRINUSE},
			[]string{"mqtt: port 8883 on 127.0.0.1 is in use", "--mqtt"},
		},
		"port 443 is in use": {
			server.Options{},
			map[string]error{"127.0.0.1:443": syscall.EADDRINUSE},
			[]string{"https: port 443 on 127.0.0.1 is in use", "--https"},
		},
		"the control port is in use on all interfaces": {
			server.Options{Control: ":80"},
			map[string]error{":80": syscall.EADDRINUSE},
			[]string{"control: port 80 on all interfaces is in use", "--control"},
		},
		"port 443 was asked for and needs privilege": {
			server.Options{HTTPS: "127.0.0.1:443"},
			map[string]error{"127.0.0.1:443": syscall.EACCES},
			[]string{"https: port 443 on 127.0.0.1 needs privilege", "--https"},
		},
		"the port to fall back to is in use": {
			server.Options{},
			map[string]error{"127.0.0.1:443": syscall.EACCES, "127.0.0.1:8443": syscall.EADDRINUSE},
			[]string{"https: port 8443 on 127.0.0.1 is in use"},
		},
		"the address is not the machine's": {
			server.Options{MQTT: "192.0.2.1:8883"},
			map[string]error{"192.0.2.1:8883": syscall.EADDRNOTAVAIL},
			[]string{"mqtt: cannot listen on port 8883 of 192.0.2.1", "--mqtt"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(c.refused)
			_, err := server.Bind(c.options, m.listen)
			for _, text := range c.because {
				assert.ErrorContains(t, err, text)
			}
			for addr, open := range m.open {
				assert.False(t, open, "%s was left open", addr)
			}
			var cause syscall.Errno
			assert.True(t, errors.As(err, &cause))
		})
	}
}

func TestWithoutPrivilegeTheDefaultFallsBack(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m := newMachine(map[string]error{"127.0.0.1:443": syscall.EACCES})
	addrs, err := server.Bind(server.Options{Log: zerolog.New(&log)}, m.listen)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8443", addrs[1])
	assert.Contains(t, log.String(), `"level":"warn"`)
	assert.Contains(t, log.String(), "port 443 needs privilege")
	assert.Contains(t, log.String(), `"remedy":"`)
}

func TestAStartThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())

	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	_, err = server.Start(server.Options{MQTT: addr, HTTPS: "127.0.0.1:0", AMQPS: "127.0.0.1:0", Control: taken.Addr().String()})
	assert.ErrorContains(t, err, "control: port "+port+" on 127.0.0.1 is in use")
	_, err = server.Start(server.Options{
		MQTT: addr, HTTPS: "127.0.0.1:0", AMQPS: "127.0.0.1:0", Control: "127.0.0.1:0", TLSCert: "nowhere.pem", TLSKey: "nowhere.pem",
	})
	assert.ErrorContains(t, err, "nowhere.pem")

	again, err := net.Listen("tcp", addr)
	require.NoError(t, err, "the port is free again")
	require.NoError(t, again.Close())
}
