package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/server"
)

// What --log-level and --log-format can be.
var (
	logLevels  = []string{"trace", "debug", "info", "warn", "error"}
	logFormats = []string{"console", "json"}
)

// settings are the flags of serve. Other verbs have some of them too.
type settings struct {
	name         string
	hostnames    []string
	mqtt         string
	https        string
	amqps        string
	amqp         string
	control      string
	controlHosts []string
	data         string
	tlsCert      string
	tlsKey       string
	sasGrace     time.Duration
	autoCreate   bool
	partitions   int
	maxAddress   int
	maxStrangers int
	logLevel     string
	logFormat    string
	config       string
	monitoring   []string
	resourceLog  string
}

func (s *settings) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&s.name, "name", "linarite", "the hub's short `name`")
	f.StringSliceVar(&s.hostnames, "hostname", []string{server.DefaultHostname},
		"`name` or address by which clients reach the hub, may be repeated: the first is in the connection strings, all are on the certificate, as localhost, 127.0.0.1, ::1 and the machine's name are")
	f.StringVar(&s.mqtt, "mqtt", server.DefaultMQTT, "`address` for MQTT over TLS")
	f.StringVar(&s.https, "https", server.DefaultHTTPS, "`address` for the service REST API, and MQTT and AMQP over WebSocket")
	f.StringVar(&s.amqps, "amqps", server.DefaultAMQPS, "`address` for AMQP 1.0 over TLS: back ends, event readers, devices")
	f.StringVar(&s.amqp, "amqp", "", "`address` for the same without TLS, for UseDevelopmentEmulator=true clients (default none)")
	f.StringVar(&s.control, "control", server.DefaultControl, "`address` of the control API (plain HTTP)")
	f.StringSliceVar(&s.controlHosts, "control-host", nil,
		"further `name` the control API answers to, may be repeated")
	f.StringVar(&s.config, "config", "", "seed `file` (linarite.yaml): settings, policies, devices, modules; flags and environment beat it")
	f.StringVar(&s.data, "data", dataFolder(), "`folder` where the CA is kept")
	f.StringVar(&s.tlsCert, "tls-cert", "", "`file` with a certificate of your own, in PEM")
	f.StringVar(&s.tlsKey, "tls-key", "", "`file` with its key, in PEM")
	f.DurationVar(&s.sasGrace, "sas-grace", hub.DefaultGrace, "how long a token is good after its expiry")
	f.BoolVar(&s.autoCreate, "auto-create", false, "register unknown devices that sign with the well-known key")
	f.IntVar(&s.partitions, "partitions", events.DefaultPartitions, "`number` of partitions of the event endpoint")
	f.IntVar(&s.maxAddress, "max-per-address", server.DefaultMaxPerAddress, "most `connections` from one address, on all ports together")
	f.IntVar(&s.maxStrangers, "max-strangers", server.DefaultMaxStrangers,
		"most `connections` on a port whose client has not shown who it is; the oldest leaves for the next")
	f.StringVar(&s.logLevel, "log-level", "info", "`level` of the log: "+strings.Join(logLevels, ", "))
	f.StringVar(&s.logFormat, "log-format", "console", "`format` of the log: "+strings.Join(logFormats, ", ")+"; console also prints a page at the start")
	f.StringVar(&s.resourceLog, "resource-log", "",
		"`file` that takes Azure Monitor's resource logs, a line of JSON each, or - for the standard output (default none)")
	f.StringSliceVar(&s.monitoring, "operations-monitoring", nil,
		"what operations monitoring tells of, `category=level`, may be repeated: connections=verbose, deviceTelemetry=error, c2dCommands=error, deviceIdentityOperations=error, routes=error unless told otherwise; none is the third level")
	return f
}

// options is what the server is started with; given says which flags were set
// by the user. Errors are the user's.
func (s *settings) options(given func(flag string) bool, log zerolog.Logger) (server.Options, error) {
	o := server.Options{
		Name: s.name, Hostnames: s.hostnames, MQTT: s.mqtt, HTTPS: s.https, AMQPS: s.amqps, AMQP: s.amqp, Control: s.control,
		ControlHosts: s.controlHosts, DataDir: s.data, TLSCert: s.tlsCert, TLSKey: s.tlsKey,
		SASGrace: s.sasGrace, AutoCreate: s.autoCreate, Partitions: s.partitions,
		MaxPerAddress: s.maxAddress, MaxStrangers: s.maxStrangers,
		Version: buildVersion(), Log: log,
	}
	if !given("https") {
		o.HTTPS = "" // a default gives way where port 443 may not be had
	}
	for flag, value := range map[string]string{"mqtt": s.mqtt, "https": s.https, "amqps": s.amqps, "control": s.control} {
		if value == "" {
			return o, usage{fmt.Errorf("--%s must not be empty", flag)}
		}
	}
	switch {
	case len(s.hostnames) == 0:
		return o, usage{errors.New("--hostname must not be empty")}
	case s.data == "" && s.tlsCert == "":
		return o, usage{errors.New("--data must name the folder to keep the CA in: there is no home folder")}
	case s.sasGrace < 0:
		return o, usage{fmt.Errorf("--sas-grace %s must not be negative", s.sasGrace)}
	case s.sasGrace == 0:
		o.SASGrace = -1
	}
	for flag, value := range map[string]int{"max-per-address": s.maxAddress, "max-strangers": s.maxStrangers} {
		if value < 1 || value > server.MaxConnections {
			return o, usage{fmt.Errorf("--%s must be 1 to %d", flag, server.MaxConnections)}
		}
	}
	for _, setting := range s.monitoring {
		if err := o.Monitoring.Set(setting); err != nil {
			return o, usage{fmt.Errorf("--operations-monitoring %w", err)}
		}
	}
	if s.partitions == 0 {
		return o, usage{fmt.Errorf("--partitions must be 1 to %d", server.MaxPartitions)}
	}
	if err := o.Check(); err != nil {
		return o, usage{err}
	}
	return o, nil
}

// logger writes to w, in colour when that is a terminal.
func (s *settings) logger(w io.Writer) (zerolog.Logger, error) {
	if !slices.Contains(logFormats, s.logFormat) {
		return zerolog.Logger{}, usage{fmt.Errorf("--log-format %q: must be one of %s", s.logFormat, strings.Join(logFormats, ", "))}
	}
	if !slices.Contains(logLevels, s.logLevel) {
		return zerolog.Logger{}, usage{fmt.Errorf("--log-level %q: must be one of %s", s.logLevel, strings.Join(logLevels, ", "))}
	}
	level, err := zerolog.ParseLevel(s.logLevel)
	if err != nil {
		return zerolog.Logger{}, err
	}
	if s.logFormat == "console" {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !terminal(w) || os.Getenv("NO_COLOR") != "", TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(zerolog.SyncWriter(w)).Level(level).With().Timestamp().Logger(), nil
}

// dataFolder is where this user's programs keep data; empty when there is no
// home.
func dataFolder() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "linarite")
	}
	switch runtime.GOOS {
	case "windows", "darwin": // what they call the configuration folder holds data too
		if dir, err := os.UserConfigDir(); err == nil {
			return filepath.Join(dir, "linarite")
		}
		return ""
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "share", "linarite")
}
