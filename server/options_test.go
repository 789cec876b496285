package server_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/server"
)

func TestOptionsThatAreGood(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]server.Options{
		"none at all":            {},
		"every interface":        {MQTT: ":8883", HTTPS: "0.0.0.0:443", Control: "[::]:8080"},
		"names":                  {Hostnames: []string{"my-hub.example", "my_hub", "10.0.0.1", "::1"}, ControlHosts: []string{"linarite"}},
		"a name as address":      {MQTT: "localhost:0"},
		"an address with a zone": {MQTT: "[fe80::1%eth0]:8883"},
		"the most partitions":    {Partitions: server.MaxPartitions},
		"no grace":               {SASGrace: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.NoError(t, o.Check())
		})
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options server.Options
		because string
	}{
		"an address without port":       {server.Options{MQTT: "127.0.0.1"}, `mqtt "127.0.0.1": must be host:port`},
		"a port that is a name":         {server.Options{HTTPS: "127.0.0.1:https"}, `port "https": must be a number`},
		"a port that is too high":       {server.Options{Control: ":65536"}, "must be a number up to 65535"},
		"an address with a bad host":    {server.Options{Control: "a b:1"}, "must be a host name or an IP address"},
		"a host name with a port":       {server.Options{Hostnames: []string{"hub:443"}}, `host name "hub:443"`},
		"a host name that is a URL":     {server.Options{Hostnames: []string{"https://hub"}}, "without port"},
		"an empty host name":            {server.Options{Hostnames: []string{""}}, "must be a host name"},
		"a host name with a zone":       {server.Options{Hostnames: []string{"fe80::1%eth0"}}, "must be a host name"},
		"a host name that ends in dots": {server.Options{Hostnames: []string{"hub."}}, "must be a host name"},
		"a label that is too long":      {server.Options{Hostnames: []string{strings.Repeat("x", 64)}}, "must be a host name"},
		"a bad control host":            {server.Options{ControlHosts: []string{"-x"}}, `host name "-x"`},
		"a bad name":                    {server.Options{Name: "my hub"}, "letters, digits and hyphens"},
		"a name that is too long":       {server.Options{Name: strings.Repeat("x", 51)}, "1 to 50"},
		"a certificate without a key":   {server.Options{TLSCert: "x.pem"}, "go together"},
		"a key without a certificate":   {server.Options{TLSKey: "x.pem"}, "go together"},
		"too many partitions":           {server.Options{Partitions: 33}, "must be 1 to 32"},
		"fewer partitions than none":    {server.Options{Partitions: -1}, "must be 1 to 32"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.ErrorContains(t, c.options.Check(), c.because)
			s, err := server.Start(c.options)
			assert.Nil(t, s)
			assert.ErrorContains(t, err, c.because)
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	machine, err := os.Hostname()
	require.NoError(t, err)
	always := []string{"localhost", "::1", machine}

	names := server.Names(server.Options{})
	assert.Equal(t, "127.0.0.1", names[0])
	assert.Subset(t, names, always)

	names = server.Names(server.Options{
		Hostnames: []string{"hub.example", "LOCALHOST"}, MQTT: "10.0.0.1:8883", HTTPS: "[2001:db8::1]:443", Control: "10.0.0.2:80",
	})
	assert.Equal(t, []string{"hub.example", "LOCALHOST", "127.0.0.1", "::1"}, names[:4])
	assert.Subset(t, names, []string{machine, "10.0.0.1", "2001:db8::1"})
	assert.NotContains(t, names, "localhost", "each once, whatever its case")
	assert.NotContains(t, names, "10.0.0.2", "no client of the hub's comes by the control port")

	names = server.Names(server.Options{MQTT: "0.0.0.0:8883", HTTPS: ":443"})
	assert.NotContains(t, names, "0.0.0.0")
	assert.NotContains(t, names, "")
}
