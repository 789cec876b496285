package seed_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/seed"
)

const key = "c2VydmljZS1wcmltYXJ5LWtleS0zMi1ieXRlcy1sb24="

// A CA's certificate, and one that is none, in base64.
const (
	aCA = "MIIBcDCCARagAwIBAgIUbE0y2E6nYxJSmQJh48YgL6aWQTkwCgYIKoZIzj0EAwIwFTETMBEGA1UEAxMKRmFjdG9yeSBDQTAgFw0y" +
		"NjAxMDEwMDAwMDBaGA8yMTI2MDEwMTAwMDAwMFowFTETMBEGA1UEAxMKRmFjdG9yeSBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH" +
		"A0IABBDVRJ5/QrFuKc72g5dBpjp+1DvWwTu7vZwbys+9h0EGE/w+9zPBDMooDlcGonQ3T3IZn6cwJAtTW3uFs3GntAKjQjBAMA4G" +
		"A1UdDwEB/wQEAwICBDAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQvusNwykmmZIAKH3dM1Rv9AXD2czAKBggqhkjOPQQDAgNI" +
		"ADBFAiEA3oGdnWNVlxEdaqUpIszL0pgbRfCLZDdIsKHG2BLOsDYCIG812la+KvRIMINp5/exBd61SCNbSQ/xzxwraVXOlmTU"
	notACA = "MIIBKzCB0qADAgECAhQ4qGIkMtgsYrMIbMLd0JmMJLve3jAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpGYWN0b3J5IENBMCAXDTI2" +
		"MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAVMRMwEQYDVQQDEwpGYWN0b3J5IENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD" +
		"QgAE8x+u6TO7daahATjOvN+mtGKcLS5telE5D3v77N7SBtRHuyLWxWz/EHjXoHHDgmhYSdyfrKwyWAgOJoZczTpQ9DAKBggqhkjO" +
		"PQQDAgNIADBFAiEAmNh9ItOD0+yrHTGbjfKRrJdDgM5Q9WofC0wyOeWb6BcCIC5y2Lk/FZeHRPPQDDjwcDa9ca+an3kFWa9NA6au" +
		"BF7O"
)

// badFile is a file with one mistake: where it is, and what is said.
type badFile struct {
	name, file string
	line       int
	key, want  string
}

