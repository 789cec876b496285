package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/monitoring"
)

// Where a server listens unless told otherwise: on loopback, because the owner
// key is public, and on the ports that the SDKs have hard-coded.
const (
	DefaultMQTT    = "127.0.0.1:8883"
	DefaultHTTPS   = "127.0.0.1:443"
	DefaultAMQPS   = "127.0.0.1:5671"
	DefaultControl = "127.0.0.1:8080"

	// FallbackHTTPS takes the place of DefaultHTTPS, but not of an address that
	// was asked for, where the program may not have port 443.
	FallbackHTTPS = "127.0.0.1:8443"
)

// DefaultHostname is the hub's name in connection strings: an address, because
// the Java and C SDKs refuse a name without a dot.
const DefaultHostname = "127.0.0.1"

// MaxConnections is the most that MaxPerAddress and MaxStrangers can be set to by
// a flag or a file, which is more than any machine has.
const MaxConnections = 1_000_000

// MaxPartitions is the most partitions a hub may have.
const MaxPartitions = 32

// Options sets a server up. The zero value is a hub named linarite on the
// default ports, with a CA that is forgotten with the process.
type Options struct {
	Name      string   // the hub's short name; default "linarite"
	Hostnames []string // the hub's names, without port; default DefaultHostname

	MQTT    string // host:port for MQTT over TLS; default DefaultMQTT
	HTTPS   string // host:port for REST and WebSocket; default DefaultHTTPS, or FallbackHTTPS
	AMQPS   string // host:port for AMQP over TLS; default DefaultAMQPS
	AMQP    string // host:port for AMQP without TLS, for UseDevelopmentEmulator=true; default: none
	Control string // host:port of the control API, plain HTTP; default DefaultControl

	ControlHosts []string // further names the control API answers to

	// MaxPerAddress is how many connections there may be from one address, on all
	// ports together; default DefaultMaxPerAddress, negative: any number.
	MaxPerAddress int
	// MaxStrangers is how many connections there may be on each port whose client
	// has not shown yet who it is; the oldest have to leave for new ones. Default
	// DefaultMaxStrangers, negative: any number.
	MaxStrangers int

	DataDir         string // where the CA is kept; default: in memory
	TLSCert, TLSKey string // PEM files of a certificate of your own, and no CA

	SASGrace   time.Duration // default hub.DefaultGrace; negative: none
	AutoCreate bool          // register unknown devices that sign with the well-known key
	Policies   []auth.Policy // default auth.BuiltinPolicies
	Partitions int           // of the built-in endpoint; default events.DefaultPartitions

	// ConsumerGroups of the built-in endpoint; $Default is always one.
	ConsumerGroups []string

	// EndpointFiles are the absolute paths that endpoints may write to, besides what
	// is in DataDir.
	EndpointFiles []string

	EventLog    events.Options // its Partitions are those above, where they are set
	C2D         c2d.Options
	Monitoring  monitoring.Settings                           // see hub.Options
	ResourceLog io.Writer                                     // see hub.Options
	Seed        func(*hub.Hub) error                          // see hub.Options
	Verdicts    func(hub.Operation, iot.Identity) hub.Verdict // see hub.Options
	Clock       *clock.Clock                                  // default: the machine's time
	Version     string                                        // the program's, for the metrics
	Log         zerolog.Logger                                // default: none
}

// Check says what is wrong with the options, without opening anything.
func (o Options) Check() error {
	for _, a := range []struct{ flag, addr string }{
		{"mqtt", o.MQTT}, {"https", o.HTTPS}, {"amqps", o.AMQPS}, {"amqp", o.AMQP}, {"control", o.Control},
	} {
		if err := checkAddress(a.addr); err != nil {
			return fmt.Errorf("%s %q: %w", a.flag, a.addr, err)
		}
	}
	for _, name := range slices.Concat(o.Hostnames, o.ControlHosts) {
		if err := checkHost(name); err != nil {
			return fmt.Errorf("host name %q: %w", name, err)
		}
	}
	if o.Name != "" && !validName(o.Name) {
		return fmt.Errorf("name %q: 1 to 50 letters, digits and hyphens are allowed", o.Name)
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return errors.New("a certificate and its key go together: give both or none")
	}
	if o.Partitions < 0 || o.Partitions > MaxPartitions {
		return fmt.Errorf("partitions %d: must be 1 to %d", o.Partitions, MaxPartitions)
	}
	return nil
}

// hub is what the hub is made with.
func (o Options) hub() hub.Options {
	if o.Partitions > 0 {
		o.EventLog.Partitions = o.Partitions
	}
	return hub.Options{
		Name: o.Name, Hostnames: o.names(), Policies: o.Policies, EventLog: o.EventLog, C2D: o.C2D,
		SASGrace: o.SASGrace, AutoCreate: o.AutoCreate, Seed: o.Seed, Monitoring: o.Monitoring, ResourceLog: o.ResourceLog, Clock: o.Clock, Log: o.Log,
		Verdicts: o.Verdicts,
	}
}

// endpointFolder is where endpoints have their files, if anywhere.
func (o Options) endpointFolder() string {
	if o.DataDir == "" {
		return ""
	}
	return filepath.Join(o.DataDir, "endpoints")
}

// controlName is host:port at which others than this machine reach the control
// API: it has a name for them, or else the hub's first.
func (o Options) controlName(ln net.Listener) string {
	_, port, _ := net.SplitHostPort(ln.Addr().String()) // it is one
	return net.JoinHostPort(slices.Concat(o.ControlHosts, o.hostnames())[0], port)
}

// hostnames are the names that were asked for.
func (o Options) hostnames() []string {
	if len(o.Hostnames) == 0 {
		return []string{DefaultHostname}
	}
	return o.Hostnames
}

// names are all the hub's names, those asked for first. All are on the
// certificate.
func (o Options) names() []string {
	all := append(slices.Clone(o.hostnames()), "localhost", "127.0.0.1", "::1")
	if machine, err := os.Hostname(); err == nil && checkHost(machine) == nil {
		all = append(all, machine)
	}
	for _, addr := range []string{o.MQTT, o.HTTPS, o.AMQPS} {
		host, _, _ := net.SplitHostPort(addr)
		if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() && ip.Zone() == "" {
			all = append(all, host)
		}
	}
	var names []string
	for _, name := range all {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	return names
}

// checkAddress says why something is no address to listen on; empty means the
// default.
func checkAddress(addr string) error {
	if addr == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("must be host:port, such as 127.0.0.1:8883 or :8883 for all interfaces")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("port %q: must be a number up to 65535", port)
	}
	if _, err := netip.ParseAddr(host); host == "" || err == nil {
		return nil
	}
	return checkHost(host)
}

// checkHost says why something is neither an address nor a host name.
func checkHost(name string) error {
	if ip, err := netip.ParseAddr(name); err == nil && ip.Zone() == "" {
		return nil
	}
	valid := len(name) > 0 && len(name) <= 253
	for label := range strings.SplitSeq(name, ".") {
		valid = valid && validLabel(label)
	}
	if !valid {
		return errors.New("must be a host name or an IP address, without port")
	}
	return nil
}

func validLabel(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.IndexFunc(s, func(c rune) bool { return c != '_' && c != '-' && !alphanumeric(c) }) < 0
}

// validName says whether s can be a hub's short name.
func validName(s string) bool {
	return len(s) <= 50 && strings.IndexFunc(s, func(c rune) bool { return c != '-' && !alphanumeric(c) }) < 0
}

func alphanumeric(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
