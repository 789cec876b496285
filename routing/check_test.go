package routing_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// route is a route of telemetry to the built-in endpoint.
func route(name, condition string) routing.Route {
	return routing.Route{Name: name, Source: routing.DeviceMessages, Condition: condition, Endpoints: []string{"events"}}
}

func to(r routing.Route, endpoints ...string) routing.Route {
	r.Endpoints = endpoints
	return r
}

func from(r routing.Route, s routing.Source) routing.Route {
	r.Source = s
	return r
}

func endpoints(names ...string) (all []routing.Endpoint) {
	for _, name := range names {
		all = append(all, routing.Endpoint{Name: name, Type: "file"})
	}
	return all
}

func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint("n", i))
	}
	return all
}

func routes(n int) (all []routing.Route) {
	for _, name := range names(n) {
		all = append(all, route(name, ""))
	}
	return all
}

func enrichments(n int) (all []routing.Enrichment) {
	for _, name := range names(n) {
		all = append(all, enrichment(name, "v"))
	}
	return all
}

func enrichment(key, value string) routing.Enrichment {
	return routing.Enrichment{Key: key, Value: value, Endpoints: []string{"events"}}
}

func TestAConfigurationIsAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]routing.Config{
		"an empty one": {},
		"as much as a paid hub may have": {
			Routes: routes(100), Endpoints: endpoints(names(10)...), Enrichments: enrichments(10),
		},
		"every source": {Routes: []routing.Route{
			route("a", "true"), from(route("b", ""), routing.TwinChangeEvents), from(route("c", ""), routing.DeviceLifecycleEvents),
			from(route("d", ""), routing.DeviceConnectionStateEvents), from(route("e", ""), routing.DeviceJobLifecycleEvents),
			from(route("f", ""), routing.DigitalTwinChangeEvents),
		}},
		"several endpoints, names without case": {
			Routes: []routing.Route{to(route("a", ""), "Events", "ARCHIVE")}, Endpoints: endpoints("archive"),
		},
		"names as long as they may be": {
			Routes: []routing.Route{route(strings.Repeat("r", 64), "")}, Endpoints: endpoints(strings.Repeat("e", 64)),
		},
		"every kind of enrichment": {Enrichments: []routing.Enrichment{
			enrichment("a", "a text"), enrichment("b", "$iothubname"), enrichment("c.d-e_f", "$twin.tags.floor.number"),
			enrichment("g", "$twin.properties.desired.x"), enrichment("h", "$twin.properties.reported.x.y"),
		}},
		"changes of twins": {Routes: []routing.Route{from(route("a", "twin_change_includes(tags.a)"), routing.TwinChangeEvents)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Empty(t, c.Check())
			_, err := routing.Compile(c, "hub", noTwins{})
			require.NoError(t, err)
		})
	}
}