// againstTheSchema are files that a validator refuses too.
var againstTheSchema = []badFile{
	{"a key that is misspelled", "name: a\nlogLevle: info", 2, "logLevle", "did you mean logLevel?"},
	{"a flag as a key", "name: a\nlog-level: info", 2, "log-level", "did you mean logLevel?"},
	{"a key that is unknown", "colour: red", 1, "colour", "is not a key: there are name, hostnames"},
	{"an unknown key of a device", "devices:\n- id: a\n  properties: {}", 3, "devices[0].properties", "there are id, status"},
	{"a setting without a value", "name: a\nmqtt:\n", 2, "mqtt", "has no value"},
	{"a number for text", "name: 5", 1, "name", "must be text, not a number: put it in quotes"},
	{"a list for text", "name: [a]", 1, "name", "must be text, not a list"},
	{"text for a list", "hostnames: a.test", 1, "hostnames", "must be a list, not text"},
	{"text for a number", "partitions: many", 1, "partitions", "must be a number, not text"},
	{"a fraction for a number", "partitions: 1.5", 1, "partitions", `must be a whole number, not "1.5"`},
	{"yes for true", "autoCreate: yes", 1, "autoCreate", "must be true or false, not text"},
	{"a list for a group", "cloudToDevice: [1]", 1, "cloudToDevice", "must be a group of keys, not a list"},
	{"a list for the file", "- name: a", 1, "", "must be a group of keys, not a list"},
	{"a name with a dot", "name: a.b", 1, "name", `letters, digits and hyphens, not "a.b"`},
	{"an empty name", "name: ''", 1, "name", "letters, digits and hyphens"},
	{"a host name with a port", "hostnames:\n- ok.test\n- hub.test:8883", 3, "hostnames[1]", "without port"},
	{"an address without a port", "mqtt: localhost", 1, "mqtt", "must be host:port"},
	{"an empty folder", "data: ''", 1, "data", "must not be empty"},
	{"a duration without a unit", "sasGrace: 90", 1, "sasGrace", "must be a duration such as 90s"},
	{"a duration of the service's", "retention: P1D", 1, "retention", "must be a duration such as 90s"},
	{"no partitions", "name: a\npartitions: 0", 2, "partitions", "must be 1 to 32, not 0"},
	{"an unknown level", "logLevel: loud", 1, "logLevel", `must be trace, debug, info, warn or error, not "loud"`},
	{"a deep queue", "cloudToDevice: {maxQueueDepth: 51}", 1, "cloudToDevice.maxQueueDepth", "must be 1 to 50, not 51"},
	{"a policy without a name", "policies:\n- rights: [DeviceConnect]", 2, "policies[0].name", "is missing"},
	{"an unknown right", "policies:\n- name: mine\n  rights:\n  - Read", 4, "policies[0].rights[0]", "must be RegistryRead"},
	{"a certificate without a name", "certificates:\n- certificate: x", 2, "certificates[0].name", "is missing"},
	{"a certificate's name with a slash", "certificates:\n- name: a/b", 2, "certificates[0].name", `dots and underscores, not "a/b"`},
	{"a device without an id", "devices:\n- status: enabled", 2, "devices[0].id", "is missing"},
	{"a device that is only an id", "devices: [a]", 1, "devices[0]", "must be a group of keys, not text"},
	{"an id with a space", "devices:\n- id: a b", 2, "devices[0].id", `not "a b"`},
	{"an unknown status", "devices:\n- id: a\n  status: off", 3, "devices[0].status", `must be enabled or disabled, not "off"`},
	{"a long reason", "devices:\n- id: a\n  statusReason: " + strings.Repeat("x ", 65), 2, "devices[0]", "The status reason has 129 characters"},
	{"an odd thumbprint", "devices:\n- id: a\n  primaryThumbprint: AB:CD", 3, "devices[0].primaryThumbprint", "40 or 64 hexadecimal digits"},
	{"a module of the hub's own", "devices:\n- id: a\n  modules:\n  - id: $edgeHub", 4, "devices[0].modules[0].id", "not start with $"},
	{"too many modules", "devices:\n- id: a\n  modules:\n" + repeated("  - id: m%d\n", 51), 54, "devices[0].modules[50]", "already has 50 modules"},
	{"a route without a name", "routes:\n- source: DeviceMessages\n  endpointNames: [events]", 2, "routes[0].name", "is missing"},
	{"a route without a source", "routes:\n- name: a\n  endpointNames: [events]", 2, "routes[0].source", "is missing"},
	{"a route without endpoints", "routes:\n- name: a\n  source: DeviceMessages", 2, "routes[0].endpointNames", "is missing"},
	{"a route with a space", "routes:\n- name: a b\n  source: DeviceMessages\n  endpointNames: [events]", 2, "routes[0].name", `letters, digits, hyphens, dots and underscores, not "a b"`},
	{"an unknown source", "routes:\n- name: a\n  source: Telemetry\n  endpointNames: [events]", 3, "routes[0].source", `DeviceJobLifecycleEvents or DigitalTwinChangeEvents, not "Telemetry"`},
	{"too many routes", "routes:\n" + repeated("- {name: r%d, source: DeviceMessages, endpointNames: [events]}\n", 101), 1, "routes", "there are 101, 100 are allowed"},
	{"too many endpoints", "endpoints:\n" + repeated("- {name: e%d, file: {path: x}}\n", 11), 1, "endpoints", "there are 11, 10 are allowed"},
	{"too many enrichments", "enrichments:\n" + repeated("- {key: e%d, value: v, endpointNames: [events]}\n", 11), 1, "enrichments", "there are 11, 10 are allowed"},
	{"an endpoint of an unknown type", "endpoints:\n- name: a\n  file: {path: x}\n  kafka: {}", 4, "endpoints[0].kafka", "is not a key: there are name, file"},
	{"a file without a path", "endpoints:\n- name: a\n  file: {}", 3, "endpoints[0].file.path", "is missing"},
	{"a webhook that is no URL", "endpoints:\n- name: a\n  webhook: {url: here}", 3, "endpoints[0].webhook.url", "must be a URL that begins with http"},
	{"an enrichment with a space", "enrichments:\n- key: a b\n  value: v\n  endpointNames: [events]", 2, "enrichments[0].key", "must be letters, digits"},
	{"a fallback that is text", "fallbackRoute:\n  isEnabled: 'no'", 2, "fallbackRoute.isEnabled", "must be true or false, not text"},
	{"tags that are a list", "devices:\n- id: a\n  tags: [north]", 3, "devices[0].tags", "must be a group of keys, not a list"},
}

