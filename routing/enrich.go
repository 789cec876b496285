package routing

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// enrichment is an Enrichment at work.
type enrichment struct {
	key  string
	text string   // as it is, or where the path leads nowhere
	path []string // in the twin; nil for a text
}

const (
	hubName  = "$iothubname"
	twinPath = "$twin."
)

// newEnrichment makes what checkValue has found to be right.
func newEnrichment(e Enrichment, hub string) enrichment {
	switch {
	case strings.EqualFold(e.Value, hubName):
		return enrichment{key: e.Key, text: hub}
	case strings.HasPrefix(strings.ToLower(e.Value), twinPath):
		return enrichment{key: e.Key, text: e.Value, path: strings.Split(e.Value[len(twinPath):], ".")}
	}
	return enrichment{key: e.Key, text: e.Value}
}

// checkValue says what is wrong with the value of an enrichment:
//
//	value = text / "$iothubname" / "$twin." section 1*( "." name )
//	section = "tags" / "properties.desired" / "properties.reported"
//
// IoT Hub: contract.md §19.4, §19.2 (what names in paths may not contain).
func checkValue(value string) error {
	switch {
	case value == "":
		return iot.ErrArgumentInvalid.Because("must not be empty")
	case len(value) > MaxValue:
		return iot.ErrArgumentInvalid.Because("has %d bytes, %d are allowed", len(value), MaxValue)
	case !strings.HasPrefix(value, "$"), strings.EqualFold(value, hubName):
		return nil
	}
	path := strings.Split(value, ".")
	names := path[min(2, len(path)):]
	if len(path) > 2 && path[1] == "properties" && (path[2] == "desired" || path[2] == "reported") {
		names = path[3:]
	} else if len(path) < 2 || path[1] != "tags" {
		names = nil
	}
	if !strings.EqualFold(path[0], "$twin") || len(names) == 0 || slices.ContainsFunc(names, badName) {
		return iot.ErrArgumentInvalid.Because(
			"%q is no text, $iothubname, or path below $twin.tags, $twin.properties.desired or $twin.properties.reported", value)
	}
	return nil
}

func badName(name string) bool {
	return name == "" || strings.ContainsAny(name, "()<>@,;:\\\"/?={} \t\r\n")
}

// MaxMessage is the largest message that endpoints are given, in bytes of
// iot.Message.Size. IoT Hub: contract.md §19.4.
const MaxMessage = 256 * 1024

// Message is the message as an endpoint is to get it: with the endpoint's
// enrichments. It is false when they have made it too large.
//
// IoT Hub: contract.md §19.4. That an enrichment takes the place of a property of
// its name is [unsourced].
func (d *Decision) Message(endpoint int) (*Message, bool) {
	m := d.facts.message
	enrichments := d.table.enrichments[endpoint]
	if len(enrichments) == 0 || m.Source == DigitalTwinChangeEvents {
		return m, true
	}
	enriched := *m
	enriched.Properties = slices.Grow(slices.Clone(m.Properties), len(enrichments))
	for i := range enrichments {
		enriched.Properties = enriched.Properties.Set(enrichments[i].key, enrichments[i].value(d.facts))
	}
	return &enriched, enriched.Size() <= MaxMessage
}

// value is the text that a message is given.
func (e *enrichment) value(f *facts) string {
	if e.path == nil {
		return e.text
	}
	twin, ok := f.Twin()
	if !ok {
		return e.text
	}
	for _, name := range e.path {
		twin = twin.Member(name)
	}
	return textOf(twin, e.text)
}

// textOf is a value as a property has it: a string as it is, all else as JSON.
// What is not there, or null, is otherwise.
func textOf(v query.Value, otherwise string) string {
	text := v.AppendJSON(nil)
	if string(text) == "null" {
		return otherwise
	}
	var s string
	if json.Unmarshal(text, &s) == nil {
		return s
	}
	return string(text)
}
