// Package routing says to which endpoints a message goes: sources, routes with
// their conditions, the fallback route, enrichments. It also keeps, for each
// endpoint that is not the built-in one, the messages that wait to be delivered
// there. It knows no endpoint and starts no goroutine: the hub delivers.
package routing

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/linarite/linarite/iot"
)

// Source is where a message comes from; a route has one.
// IoT Hub: contract.md §19.1.
type Source string

// The sources of IoT Hub.
const (
	DeviceMessages              Source = "DeviceMessages"
	TwinChangeEvents            Source = "TwinChangeEvents"
	DeviceLifecycleEvents       Source = "DeviceLifecycleEvents"
	DeviceConnectionStateEvents Source = "DeviceConnectionStateEvents"
	DeviceJobLifecycleEvents    Source = "DeviceJobLifecycleEvents"
	DigitalTwinChangeEvents     Source = "DigitalTwinChangeEvents"
)

// Sources lists them all.
func Sources() []Source {
	return []Source{
		DeviceMessages, TwinChangeEvents, DeviceLifecycleEvents, DeviceConnectionStateEvents,
		DeviceJobLifecycleEvents, DigitalTwinChangeEvents,
	}
}

// MessageSource is the source as a message names it, in iothub-message-source.
// IoT Hub: contract.md §7.3, §20.1.
func (s Source) MessageSource() string {
	switch s {
	case DeviceMessages:
		return "Telemetry"
	case TwinChangeEvents:
		return "twinChangeEvents"
	case DeviceLifecycleEvents:
		return "deviceLifecycleEvents"
	case DeviceConnectionStateEvents:
		return "deviceConnectionStateEvents"
	case DeviceJobLifecycleEvents:
		return "deviceJobLifecycleEvents"
	case DigitalTwinChangeEvents:
		return "digitalTwinChangeEvents"
	}
	return ""
}

// Builtin is the name of the built-in endpoint.
const Builtin = "events"

// FallbackName is what the fallback route is called where routes are told apart.
const FallbackName = "$fallback"

// Route sends the messages of a source that meet its condition to endpoints.
// IoT Hub: contract.md §19.1.
type Route struct {
	Name      string
	Source    Source
	Condition string // empty and `true`: every message
	Endpoints []string
	Disabled  bool
}

// Fallback is the route of device messages that match no other. It leads to the
// built-in endpoint. The zero value is one that is enabled, as on a new hub.
type Fallback struct {
	Disabled bool
}

// Endpoint is a custom endpoint. What its settings are is its type's own.
type Endpoint struct {
	Name     string
	Type     string          // "file", "webhook"
	Settings json.RawMessage // a JSON object, or nil
}

// Enrichment adds an application property to the messages that go to its
// endpoints. IoT Hub: contract.md §19.4.
type Enrichment struct {
	Key       string
	Value     string // a text, `$iothubname` or a path of the sender's twin
	Endpoints []string
}

// Config is everything there is to say about routing on a hub. The zero value
// sends what devices send to the built-in endpoint, and nothing else anywhere.
type Config struct {
	Routes      []Route
	Fallback    Fallback
	Endpoints   []Endpoint
	Enrichments []Enrichment
}

// PutRoute adds a route, or puts it in the place of the one of its name.
func (c *Config) PutRoute(r Route) {
	c.Routes = put(c.Routes, r, func(r Route) string { return r.Name })
}

// PutEndpoint adds an endpoint, or puts it in the place of the one of its name.
func (c *Config) PutEndpoint(e Endpoint) {
	c.Endpoints = put(c.Endpoints, e, func(e Endpoint) string { return e.Name })
}

// PutEnrichment adds an enrichment, or puts it in the place of the one of its key.
func (c *Config) PutEnrichment(e Enrichment) {
	c.Enrichments = put(c.Enrichments, e, func(e Enrichment) string { return e.Key })
}

// put is a list with an entry in the place of the one of its name, whose case
// does not matter, or behind all. The list itself is not changed.
func put[T any](list []T, entry T, name func(T) string) []T {
	list = slices.Clone(list)
	i := slices.IndexFunc(list, func(e T) bool { return strings.EqualFold(name(e), name(entry)) })
	if i < 0 {
		return append(list, entry)
	}
	list[i] = entry
	return list
}

// Message is a message or event on its way through the routes. It is immutable
// once it was handed over.
type Message struct {
	Source   Source
	Enqueued time.Time
	Origin   *iot.Origin // who it is from or about
	iot.Message

	// Sequence is its number in the log of the endpoint it goes to.
	Sequence uint64
}