// beyondTheSchema are files with a mistake that a schema has no words for, or
// that are no YAML.
var beyondTheSchema = []badFile{
	{"a key that is there twice", "name: a\nmqtt: :1\nname: b", 3, "name", "is there twice, first in line 1"},
	{"an empty element", "hostnames:\n- a.test\n-\n", 3, "hostnames[1]", "has no value"},
	{"a negative grace", "sasGrace: -1s", 1, "sasGrace", "must be a duration such as 90s"},
	{"no retention", "retention: 0s", 1, "retention", "must be more than 0, not 0s"},
	{"a long retention", "retention: 169h", 1, "retention", "must be at most 168h0m0s"},
	{"a long time to live", "cloudToDevice:\n  feedback:\n    ttl: 49h", 3, "cloudToDevice.feedback.ttl", "at most 48h"},
	{"a policy without rights", "policies:\n- name: mine", 2, "policies[0].rights", "is missing: a policy that is not built in"},
	{"a policy that is there twice", "policies:\n- name: service\n- name: service", 3, "policies[1].name", "there is a policy"},
	{"a policy with one key", "policies:\n- name: service\n  secondaryKey: " + key, 2, "policies[0].primaryKey", "both keys or none"},
	{"a short key", "policies:\n- name: service\n  primaryKey: c2hvcnQ=\n  secondaryKey: " + key, 3, "policies[0].primaryKey", "must be base64 of 16 to 64 bytes"},
	{"a key of the wrong length for base64", "policies:\n- name: service\n  primaryKey: " + key + "=\n  secondaryKey: " + key, 3, "policies[0].primaryKey", "must be base64 of 16 to 64 bytes"},
	{"a certificate that is nothing", "certificates:\n- name: a", 2, "certificates[0].certificate", "is missing: a certificate in PEM is needed"},
	{"a certificate that is none", "certificates:\n- name: a\n  certificate: hello", 3, "certificates[0].certificate", "it is not an X.509 certificate"},
	{"a device's certificate", "certificates:\n- name: a\n  certificate: " + notACA, 3, "certificates[0].certificate", "is not a CA's"},
	{"a certificate that is there twice", "certificates:\n- name: a\n  certificate: " + aCA + "\n- name: a\n  certificate: " + aCA, 4, "certificates[1].name", "there is a certificate"},
	{"a certificate in a file that nobody reads", "certificates:\n- name: a\n  file: ca.pem", 3, "certificates[0].file", "is read only where the config file itself is one"},
	{"a certificate and a file", "certificates:\n- name: a\n  certificate: " + aCA + "\n  file: ca.pem", 4, "certificates[0].file", "one certificate too many"},
	{"a device that is nothing", "devices:\n- id: a\n-\n", 3, "devices[1]", "has no value"},
	{"a device that is there twice", "devices:\n- id: a\n- id: b\n- id: a", 4, "devices[2].id", `there is a device "a" before this`},
	{"a device with one key", "devices:\n- id: a\n  primaryKey: " + key, 2, "devices[0].secondaryKey", "both keys or none"},
	{"keys and thumbprints", "devices:\n- id: a\n  primaryKey: " + key + "\n  secondaryKey: " + key + "\n  primaryThumbprint: " + strings.Repeat("a", 40), 2, "devices[0]", "has keys and thumbprints"},
	{"keys for a certificate", "devices:\n- id: a\n  authentication: certificateAuthority\n  primaryKey: " + key + "\n  secondaryKey: " + key, 3, "devices[0].authentication", "certificateAuthority has no keys"},
	{"thumbprints for sas", "devices:\n- id: a\n  authentication: sas\n  primaryThumbprint: " + strings.Repeat("a", 40), 3, "devices[0].authentication", "sas has no thumbprints"},
	{"a module that is there twice", "devices:\n- id: a\n  modules:\n  - id: m\n  - id: m", 5, "devices[0].modules[1].id", `there is a module "m" before this`},
	{"a module with one key", "devices:\n- id: a\n  modules:\n  - id: m\n    primaryKey: " + key, 4, "devices[0].modules[0].secondaryKey", "both keys or none"},
	{"a route that is there twice", "routes:\n- {name: a, source: DeviceMessages, endpointNames: [events]}\n- {name: A, source: DeviceMessages, endpointNames: [events]}", 3, "routes[1].name", "there is a route A before this"},
	{"a condition that is none", "routes:\n- name: a\n  source: DeviceMessages\n  condition: level = 'high' AND\n  endpointNames: [events]", 4, "routes[0].condition", "Error at column 19: unexpected end"},
	{"a condition that compares a text and a number", "routes:\n- name: a\n  source: DeviceMessages\n  condition: severity > 5\n  endpointNames: [events]", 4, "routes[0].condition", "Error at column 10"},
	{"a route to an unknown endpoint", "routes:\n- name: a\n  source: DeviceMessages\n  endpointNames:\n  - events\n  - archive", 6, "routes[0].endpointNames[1]", `there is no endpoint "archive"`},
	{"a route to an endpoint twice", "routes:\n- name: a\n  source: DeviceMessages\n  endpointNames: [events, events]", 4, "routes[0].endpointNames[1]", "events stands here twice"},
	{"an endpoint without a type", "endpoints:\n- name: a", 2, "endpoints[0]", "needs the settings of a type: file or webhook"},
	{"an endpoint of two types", "endpoints:\n- name: a\n  file: {path: x}\n  webhook: {url: 'http://x'}", 4, "endpoints[0].webhook", "has the settings of another type, file, before this"},
	{"an endpoint that is there twice", "endpoints:\n- {name: a, file: {path: x}}\n- {name: a, file: {path: y}}", 3, "endpoints[1].name", "there is an endpoint a before this"},
	{"an endpoint with the name of another kind", "endpoints:\n- {name: events, file: {path: x}}", 2, "endpoints[0].name", "events is reserved"},
	{"an enrichment that is there twice", "enrichments:\n- {key: a, value: v, endpointNames: [events]}\n- {key: a, value: w, endpointNames: [events]}", 3, "enrichments[1].key", "there is an enrichment a before this"},
	{"an enrichment of the body", "enrichments:\n- key: a\n  value: $body.x\n  endpointNames: [events]", 3, "enrichments[0].value", `"$body.x" is no text, $iothubname, or path`},
	{"a tag without a value", "devices:\n- id: a\n  tags:\n    floor:", 4, "devices[0].tags.floor", "twins keep none"},
	{"an element without a value", "devices:\n- id: a\n  desired:\n    x: [1, ~]", 4, "devices[0].desired.x[1]", "twins keep none"},
	{"a name with a space", "devices:\n- id: a\n  desired:\n    x: 1\n    y:\n      z: 1\n      a b: 1", 7, "devices[0].desired.y.a b", "contains invalid character ' '"},
	{"a number that is too large", "devices:\n- id: a\n  modules:\n  - id: m\n    desired:\n      n: 4503599627370496", 6, "devices[0].modules[0].desired.n", "out of bound"},
	{"a value that is too long", "devices:\n- id: a\n  tags:\n    x: '" + strings.Repeat("v", 4097) + "'", 4, "devices[0].tags.x", "exceeds maximum length of 4096"},
	{"properties that are too many", "devices:\n- id: a\n  desired:\n" + repeated("    n%d: '"+strings.Repeat("v", 4000)+"'\n", 9), 3, "devices[0].desired", "exceeds maximum 32768"},
	{"a twin that is too deep", "devices:\n- id: a\n  tags: " + strings.Repeat("{a: ", 12) + "1" + strings.Repeat("}", 12), 3, "devices[0].tags" + strings.Repeat(".a", 12), "Nested depth"},
	{"a number with a leading zero", "devices:\n- id: a\n  tags:\n    zip: 01234", 4, "devices[0].tags.zip", "put it in quotes if it is text"},
	{"a hexadecimal number", "devices:\n- id: a\n  tags:\n    n: 0x1F", 4, "devices[0].tags.n", "is not a number as in JSON"},
	{"infinity", "devices:\n- id: a\n  tags:\n    n: .inf", 4, "devices[0].tags.n", "is not a number as in JSON"},
	{"a tag of YAML's", "name: !!str 5", 1, "name", "tags such as !!str"},
	{"an unknown anchor", "name: *hub", 1, "name", "there is no anchor &hub before this"},
	{"an anchor in itself", "devices:\n- id: a\n  tags: &t\n    t: *t", 4, "devices[0].tags.t", "there is no anchor &t before this"},
	{"a merge of text", "devices:\n- id: a\n  <<: x", 3, "devices[0].<<", "takes a group of keys"},
	{"a list as a key", "hostnames: &h [a]\n*h : b", 2, "", "has a list as a key"},
	{"a key with a question mark", "name: a\n? mqtt\n: :1", 2, "", "a key with a question mark, which is not supported"},
	{"a second document", "name: a\n---\nname: b", 3, "", "is a second document"},
	{"a list that does not end", "name: a\nhostnames: [a", 2, "", "is not YAML: sequence end token"},
	{"a key in a wrong column", "devices:\n  - id: a\n   status: x", 3, "", "the keys of a group start in one column"},
	{"a tab for spaces", "cloudToDevice:\n\tmaxDeliveryCount: 1", 2, "", "indent with spaces"},
	{"a control character", "name: a\nmqtt: \x1b[2J", 2, "", "the control character U+001B must be escaped"},
	{"text that is not UTF-8", "name: a\nmqtt: \xff", 2, "", "is not UTF-8"},
	{"a file that is too deep", strings.Repeat("[", 10_000), 1, "", "more than 64 levels"},
	{"dashes that are too deep", strings.Repeat("- ", 10_000), 1, "", "more than 64 levels"},
	{"anchors of anchors", strings.Repeat("&a ", 10_000), 1, "", "more than 64 levels"},
	{"a group of too many keys", "devices:\n- id: a\n  tags:\n" + repeated("    n%d: 1\n", 4097), 4100, "", "more than 4096 keys in a group"},
	{"a list of nothing", "hostnames:\n" + strings.Repeat("-\n", 2000), 1003, "", "more than 1000 values that are missing"},
	{"empty lines without end", "name: |" + strings.Repeat("\n", 300), 202, "", "more than 200 line breaks"},
	{"a file that is too large", strings.Repeat("# comment\n", seed.MaxSize/10+1), 0, "", "at most 4194304 bytes"},
}

