package routing_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// IoT Hub: contract.md §19.4, iot-hub-message-enrichments-overview.
func TestWhatEnrichmentsAdd(t *testing.T) {
	t.Parallel()
	known := twins{iot.Device("d"): `{"tags":{"floor":3,"name":"north","o":{"a":[1,"x"]},"on":true,"none":null,"q":"say \"<hi>\""},` +
		`"properties":{"desired":{"interval":30},"reported":{"battery":{"level":1.50}}}}`}
	for value, want := range map[string]string{
		"a text":                            "a text",
		"100 %":                             "100 %",
		"$iothubname":                       "plant",
		"$twin.tags.name":                   "north",
		"$twin.tags.floor":                  "3",
		"$twin.tags.on":                     "true",
		"$twin.tags.o":                      `{"a":[1,"x"]}`,
		"$twin.tags.q":                      `say "<hi>"`,
		"$twin.properties.desired.interval": "30",
		"$twin.properties.reported.battery.level": "1.50",
		"$twin.tags.missing":                      "$twin.tags.missing",
		"$twin.tags.none":                         "$twin.tags.none",
		"$twin.tags.name.below":                   "$twin.tags.name.below",
		"$twin.properties.desired.a.b":            "$twin.properties.desired.a.b",
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			table := compile(t, routing.Config{Enrichments: []routing.Enrichment{enrichment("added", value)}}, known)
			original := message("x")
			original.Properties = iot.Properties{{Name: "own", Value: "1"}}
			d := table.Decide(original)
			m, ok := d.Message(0)
			require.True(t, ok)
			assert.Equal(t, iot.Properties{{Name: "own", Value: "1"}, {Name: "added", Value: want}}, m.Properties)
			assert.Len(t, original.Properties, 1, "the message itself stays")
		})
	}
}

func TestWithoutATwinAPathIsAText(t *testing.T) {
	t.Parallel()
	d := compile(t, routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "$twin.tags.name")}}, noTwins{}).Decide(message("x"))
	m, ok := d.Message(0)
	require.True(t, ok)
	assert.Equal(t, iot.Properties{{Name: "a", Value: "$twin.tags.name"}}, m.Properties)
}

func TestEnrichmentsAreTheEndpointsOwn(t *testing.T) {
	t.Parallel()
	table := compile(t, routing.Config{
		Endpoints: endpoints("a", "b"), Routes: []routing.Route{to(route("r", ""), "events", "a", "b")},
		Enrichments: []routing.Enrichment{
			{Key: "both", Value: "1", Endpoints: []string{"a", "events"}}, {Key: "a-only", Value: "2", Endpoints: []string{"A"}},
		},
	}, noTwins{})
	d := table.Decide(message("x"))
	var counts []int
	for i := range 3 {
		m, ok := d.Message(i)
		require.True(t, ok)
		counts = append(counts, len(m.Properties))
	}
	assert.Equal(t, []int{1, 2, 0}, counts)
}

func TestAnEnrichmentTakesThePlaceOfAPropertyOfItsName(t *testing.T) {
	t.Parallel()
	m := message("x")
	m.Properties = iot.Properties{{Name: "a", Value: "the device's"}}
	d := compile(t, routing.Config{Enrichments: []routing.Enrichment{enrichment("a", "the hub's")}}, noTwins{}).Decide(m)
	enriched, ok := d.Message(0)
	require.True(t, ok)
	assert.Equal(t, iot.Properties{{Name: "a", Value: "the hub's"}}, enriched.Properties)
	assert.Equal(t, "the device's", m.Properties[0].Value)
}

func TestAMessageThatEnrichmentsMakeTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	table := compile(t, routing.Config{
		Endpoints: endpoints("a"), Routes: []routing.Route{to(route("r", ""), "events", "a")},
		Enrichments: []routing.Enrichment{{Key: "k", Value: "vv", Endpoints: []string{"a"}}},
	}, noTwins{})
	for size, fits := range map[int]bool{routing.MaxMessage - 3: true, routing.MaxMessage - 2: false} {
		d := table.Decide(message(strings.Repeat("x", size)))
		_, ok := d.Message(0)
		assert.True(t, ok, "without enrichments it is as large as it may be")
		_, ok = d.Message(1)
		assert.Equal(t, fits, ok)
	}
}

func TestChangesOfDigitalTwinsAreNotEnriched(t *testing.T) {
	t.Parallel()
	m := message("x")
	m.Source = routing.DigitalTwinChangeEvents
	d := compile(t, routing.Config{
		Routes:      []routing.Route{from(route("r", ""), routing.DigitalTwinChangeEvents)},
		Enrichments: []routing.Enrichment{enrichment("a", "b")},
	}, noTwins{}).Decide(m)
	same, ok := d.Message(0)
	require.True(t, ok)
	assert.Empty(t, same.Properties)
}
