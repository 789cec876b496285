// Package readme_test runs README.md: the programs and commands of its sections
// for the SDKs, as they stand there, against the built hub.
//
// What a fenced block is for stands after its language, where a reader does not
// see it:
//
//	```js device.js   a program, to be written to that file
//	```sh install     commands that install packages; the suite has their versions
//	                  from a lock file
//	```sh run         commands to run beside the programs
//	```text output    what these print
package readme_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// address is the suite's own.
const address = "127.0.0.48"

// limit is how long the commands of a section may take; Go's may have to compile
// an SDK.
const limit = 3 * time.Minute

const root = "../.."

// sdk is how the suite installs what a section's programs need: from a lock file,
// in place of the section's own commands.
type sdk struct {
	lock    string // the file that has the versions, relative to the root; empty: install looks after them
	entry   string // how it writes one: an expression for a name and a version
	install func(t *testing.T, dir string) (path string)
}

var sdks = map[string]sdk{
	"Node": {"test/sdk/node/package.json", `"%s": "%s"`, func(t *testing.T, dir string) string {
		require.NoError(t, os.Symlink(absolute(t, "test/sdk/node/node_modules"), filepath.Join(dir, "node_modules")))
		return ""
	}},
	"Python": {"test/sdk/python/requirements.txt", `(?m)^%s==%s\b`, func(t *testing.T, _ string) string {
		return absolute(t, "test/sdk/python/.venv/bin")
	}},
	"Java": {install: func(t *testing.T, dir string) string {
		shown, err := os.ReadFile(filepath.Join(dir, "pom.xml"))
		require.NoError(t, err)
		used, err := os.ReadFile("testdata/java/pom.xml")
		require.NoError(t, err)
		require.Equal(t, string(used), string(shown), "make lock renews what belongs to it")
		checkSums(t, "testdata/java/lib", "testdata/java/lib.sha256")
		require.NoError(t, os.Symlink(absolute(t, "test/readme/testdata/java/lib"), filepath.Join(dir, "lib")))
		return ""
	}},
	"Go": {"test/readme/testdata/go/go.mod", `(?m)^\s%s %s$`, func(t *testing.T, dir string) string {
		for _, name := range []string{"go.mod", "go.sum"} {
			text, err := os.ReadFile(filepath.Join("testdata/go", name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
		return ""
	}},
}

// The programs of each SDK's section run as the quick start says, and print what
// the section says; the hub has what the device sent.
func TestSDKs(t *testing.T) {
	all := readme(t)
	for name, s := range sdks {
		t.Run(name, func(t *testing.T) {
			hub := harness.Start(t, harness.Options{Address: address})
			dir := t.TempDir()
			programs := of(all, name, "")
			require.NotEmpty(t, programs)
			for _, b := range programs {
				require.NoError(t, os.WriteFile(filepath.Join(dir, b.purpose), []byte(b.text), 0o600))
			}
			shell := newShell(t, dir, s.install(t, dir))
			// Its first commands are for a shell that goes on with the section's.
			got := shell.run("{\n" + text(t, all, "Quick start", "run") + "} >/dev/null\n" + text(t, all, name, "run"))
			assert.Equal(t, text(t, all, name, "output"), got)
			events := hub.WaitEvents(t, 1, harness.Filter{Device: "my-device"})
			assert.Contains(t, events[0].Body, "21")
		})
	}
}

// versioned is a package with a version, as npm, pip, Go and Maven write one.
var versioned = regexp.MustCompile(`([\w@./-]+)(?:@|==|:)(v?\d[\w.]*)`)

// A section installs the versions that are tested.
func TestTheVersionsAreThoseOfTheLockFiles(t *testing.T) {
	all := readme(t)
	for name, s := range sdks {
		if s.lock == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			lock, err := os.ReadFile(filepath.Join(root, s.lock))
			require.NoError(t, err)
			packages := versioned.FindAllStringSubmatch(text(t, all, name, "install"), -1)
			require.NotEmpty(t, packages)
			for _, p := range packages {
				assert.Regexp(t, fmt.Sprintf(s.entry, regexp.QuoteMeta(p[1]), regexp.QuoteMeta(p[2])), string(lock))
			}
		})
	}
}

// readme are the blocks of README.md.
func readme(t *testing.T) []block {
	t.Helper()
	markdown, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	all, err := blocks(string(markdown))
	require.NoError(t, err)
	return all
}

// text is what the blocks of a section with a purpose say, of which there must be
// one at least.
func text(t *testing.T, all []block, section, purpose string) string {
	t.Helper()
	found := of(all, section, purpose)
	require.NotEmpty(t, found, "README.md has no %q block in %q", purpose, section)
	var out strings.Builder
	for _, b := range found {
		out.WriteString(b.text)
	}
	return out.String()
}

// checkSums holds the files of a folder, all of them, against a list that sha256sum
// wrote.
func checkSums(t *testing.T, folder, list string) {
	t.Helper()
	want, err := os.ReadFile(list)
	require.NoError(t, err)
	files, err := os.ReadDir(folder)
	require.NoError(t, err, "make test installs them")
	var got strings.Builder
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".jar" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, f.Name()))
		require.NoError(t, err)
		fmt.Fprintf(&got, "%x  %s\n", sha256.Sum256(data), f.Name())
	}
	require.Equal(t, string(want), got.String())
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, path))
	require.NoError(t, err)
	return path
}

// shell runs commands as a reader does, in a folder of its own.
type shell struct {
	t   *testing.T
	dir string
	env []string
}

// newShell has linarite and what is at another path among its programs.
func newShell(t *testing.T, dir, path string) *shell {
	t.Helper()
	binary, err := harness.Binary()
	require.NoError(t, err)
	bin := t.TempDir()
	binary, err = filepath.Abs(binary)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(binary, filepath.Join(bin, "linarite")))
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	require.NoError(t, err)
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "LINARITE_") || strings.HasPrefix(v, "IOTHUB_")
	})
	return &shell{t, dir, append(env,
		"PATH="+strings.Trim(bin+":"+path, ":")+":"+os.Getenv("PATH"),
		"LINARITE_CONTROL="+address+":"+harness.ControlPort,
		"XDG_CACHE_HOME="+t.TempDir(), // for what linarite env writes
		"GOCACHE="+strings.TrimSpace(string(cache)),
	)}
}

// run is what commands print; the first that fails ends the test.
func (s *shell) run(commands string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	bash.Dir, bash.Env = s.dir, s.env
	var out, errors bytes.Buffer
	bash.Stdout, bash.Stderr = &out, &errors
	if err := bash.Run(); err != nil {
		s.t.Fatalf("%v\n%s%s\n%s", err, out.String(), errors.String(), commands)
	}
	return out.String()
}