func TestABadFileSaysWhereItIsBad(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(againstTheSchema, beyondTheSchema) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := seed.Parse("linarite.yaml", []byte(c.file))
			found := problemsOf(t, err)
			require.Len(t, found, 1)
			assert.Equal(t, c.line, found[0].Line)
			assert.Equal(t, c.key, found[0].Key)
			assert.Contains(t, found[0].Text, c.want)
		})
	}
}

func TestAllMistakesAreNamedAtOnceInTheirOrder(t *testing.T) {
	t.Parallel()
	_, err := seed.Parse("linarite.yaml", []byte(`name: my hub
devices:
  - id: a
    statsu: disabled
    status: off
  - status: enabled
    tags: {floor: 02}
partitions: 64
`))
	assert.EqualError(t, err, `linarite.yaml:1:7: name: must be 1 to 50 letters, digits and hyphens, not "my hub"
     1 | name: my hub
       |       ^
linarite.yaml:4:5: devices[0].statsu: is not a key: did you mean status?
     4 |     statsu: disabled
       |     ^
linarite.yaml:5:13: devices[0].status: must be enabled or disabled, not "off"
     5 |     status: off
       |             ^
linarite.yaml:6:5: devices[1].id: is missing
     6 |   - status: enabled
       |     ^
linarite.yaml:7:19: devices[1].tags.floor: "02" is not a number as in JSON: put it in quotes if it is text
     7 |     tags: {floor: 02}
       |                   ^
linarite.yaml:8:13: partitions: must be 1 to 32, not 64
     8 | partitions: 64
       |             ^`)
}

