package seed_test

import (
	"encoding/json"
	"flag"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/seed"
)

// update writes the golden file anew: go test ./seed -update
var update = flag.Bool("update", false, "write the golden file")

const (
	example = "testdata/linarite.yaml"
	golden  = "testdata/linarite.golden.json"
)

func TestTheExampleIsReadAsTheGoldenFileSays(t *testing.T) {
	t.Parallel()
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	got, err := json.MarshalIndent(file, "", "  ")
	require.NoError(t, err)
	got = append(got, '\n')
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
	assert.NoError(t, file.Check())
}

func TestTheExampleIsTheOneOfThePackageComment(t *testing.T) {
	t.Parallel()
	doc, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	want, err := os.ReadFile(example)
	require.NoError(t, err)
	indented := strings.ReplaceAll("\t"+strings.TrimSpace(string(want)), "\n", "\n\t")
	assert.Contains(t, doc.Doc.Text(), strings.ReplaceAll(indented, "\n\t\n", "\n\n"))
}

func TestAnEmptyFileSaysNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no byte":         "",
		"a comment":       "# nothing\n",
		"a document mark": "---\n",
		"null":            "null",
		"empty sections":  "devices:\npolicies:\nhostnames: []\ncloudToDevice:\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := seed.Parse("", []byte(text))
			require.NoError(t, err)
			assert.Empty(t, file.Devices)
			assert.Empty(t, file.Flags())
			assert.Empty(t, file.StartOnly())
			assert.Equal(t, auth.BuiltinPolicies(), file.AccessPolicies())
			assert.Zero(t, file.EventLog())
			assert.Zero(t, file.C2D())
		})
	}
}

func TestAFileMayComeFromAnySystemAndBeJSON(t *testing.T) {
	t.Parallel()
	want, err := seed.Parse("", []byte("name: a\ndevices:\n- id: d\n  tags: {x: [1, 2.50, true, 'y']}\n"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"with CRLF":            "name: a\r\ndevices:\r\n- id: d\r\n  tags: {x: [1, 2.50, true, 'y']}\r\n",
		"with a BOM":           "\uFEFFname: a\ndevices:\n- id: d\n  tags: {x: [1, 2.50, true, 'y']}\n",
		"as JSON":              `{"name":"a","devices":[{"id":"d","tags":{"x":[1,2.50,true,"y"]}}]}`,
		"as JSON with TABs":    "{\n\t\"name\": \"a\",\n\t\"devices\": [\n\t\t{\"id\": \"d\", \"tags\": {\"x\": [1, 2.50, true, \"y\"]}}\n\t]\n}",
		"with document marks":  "---\nname: a\ndevices:\n- id: d\n  tags: {x: [1, 2.50, true, 'y']}\n...\n",
		"with anchors":         "name: &n a\ndevices:\n- &d\n  id: d\n  tags: {x: [1, 2.50, true, 'y']}\n",
		"without last newline": "name: a\ndevices:\n  - id: d\n    tags:\n      x:\n      - 1\n      - 2.50\n      - true\n      - y",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := seed.Parse("", []byte(text))
			require.NoError(t, err)
			assert.Equal(t, want, file)
			assert.Equal(t, `{"x":[1,2.50,true,"y"]}`, string(file.Devices[0].Tags))
		})
	}
}

func TestMergeKeysAndAliasesRepeatWhatWasSaid(t *testing.T) {
	t.Parallel()
	file, err := seed.Parse("", []byte(`
devices:
  - &base
    id: a
    status: disabled
    tags: &tags { floor: 1, wing: north }
  - <<: *base
    id: b
    tags: { <<: *tags, floor: 2 }
  - id: c
    <<: [{status: enabled}, *base]
    desired: *tags
`))
	require.NoError(t, err)
	require.Len(t, file.Devices, 3)
	assert.Equal(t, "disabled", file.Devices[1].Status)
	assert.JSONEq(t, `{"floor":2,"wing":"north"}`, string(file.Devices[1].Tags))
	assert.Equal(t, "enabled", file.Devices[2].Status)
	assert.JSONEq(t, `{"floor":1,"wing":"north"}`, string(file.Devices[2].Desired))
}

