package arch_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/arch"
)

// header starts a file that breaks no rule.
const header = "// Package p is a room.\npackage p\n"

// broken are files that break one rule each, and what is said about them.
var broken = []struct {
	name, path, source, want string
}{
	{"a file in the root", "main.go", header, "no Go files in the root"},
	{"a folder the table does not know", "cellar/a.go", header, "the folder cellar is not a room"},
	{"a folder inside a room that the table does not know", "twin/deep/a.go", header, "the folder twin/deep is not a room"},
	{"a package that says nothing", "iot/a.go", "// Package util is bad.\npackage util\n", "the package name util says nothing"},
	{"a file that says nothing", "iot/helpers.go", header, "the file name helpers.go says nothing"},
	{"a test inside its package", "iot/a_test.go", "package p\n", "package p_test"},

	{"the domain imports upwards", "twin/a.go", header + `import _ "github.com/linarite/linarite/hub"`, "twin may not import hub"},
	{"the domain imports sideways", "twin/a.go", header + `import _ "github.com/linarite/linarite/registry"`, "twin may not import registry"},
	{"a transport imports a transport", "mqtt/a.go", header + `import _ "github.com/linarite/linarite/rest"`, "mqtt may not import rest"},
	{"a test imports upwards", "hub/a_test.go", "package p_test\n" + `import _ "github.com/linarite/linarite/mqtt"`, "hub may not import mqtt"},
	{"the suites import the hub's code", "test/wire/a.go", header + `import _ "github.com/linarite/linarite/iot"`, "test/wire may not import iot"},
	{"the program imports what is for tests", "cmd/linarite/a.go", header + `import _ "github.com/linarite/linarite/hubtest"`, "cmd/linarite may not import hubtest"},
	{"mochi outside mqtt", "rest/a.go", header + `import _ "github.com/mochi-mqtt/server/v2/packets"`, "third-party code has its room"},
	{"websocket outside mqtt", "server/a.go", header + `import _ "github.com/gorilla/websocket"`, "third-party code has its room"},
	{"cobra outside cmd", "server/a.go", header + `import _ "github.com/spf13/cobra"`, "third-party code has its room"},
	{"prometheus outside control", "hub/a.go", header + `import _ "github.com/prometheus/client_golang/prometheus"`, "third-party code has its room"},
	{"the domain logs", "c2d/a.go", header + `import _ "github.com/rs/zerolog"`, "third-party code has its room"},
	{"another logger", "hub/a.go", header + `import _ "log/slog"`, "logs are zerolog's"},
	{"testify outside tests", "hub/a.go", header + `import _ "github.com/stretchr/testify/require"`, "third-party code has its room"},
	{"goleak outside tests", "hub/a.go", header + `import _ "go.uber.org/goleak"`, "third-party code has its room"},
	{"a dot import", "hub/a.go", header + `import . "strings"`, "a dot import hides"},

	{"the machine's clock", "hub/a.go", header + "import \"time\"\nvar now = time.Now()", "time.Now: take the time from internal/clock"},
	{"the clock as a value", "hub/a.go", header + "import \"time\"\nvar now = []any{time.Now}", "time.Now: take the time"},
	{"the clock under another name", "hub/a.go", header + "import t \"time\"\nfunc f() { t.AfterFunc(0, nil) }", "time.AfterFunc: take the time"},
	{"a ticker", "control/a.go", header + "import \"time\"\nfunc f() { time.NewTicker(1) }", "time.NewTicker: take the time"},
	{"a test sleeps", "hub/a_test.go", "package p_test\nimport \"time\"\nfunc f() { time.Sleep(1) }", "tests wait for what they wait for"},
	{"a suite sleeps", "test/harness/a.go", header + "import \"time\"\nfunc f() { time.Sleep(1) }", "tests wait for what they wait for"},
	{"the clock's room sleeps", "internal/clock/a.go", header + "import \"time\"\nfunc f() { time.Sleep(1) }", "time.Sleep: take the time"},
	{"the domain starts a goroutine", "c2d/a.go", header + "func f() { go f() }", "c2d starts no goroutines"},

	{"a long file", "hub/a.go", header + strings.Repeat("\n", 500), "502 lines, the limit is 500"},
	{"a long test file", "hub/a_test.go", "package p_test\n" + strings.Repeat("\n", 800), "801 lines, the limit is 800"},
	{"a long function", "hub/a.go", header + "func f() {" + strings.Repeat("\n", 70) + "}", "f has 71 lines, the limit is 70"},
	{"an init function", "hub/a.go", header + "func init() {}", "no init functions"},
	{"a Get name", "hub/a.go", header + "func (h hub) GetTwin() {}", "no Get… names"},
	{"a manager", "hub/a.go", header + "type twinManager struct{}", "no …Manager"},

	{"a package without a comment", "hub/a.go", "package hub\n", "the package has no doc comment"},
	{"an exported function without a comment", "hub/a.go", header + "func F() {}", "F has no doc comment"},
	{"an exported method without a comment", "hub/a.go", header + "type t struct{}\n// T is.\ntype T[K any] struct{}\nfunc (t) F() {}\nfunc (*T[K]) G() {}", "G has no doc comment"},
	{"an exported type without a comment", "hub/a.go", header + "type T int", "T has no doc comment"},
	{"an exported constant without a comment", "hub/a.go", header + "const (\n// A is.\nA = 1\nB = 2\n)", "B has no doc comment"},

	{"a variable without a value", "hub/a.go", header + "var n int", "a package variable without a value"},
	{"a variable that points", "hub/a.go", header + "var n = &struct{}{}", "a package variable that points"},
	{"a variable that is made", "hub/a.go", header + "var n = make(map[int]int)", "a package variable that is made empty"},
	{"a variable of third-party code", "control/a.go", header + "import \"github.com/prometheus/client_golang/prometheus\"\nvar n = prometheus.NewCounter()", "a package variable of third-party code"},
	{"a variable that is assigned", "hub/a.go", header + "var n = 1\nfunc f() { n = 2 }", "n is a package variable and must not change"},
	{"a variable that is counted", "hub/a.go", header + "var n = 1\nfunc f() { n++ }", "n is a package variable and must not change"},
	{"a table whose element is assigned", "hub/a.go", header + "var n = []int{1}\nfunc f() { n[0] = 2 }", "n is a package variable and must not change"},
	{"a table whose element is deleted", "hub/a.go", header + "var n = map[int]int{}\nfunc f() { delete(n, 1) }", "n is a package variable and must not change"},
}

func TestABrokenRuleIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range broken {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			problems := check(t, map[string]string{c.path: c.source})
			require.Len(t, problems, 1)
			assert.Contains(t, problems[0].String(), c.want)
		})
	}
}

// kept are files that look as if they broke a rule.
var kept = []struct {
	name, path, source string
}{
	{"the clock may ask the machine", "internal/clock/a.go", header + "import \"time\"\nfunc f() { time.Now() }"},
	{"a test may have a deadline", "hub/a_test.go", "package p_test\nimport \"time\"\nfunc f() { time.After(1) }"},
	{"a variable may be called time", "hub/a.go", header + "import \"time\"\nvar _ = time.Second\nfunc f(time struct{ Now int }) int { return time.Now }"},
	{"a duration is no clock", "twin/a.go", header + "import \"time\"\nconst d = time.Second"},
	{"a transport may start goroutines", "mqtt/a.go", header + "func f() { go f() }"},
	{"mqtt may have mochi's logger", "mqtt/a.go", header + `import _ "log/slog"`},
	{"server may have net/http's logger", "server/a.go", header + `import _ "log"`},
	{"server composes control", "server/a.go", header + `import _ "github.com/linarite/linarite/control"`},
	{"a test imports its own package", "hub/a_test.go", "package p_test\n" + `import _ "github.com/linarite/linarite/hub"`},
	{"a test imports what is for tests", "cmd/linarite/a_test.go", "package main_test\n" + `import _ "github.com/linarite/linarite/hubtest"`},
	{"a test shows its package's inside", "hub/export_test.go", "package p\n"},
	{"a program is tested from inside", "cmd/linarite/a_test.go", "package main\n"},
	{"the linker sets a string", "cmd/linarite/a.go", header + "var version string"},
	{"a group's comment is for all its names", "hub/a.go", header + "// Kinds.\nconst (\nA = 1\nB = 2\n)"},
	{"a method of a hidden type needs no comment", "hub/a.go", header + "type t struct{}\nfunc (t) String() {}"},
	{"a table", "hub/a.go", header + "var n = map[string]int{\"a\": 1}"},
	{"an error", "hub/a.go", header + "import \"errors\"\nvar errGone = errors.New(\"gone\")"},
	{"an embedded file", "hub/a.go", header + "import _ \"embed\"\n//go:embed a.json\nvar text []byte"},
	{"a local variable of the same name", "hub/a.go", header + "var n = 1\nfunc f() { n := 1; n = 2; _ = n }"},
	{"a proof that a type fits", "hub/a.go", header + "var _ error = (*t)(nil)\ntype t struct{ error }"},
	{"Get alone", "iot/a.go", header + "// Get is the value.\nfunc Get() {}"},
}

func TestAKeptRuleIsNotReported(t *testing.T) {
	t.Parallel()
	for _, c := range kept {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Empty(t, check(t, map[string]string{c.path: c.source}))
		})
	}
}

func TestAVariableIsGuardedInEveryFileOfItsPackage(t *testing.T) {
	t.Parallel()
	problems := check(t, map[string]string{
		"hub/a.go": header + "var n = 1",
		"hub/b.go": "package p\nfunc f() { n = 2 }",
	})
	require.Len(t, problems, 1)
	assert.Equal(t, "hub/b.go:2: n is a package variable and must not change; keep state in the hub", problems[0].String())
}

func TestOtherToolsFoldersArePassedOver(t *testing.T) {
	t.Parallel()
	source := &fstest.MapFile{Data: []byte("package nowhere")}
	files, err := arch.Load(fstest.MapFS{
		".cache/a.go":                     source,
		"test/sdk/node/node_modules/a.go": source,
		"twin/testdata/a.go":              source,
		"hub/a.go":                        source,
	})
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Equal(t, "hub/a.go", files[0].Path)
}

func TestAFileThatIsNotGoIsAnError(t *testing.T) {
	t.Parallel()
	_, err := arch.Load(fstest.MapFS{"hub/a.go": &fstest.MapFile{Data: []byte("not Go")}})
	assert.Error(t, err)
}

func check(t *testing.T, sources map[string]string) []arch.Problem {
	t.Helper()
	tree := fstest.MapFS{}
	for path, source := range sources {
		tree[path] = &fstest.MapFile{Data: []byte(source)}
	}
	files, err := arch.Load(tree)
	require.NoError(t, err)
	return arch.Check(files)
}
