package seed

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/events"
)

// Settings are how a hub is started. Those with a flag are that flag of the
// command line, which beats the environment, which beats the file; paths are
// relative to the working folder, as the flag's are.
type Settings struct {
	Name          string         `yaml:"name" flag:"name" is:"hub name"`
	Hostnames     []string       `yaml:"hostnames" flag:"hostname" is:"host"`
	MQTT          string         `yaml:"mqtt" flag:"mqtt" is:"address"`
	HTTPS         string         `yaml:"https" flag:"https" is:"address"`
	AMQPS         string         `yaml:"amqps" flag:"amqps" is:"address"`
	AMQP          string         `yaml:"amqp" flag:"amqp" is:"address"`
	Control       string         `yaml:"control" flag:"control" is:"address"`
	ControlHosts  []string       `yaml:"controlHosts" flag:"control-host" is:"host"`
	Data          string         `yaml:"data" flag:"data" is:"text"`
	TLSCert       string         `yaml:"tlsCert" flag:"tls-cert" is:"text"`
	TLSKey        string         `yaml:"tlsKey" flag:"tls-key" is:"text"`
	SASGrace      *time.Duration `yaml:"sasGrace" flag:"sas-grace" is:"grace"`
	AutoCreate    *bool          `yaml:"autoCreate" flag:"auto-create"`
	Partitions    int            `yaml:"partitions" flag:"partitions" is:"partitions"`
	MaxPerAddress int            `yaml:"maxPerAddress" flag:"max-per-address" is:"connections"`
	MaxStrangers  int            `yaml:"maxStrangers" flag:"max-strangers" is:"connections"`
	LogLevel      string         `yaml:"logLevel" flag:"log-level" is:"log level"`
	LogFormat     string         `yaml:"logFormat" flag:"log-format" is:"log format"`
	ResourceLog   string         `yaml:"resourceLog" flag:"resource-log" is:"text"`

	OperationsMonitoring OperationsMonitoring `yaml:"operationsMonitoring" flag:"operations-monitoring"`

	Retention      time.Duration `yaml:"retention" is:"retention"`
	ConsumerGroups []string      `yaml:"consumerGroups" is:"text"` // of the event endpoint, besides $Default
	CloudToDevice  CloudToDevice `yaml:"cloudToDevice"`
}

// OperationsMonitoring says what the operations monitoring endpoint is told of, by
// category: none, error or verbose.
// IoT Hub: contract.md §23.2, OperationsMonitoringProperties of the resource.
type OperationsMonitoring struct {
	Connections              string `yaml:"connections" is:"monitoring level"`
	DeviceTelemetry          string `yaml:"deviceTelemetry" is:"monitoring level"`
	C2DCommands              string `yaml:"c2dCommands" is:"monitoring level"`
	DeviceIdentityOperations string `yaml:"deviceIdentityOperations" is:"monitoring level"`
	FileUploadOperations     string `yaml:"fileUploadOperations" is:"monitoring level"`
	Routes                   string `yaml:"routes" is:"monitoring level"`
}

// spelled are the levels that are set, as the flag has them.
func (m OperationsMonitoring) spelled() []string {
	var settings []string
	v := reflect.ValueOf(m)
	for _, f := range fieldsOf(v.Type()) {
		if level := v.FieldByIndex(f.index).String(); level != "" {
			settings = append(settings, f.key+"="+level)
		}
	}
	return settings
}

// CloudToDevice is how messages to devices are queued.
// IoT Hub: contract.md §8.5, CloudToDeviceProperties of the resource.
//
// Differs: the service's lock and depth of the queue cannot be set.
type CloudToDevice struct {
	DefaultTTL       time.Duration `yaml:"defaultTtl" is:"ttl"`
	MaxDeliveryCount int           `yaml:"maxDeliveryCount" is:"deliveries"`
	LockDuration     time.Duration `yaml:"lockDuration" is:"lock"`
	MaxQueueDepth    int           `yaml:"maxQueueDepth" is:"depth"`
	CountLockExpiry  bool          `yaml:"countLockExpiry"`
	Feedback         Feedback      `yaml:"feedback"`
}

