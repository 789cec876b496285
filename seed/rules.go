package seed

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/linarite/linarite/c2d"
)

// rule is what a value must be. The schema says the same; a test holds the two
// together.
type rule struct {
	say      string         // what is right, for an error's text
	pattern  *regexp.Regexp // of a text
	choices  []string       // of a text
	min, max int            // of a number
	longest  time.Duration  // of a duration; 0 for any
	zero     bool           // a duration may be 0
	secret   bool           // the value must not be shown
}

// label is a part of a host name.
const label = `[0-9A-Za-z_]([0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?`

// What policies, routes and endpoints are called.
const sayName = "must be 1 to 64 letters, digits, hyphens, dots and underscores"

var namePattern = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`)

// rules are the rules that fields name in their `is` tag. Ids, keys, thumbprints
// and the texts of the registry: contract.md §13.1. Limits of cloud-to-device
// messages: contract.md §8.5; of the retention: contract.md §7.4. Routes: contract.md §19.
//
// Differs: the service takes no time to live below a minute, no lock below 5
// seconds and no retention below a day. Here they may be as short as a test
// likes.
var rules = map[string]rule{
	"text": {say: "must not be empty", pattern: regexp.MustCompile(`.`)},
	"hub name": {
		say:     "must be 1 to 50 letters, digits and hyphens",
		pattern: regexp.MustCompile(`^[0-9A-Za-z-]{1,50}$`),
	},
	"host": {
		say:     "must be a host name or an IP address, without port",
		pattern: regexp.MustCompile(`^(` + label + `(\.` + label + `)*|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$`),
	},
	"address": {
		say:     "must be host:port, such as 127.0.0.1:8883, or :8883 for all interfaces",
		pattern: regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]*):[0-9]{1,5}$`),
	},
	"log level":        {choices: []string{"trace", "debug", "info", "warn", "error"}},
	"log format":       {choices: []string{"console", "json"}},
	"monitoring level": {choices: []string{"none", "error", "verbose"}},
	"partitions":       {min: 1, max: 32},
	"connections":      {min: 1, max: 1_000_000},
	"grace":            {zero: true},
	"retention":        {longest: 7 * 24 * time.Hour},

	"ttl":        {longest: c2d.MaxTTL},
	"lock":       {longest: 5 * time.Minute},
	"deliveries": {min: 1, max: 100},
	"depth":      {min: 1, max: 50},

	"policy name":   {say: sayName, pattern: namePattern},
	"route name":    {say: sayName, pattern: namePattern},
	"endpoint name": {say: sayName, pattern: namePattern},
	"source": {choices: []string{
		"DeviceMessages", "TwinChangeEvents", "DeviceLifecycleEvents", "DeviceConnectionStateEvents",
		"DeviceJobLifecycleEvents", "DigitalTwinChangeEvents",
	}},
	"enrichment key": {
		say:     "must be letters, digits, hyphens, dots and underscores",
		pattern: regexp.MustCompile(`^[0-9A-Za-z_.-]+$`),
	},
	"url": {
		say:     "must be a URL that begins with http:// or https://",
		pattern: regexp.MustCompile(`^https?://[^/?#\s]+[^\s]*$`),
		secret:  true,
	},

	"file size":    {min: 1, max: 1 << 40},
	"files":        {min: 1, max: 1000},
	"event schema": {choices: []string{"eventGrid", "cloudEvents"}},
	"batch":        {min: 1, max: 5000},
	"timeout":      {longest: 2 * time.Minute},

	"right": {choices: []string{"RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"}},
	"key": {
		say:     "must be base64 of 16 to 64 bytes",
		pattern: regexp.MustCompile(`^[0-9A-Za-z+/]{22,86}={0,2}$`),
		secret:  true,
	},

	"certificate name": {
		say:     "must be 1 to 64 letters, digits, hyphens, dots and underscores",
		pattern: regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`),
	},
	"device id": {
		say:     "must be 1 to 128 letters, digits and characters of - : . % _ # * ? ! ( ) , = @ ; $ ' +",
		pattern: regexp.MustCompile(`^[0-9A-Za-z:.%_#*?!(),=@;$'+-]{1,128}$`),
	},
	"module id": {
		say:     "must be 1 to 128 letters, digits and characters of - : . % _ # * ? ! ( ) , = @ ; $ ' +, and not start with $",
		pattern: regexp.MustCompile(`^[0-9A-Za-z:.%_#*?!(),=@;'+-][0-9A-Za-z:.%_#*?!(),=@;$'+-]{0,127}$`),
	},
	"status":         {choices: []string{"enabled", "disabled"}},
	"authentication": {choices: []string{"sas", "selfSigned", "certificateAuthority"}},
	"thumbprint": {
		say:     "must be the SHA-1 or SHA-256 of a certificate: 40 or 64 hexadecimal digits without separators",
		pattern: regexp.MustCompile(`^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$`),
		secret:  true,
	},
}

// breach says what is wrong with a value, or "".
func (r rule) breach(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return r.breachDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.Int && r.max > 0 && (int(v.Int()) < r.min || int(v.Int()) > r.max):
		return fmt.Sprintf("must be %d to %d, not %d", r.min, r.max, v.Int())
	case v.Kind() == reflect.String && r.pattern != nil && !r.pattern.MatchString(v.String()):
		if r.secret || v.String() == "" || revealing(v.String()) {
			return r.say
		}
		return r.say + ", not " + quoted(v.String())
	case v.Kind() == reflect.String && r.choices != nil && !slices.Contains(r.choices, v.String()):
		return fmt.Sprintf("must be %s, not %s", either(r.choices), quoted(v.String()))
	}
	return ""
}

func (r rule) breachDuration(d time.Duration) string {
	switch {
	case d < 0 || d == 0 && !r.zero:
		return fmt.Sprintf("must be %s, not %s", r.least(), d)
	case r.longest > 0 && d > r.longest:
		return fmt.Sprintf("must be at most %s, not %s", r.longest, d)
	}
	return ""
}

// least says how short a duration may be.
func (r rule) least() string {
	if r.zero {
		return "0 or more"
	}
	return "more than 0"
}

// either lists what a value may be: `a, b or c`.
func either(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

// durationPattern is what Go reads as a duration, without sign.
var durationPattern = regexp.MustCompile(`^(` + amount + `)+$`)

const amount = `([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)`

var (
	durationType   = reflect.TypeFor[time.Duration]()
	propertiesType = reflect.TypeFor[json.RawMessage]()
)

// field is a field of a struct as the file sees it.
type field struct {
	key      string
	required bool
	rule     string
	index    []int
}

// fieldsOf lists the fields of a struct, those of embedded structs among them.
// Their tags are `yaml:"key"` or `yaml:"key,required"`, and `is:"rule"`.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		key, option, _ := strings.Cut(tag, ",")
		fields = append(fields, field{key, option == "required", f.Tag.Get("is"), f.Index})
	}
	return fields
}