func TestManyMistakesAreCounted(t *testing.T) {
	t.Parallel()
	_, err := seed.Parse("linarite.yaml", []byte("devices:\n"+repeated("- id: a %d\n", 150)))
	assert.Len(t, problemsOf(t, err), 100)
	assert.Contains(t, err.Error(), "\nand 90 more")
}

func TestALongLineIsShownAroundTheMistake(t *testing.T) {
	t.Parallel()
	_, err := seed.Parse("", []byte("devices: [{id: "+strings.Repeat("a", 20)+", tags: {x: "+
		strings.Repeat("b ", 200)+"}, status: \toff, statusReason: "+strings.Repeat("c ", 200)+"}]"))
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 3)
	assert.LessOrEqual(t, len(lines[1]), 120)
	assert.Equal(t, " off", lines[1][len(lines[2])-1:][:4])
}

func TestAnErrorShowsNoSecretAndNoControlCharacter(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"in its own line":         "devices:\n- id: a\n  primaryKey: {KEY: 1}",
		"in the line before":      "devices:\n- id: a\n  primaryKey:\n    [KEY]",
		"in a line of flow style": "devices: [{id: a b, primaryKey: KEY}]",
		"under an unknown key":    "credential: KEY",
		"under a wrong key":       "devices:\n- id: KEY KEY\n  primaryThumbprint: KEY\n  status: KEY",
		"as a key":                "devices:\n- id: a\n  KEY",
		"as a number":             "devices:\n- id: a\n  primaryKey: 0" + strings.Repeat("1", 43),
		"in a text without end":   "devices:\n- id: a\n  primaryKey: 'KEY",
		"beside a control":        "devices:\n- id: a\n  primaryKey: KEY\x1b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := seed.Parse("linarite.yaml", []byte(strings.ReplaceAll(file, "KEY", key)))
			require.Error(t, err)
			assert.NotContains(t, err.Error(), key[:8])
			assert.NotContains(t, err.Error(), "1111")
		})
	}
	_, err := seed.Parse("linarite.yaml", []byte("name: \x1b[2J"))
	assert.NotContains(t, err.Error(), "\x1b")
}

func TestFewAliasesCannotStandForTooMuch(t *testing.T) {
	t.Parallel()
	bomb := "devices:\n- id: a\n  tags:\n    a0: &a0 {x: 1}\n"
	for i := range 30 {
		bomb += fmt.Sprintf("    a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i, i)
	}
	_, err := seed.Parse("linarite.yaml", []byte(bomb))
	found := problemsOf(t, err)
	assert.Contains(t, found[0].Text, "aliases stand for more than 100000 values")
	assert.Equal(t, 12, found[0].Line)
}

func problemsOf(t *testing.T, err error) []seed.Problem {
	t.Helper()
	var e *seed.Error
	require.True(t, errors.As(err, &e), "%v", err)
	return e.Problems
}

// repeated is a line n times, each with its number.
func repeated(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
