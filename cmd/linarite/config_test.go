package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/seed"
)

// written puts a config file somewhere.
func written(t *testing.T, lines ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "linarite.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

func TestAConfigFileIsBeatenByEnvironmentAndFlags(t *testing.T) {
	t.Parallel()
	file := written(t,
		"name: from-file", "hostnames: [file.example]", "logFormat: json", "partitions: 2",
		"policies:", "  - name: reader", "    rights: [RegistryRead]",
		"devices:", "  - id: seeded", "    desired: {level: 1}")
	environ := []string{"LINARITE_CONFIG=" + file, "LINARITE_NAME=from-environment", "LINARITE_DATA=" + t.TempDir()}
	log, stop := serving(t, environ, "--hostname", "flag.example")
	text := log.wait(t, "state is in memory")
	assert.Contains(t, text, "hub from-environment is up")
	assert.Contains(t, text, "HostName=flag.example;")

	address := regexp.MustCompile(`"control":"http://([^"]+)"`).FindStringSubmatch(text)[1]
	device := do(t, nil, "connection-string", "--device", "seeded", "--control", address)
	assert.Contains(t, device.out, "HostName=flag.example;DeviceId=seeded;SharedAccessKey=")
	policy := do(t, nil, "connection-string", "--policy", "reader", "--control", address)
	assert.Contains(t, policy.out, "SharedAccessKeyName=reader")
	assert.Zero(t, stop())
}

func TestConfigFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, because string }{
		"a file that is not there": {"nowhere.yaml", "nowhere.yaml"},
		"an unknown key":           {written(t, "name: x", "partition: 2"), "linarite.yaml:2:1"},
		"a bad device":             {written(t, "devices:", "  - id: a/b"), "linarite.yaml:2:9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := do(t, nil, "--config", c.path, "--data", t.TempDir())
			assert.Equal(t, exitUsage, r.code)
			assert.Contains(t, r.errors, c.because)
		})
	}
}

// Every flag but --config is a key of the file, and every key with a flag is one.
func TestTheConfigFileKnowsTheFlags(t *testing.T) {
	t.Parallel()
	var keys, flags []string
	settingsType := reflect.TypeFor[seed.Settings]()
	for i := range settingsType.NumField() {
		if flag := settingsType.Field(i).Tag.Get("flag"); flag != "" {
			keys = append(keys, flag)
		}
	}
	var s settings
	s.flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" {
			flags = append(flags, f.Name)
		}
	})
	assert.ElementsMatch(t, flags, keys)
}

// README.md lists every flag of serve, with its variable and its default.
func TestTheREADMEKnowsTheFlags(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	row := regexp.MustCompile("(?m)^\\| `--([a-z-]+)`( \\(repeatable\\))? \\| `([A-Z_]+)` \\| (.+?) \\| .+ \\|$")
	listed := map[string][]string{}
	for _, cells := range row.FindAllStringSubmatch(string(text), -1) {
		listed[cells[1]] = cells[2:]
	}
	var s settings
	s.flags().VisitAll(func(f *pflag.Flag) {
		value := "`" + strings.Trim(f.DefValue, "[]") + "`"
		switch {
		case f.Name == "data":
			value = "the user's data folder"
		case value == "``":
			value = "none"
		}
		repeatable := ""
		if f.Value.Type() == "stringSlice" {
			repeatable = " (repeatable)"
		}
		assert.Equal(t, []string{repeatable, variable(f.Name), value}, listed[f.Name], f.Name)
		delete(listed, f.Name)
	})
	assert.Empty(t, listed)
}
