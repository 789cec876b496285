package seed_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/seed"
)

// FuzzParse: whatever the file, it is refused with places that are in it, or a
// hub takes it, and takes it again without a change.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("testdata/linarite.yaml")
	require.NoError(f, err)
	f.Add(strings.Replace(string(example), "file: plant-ca.pem", "certificate: "+aCA, 1))
	for _, c := range slices.Concat(againstTheSchema, beyondTheSchema) {
		if len(c.file) < 1000 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := seed.Parse("f.yaml", []byte(text))
		if err == nil {
			appliesTwice(t, file)
			return
		}
		var e *seed.Error
		require.True(t, errors.As(err, &e))
		require.NotEmpty(t, e.Problems)
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 2
		for _, p := range e.Problems {
			assert.NotEmpty(t, p.Text)
			assert.LessOrEqual(t, p.Line, lines)
		}
		assert.LessOrEqual(t, len(e.Error()), 20_000)
	})
}

func appliesTwice(t *testing.T, file seed.File) {
	h, err := hub.New(hub.Options{Policies: file.AccessPolicies(), C2D: file.C2D(), Seed: file.Apply, OpenSink: openSink})
	require.NoError(t, err)
	defer h.Close()
	before := snapshot(t, h)
	require.NoError(t, file.Apply(h))
	assert.Equal(t, before, snapshot(t, h))
}

// snapshot is all that a hub's registry, twins and routing have, as JSON.
func snapshot(t *testing.T, h *hub.Hub) string {
	t.Helper()
	var all []any
	for _, c := range h.Authorities().List() {
		all = append(all, c.Name, c.ETag)
	}
	for _, d := range h.Devices(1_000_000) {
		all = append(all, d, twinOf(t, h, d.ID, ""))
		modules, err := h.Modules(d.ID)
		require.NoError(t, err)
		for _, m := range modules {
			all = append(all, m, twinOf(t, h, d.ID, m.ID))
		}
	}
	all = append(all, h.Routing())
	raw, err := json.MarshalIndent(all, "", " ")
	require.NoError(t, err)
	return string(raw)
}