// IoT Hub: contract.md §19.1, §19.4, §21 (limits); the Swagger of the resource
// (names).
func TestAConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		config  routing.Config
		problem string
	}{
		{"too many routes", routing.Config{Routes: routes(101)}, `routes: there are 101, 100 are allowed`},
		{"too many endpoints", routing.Config{Endpoints: endpoints(names(11)...)}, `endpoints: there are 11, 10 are allowed`},
		{"too many enrichments", routing.Config{Enrichments: enrichments(11)}, `enrichments: there are 11, 10 are allowed`},
		{"a route without a name", routing.Config{Routes: []routing.Route{route("", "")}}, `routes[0].name: must be 1 to 64 letters, digits, hyphens, dots and underscores`},
		{"a route with a long name", routing.Config{Routes: []routing.Route{route(strings.Repeat("r", 65), "")}}, `routes[0].name: must be 1 to 64 `},
		{"a route with a space", routing.Config{Routes: []routing.Route{route("a b", "")}}, `routes[0].name: must be 1 to 64 `},
		{"a route twice", routing.Config{Routes: []routing.Route{route("a", ""), route("A", "")}}, `routes[1].name: there is a route A before this`},
		{"an unknown source", routing.Config{Routes: []routing.Route{from(route("a", ""), "Telemetry")}}, `routes[0].source: must be DeviceMessages, TwinChangeEvents, DeviceLifecycleEvents, DeviceConnectionStateEvents, DeviceJobLifecycleEvents or DigitalTwinChangeEvents, not "Telemetry"`},
		{"no endpoint", routing.Config{Routes: []routing.Route{to(route("a", ""))}}, `routes[0].endpointNames: must name an endpoint`},
		{"an unknown endpoint", routing.Config{Routes: []routing.Route{to(route("a", ""), "events", "other")}}, `routes[0].endpointNames[1]: there is no endpoint "other"`},
		{"an endpoint named twice", routing.Config{Routes: []routing.Route{to(route("a", ""), "events", "Events")}}, `routes[0].endpointNames[1]: Events stands here twice`},
		{"a condition that is none", routing.Config{Routes: []routing.Route{route("a", ""), route("b", "level = ")}}, `routes[1].condition: Error at column 9`},
		{"a condition without end", routing.Config{Routes: []routing.Route{route("a", strings.Repeat(" a = 'b' or", 1000))}}, `routes[0].condition: has 11000 bytes, 8192 are allowed`},
		{"changes of twins in telemetry", routing.Config{Routes: []routing.Route{route("a", "twin_change_includes(tags.a)")}}, `routes[0].condition: Error at column 1`},
		{"an endpoint without a name", routing.Config{Endpoints: endpoints("")}, `endpoints[0].name: must be 1 to 64 `},
		{"an endpoint twice", routing.Config{Endpoints: endpoints("a", "A")}, `endpoints[1].name: there is an endpoint A before this`},
		{"an endpoint without a type", routing.Config{Endpoints: []routing.Endpoint{{Name: "a"}}}, `endpoints[0].type: is missing`},
		{"an endpoint called events", routing.Config{Endpoints: endpoints("Events")}, `endpoints[0].name: Events is reserved`},
		{"an endpoint called fileNotifications", routing.Config{Endpoints: endpoints("fileNotifications")}, `endpoints[0].name: fileNotifications is reserved`},
		{"an enrichment without a key", routing.Config{Enrichments: []routing.Enrichment{enrichment("", "v")}}, `enrichments[0].key: must be letters, digits, hyphens, underscores and dots`},
		{"an enrichment with a space", routing.Config{Enrichments: []routing.Enrichment{enrichment("a b", "v")}}, `enrichments[0].key: must be letters`},
		{"an enrichment twice", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "v"), enrichment("a", "w")}}, `enrichments[1].key: there is an enrichment a before this`},
		{"an enrichment twice, but for the case", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "v"), enrichment("A", "w")}}, `enrichments[1].key: there is an enrichment A before this`},
		{"an enrichment without a value", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "")}}, `enrichments[0].value: must not be empty`},
		{"an enrichment with a long value", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", strings.Repeat("v", 8193))}}, `enrichments[0].value: has 8193 bytes, 8192 are allowed`},
		{"an enrichment to nowhere", routing.Config{Enrichments: []routing.Enrichment{{Key: "a", Value: "v", Endpoints: []string{"x"}}}}, `enrichments[0].endpointNames[0]: there is no endpoint "x"`},
		{"the whole twin", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$twin")}}, `enrichments[0].value: "$twin" is no text, `},
		{"the whole tags", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$twin.tags")}}, `enrichments[0].value: "$twin.tags" is no text, `},
		{"all properties", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$twin.properties.desired")}}, `enrichments[0].value: "$twin.properties.desired" is no text, `},
		{"the twin's status", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$twin.status")}}, `enrichments[0].value: "$twin.status" is no text, `},
		{"a path with an empty name", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$twin.tags..x")}}, `enrichments[0].value: `},
		{"a path with a space", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$twin.tags.a b")}}, `enrichments[0].value: `},
		{"the body", routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$body.x")}}, `enrichments[0].value: "$body.x" is no text, `},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			problems := c.config.Check()
			require.NotEmpty(t, problems)
			assert.True(t, strings.HasPrefix(problems[0].String(), c.problem), problems[0].String())
			_, err := routing.Compile(c.config, "hub", noTwins{})
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
		})
	}
}

func TestEveryProblemIsTold(t *testing.T) {
	t.Parallel()
	_, err := routing.Compile(routing.Config{
		Routes: []routing.Route{to(route("a b", "x ="), "nowhere")}, Enrichments: []routing.Enrichment{enrichment("", "$x")},
	}, "hub", noTwins{})
	require.ErrorIs(t, err, iot.ErrArgumentInvalid)
	for _, place := range []string{"routes[0].name", "routes[0].condition", "routes[0].endpointNames[0]", "enrichments[0].key", "enrichments[0].value"} {
		assert.ErrorContains(t, err, place)
	}
}