// Feedback is how the feedback on messages to devices is queued.
// IoT Hub: contract.md §8.5, FeedbackProperties of the resource.
type Feedback struct {
	TTL              time.Duration `yaml:"ttl" is:"ttl"`
	LockDuration     time.Duration `yaml:"lockDuration" is:"lock"`
	MaxDeliveryCount int           `yaml:"maxDeliveryCount" is:"deliveries"`
}

// Flag is a setting as a flag of the command line.
type Flag struct {
	Name   string   // without dashes
	Values []string // more than one for a flag that is repeated
}

// Flags lists the settings the file has that are flags of the command line.
func (s Settings) Flags() []Flag {
	var flags []Flag
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		name, ok := v.Type().Field(i).Tag.Lookup("flag")
		if ok && !v.Field(i).IsZero() {
			flags = append(flags, Flag{name, spelled(v.Field(i))})
		}
	}
	return flags
}

// spelled is a value as it stands on a command line.
func spelled(v reflect.Value) []string {
	switch value := v.Interface().(type) {
	case []string:
		return value
	case OperationsMonitoring:
		return value.spelled()
	case *time.Duration:
		return []string{value.String()}
	case *bool:
		return []string{strconv.FormatBool(*value)}
	case int:
		return []string{strconv.Itoa(value)}
	}
	return []string{v.String()}
}

// applied are the keys that Apply heeds.
var applied = []string{"certificates", "devices", "routes", "endpoints", "enrichments", "fallbackRoute"}

// StartOnly lists the keys of a file that Apply has no use for, since they are
// about how a hub is started.
func (f File) StartOnly() []string {
	var keys []string
	v := reflect.ValueOf(f)
	for _, field := range fieldsOf(v.Type()) {
		if !slices.Contains(applied, field.key) && !v.FieldByIndex(field.index).IsZero() {
			keys = append(keys, field.key)
		}
	}
	return keys
}

// EventLog is what the file says of the built-in endpoint.
func (f File) EventLog() events.Options {
	return events.Options{Partitions: f.Partitions, Retention: f.Retention}
}

// C2D is what the file says of messages to devices.
func (f File) C2D() c2d.Options {
	c := f.CloudToDevice
	return c2d.Options{
		MaxDepth: c.MaxQueueDepth, DefaultTTL: c.DefaultTTL, Lock: c.LockDuration,
		MaxDeliveryCount: c.MaxDeliveryCount, CountLockExpiry: c.CountLockExpiry,
		FeedbackTTL: c.Feedback.TTL, FeedbackLock: c.Feedback.LockDuration,
		FeedbackMaxDeliveryCount: c.Feedback.MaxDeliveryCount,
	}
}

// AccessPolicies are the built-in policies, changed and added to as the file
// says.
func (f File) AccessPolicies() []auth.Policy {
	policies := auth.BuiltinPolicies()
	for _, p := range f.Policies {
		made := auth.Policy{
			Name:         p.Name,
			PrimaryKey:   cmp.Or(p.PrimaryKey, auth.WellKnownKey),
			SecondaryKey: cmp.Or(p.SecondaryKey, auth.WellKnownKey),
		}
		for _, right := range p.Rights {
			made.Rights |= rightOf(right)
		}
		i := slices.IndexFunc(policies, func(q auth.Policy) bool { return q.Name == p.Name })
		switch {
		case i < 0:
			policies = append(policies, made)
			continue
		case len(p.Rights) == 0:
			made.Rights = policies[i].Rights
		}
		policies[i] = made
	}
	return policies
}

// rightOf is a right by its name. RegistryWrite contains RegistryRead.
func rightOf(name string) auth.Rights {
	for _, right := range []auth.Rights{
		auth.RegistryRead, auth.RegistryWrite, auth.ServiceConnect, auth.DeviceConnect,
	} {
		if right.String() == name {
			return right
		}
	}
	return 0
}