func TestFlagsAreThoseOfTheCommandLine(t *testing.T) {
	t.Parallel()
	file, err := seed.Parse("", []byte(
		"hostnames: [a.test, b.test]\nsasGrace: 0s\nautoCreate: false\npartitions: 2\ntlsCert: hub.pem\nretention: 1h"))
	require.NoError(t, err)
	assert.Equal(t, []seed.Flag{
		{Name: "hostname", Values: []string{"a.test", "b.test"}},
		{Name: "tls-cert", Values: []string{"hub.pem"}},
		{Name: "sas-grace", Values: []string{"0s"}},
		{Name: "auto-create", Values: []string{"false"}},
		{Name: "partitions", Values: []string{"2"}},
	}, file.Flags())
}

func TestWhatOnlyAStartCanDoIsListed(t *testing.T) {
	t.Parallel()
	file, err := seed.Parse("", []byte("devices: [{id: a}]\npolicies: [{name: service}]\nautoCreate: false\nretention: 1h"))
	require.NoError(t, err)
	assert.Equal(t, []string{"autoCreate", "retention", "policies"}, file.StartOnly())
}

func TestPoliciesAreChangedAndAdded(t *testing.T) {
	t.Parallel()
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	policies := file.AccessPolicies()
	require.Len(t, policies, 6)
	assert.Equal(t, auth.Policy{
		Name: "service", Rights: auth.ServiceConnect,
		PrimaryKey:   "c2VydmljZS1wcmltYXJ5LWtleS0zMi1ieXRlcy1sb24=",
		SecondaryKey: "c2VydmljZS1zZWNvbmRhcnktMzItYnl0ZXMtbG9uZy4=",
	}, policies[1])
	assert.Equal(t, auth.Policy{
		Name: "dashboard", Rights: auth.RegistryRead | auth.ServiceConnect,
		PrimaryKey: auth.WellKnownKey, SecondaryKey: auth.WellKnownKey,
	}, policies[5])
	assert.Equal(t, auth.BuiltinPolicies()[0], policies[0])

	file, err = seed.Parse("", []byte("policies: [{name: iothubowner, rights: [RegistryWrite]}]"))
	require.NoError(t, err)
	assert.Equal(t, auth.RegistryWrite, file.AccessPolicies()[0].Rights)
}

func TestQueuesAndLogAreAsTheFileSays(t *testing.T) {
	t.Parallel()
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	assert.Equal(t, events.Options{Partitions: 2, Retention: 24 * time.Hour}, file.EventLog())
	assert.Equal(t, c2d.Options{
		MaxDepth: 10, DefaultTTL: 30 * time.Minute, Lock: time.Minute, MaxDeliveryCount: 3, CountLockExpiry: true,
		FeedbackTTL: 2 * time.Hour, FeedbackLock: 30 * time.Second, FeedbackMaxDeliveryCount: 5,
	}, file.C2D())
}

func TestAFileMadeInGoIsCheckedToo(t *testing.T) {
	t.Parallel()
	err := seed.File{
		Settings: seed.Settings{Name: "a.b", Partitions: 33},
		Devices:  []seed.Device{{}, {ID: "d", Modules: []seed.Module{{ID: "$edgeHub"}, {}}}},
	}.Check()
	assert.EqualError(t, err, `name: must be 1 to 50 letters, digits and hyphens, not "a.b"
partitions: must be 1 to 32, not 33
devices[0].id: is missing
devices[1].modules[0].id: must be 1 to 128 letters, digits and characters of - : . % _ # * ? ! ( ) , = @ ; $ ' +, and not start with $, not "$edgeHub"
devices[1].modules[1].id: is missing`)
	assert.NoError(t, seed.File{Devices: []seed.Device{{ID: "d"}}}.Check())
}

func TestAFileThatCannotBeReadIsTheSystemsError(t *testing.T) {
	t.Parallel()
	_, err := seed.ReadFile(filepath.Join(t.TempDir(), "none.yaml"))
	assert.ErrorIs(t, err, os.ErrNotExist)

	large := filepath.Join(t.TempDir(), "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, seed.MaxSize+1), 0o600))
	_, err = seed.ReadFile(large)
	assert.ErrorContains(t, err, "at most 4194304 bytes")
}
