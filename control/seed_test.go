package control_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/seed"
)

func TestASeedIsAppliedOnTop(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.register(iot.Device("there-before"))
	file := "name: other\ndevices:\n  - id: seeded\n    tags: {site: 1}\n    desired: {level: 2}\n    modules:\n      - id: m\n"
	a := d.ask("POST", "/v1/seed", file)
	require.Equal(t, http.StatusOK, a.status, a.body)
	assert.JSONEq(t, `{"ignored":["name"]}`, a.body)

	doc, err := d.hub.Twin(iot.Device("seeded"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"site":1}`, string(doc.Tags))
	assert.Contains(t, string(doc.Properties.Desired), `"$version":1`, "it starts with what the file says")
	_, err = d.hub.Module("seeded", "m")
	require.NoError(t, err)
	_, err = d.hub.Device("there-before")
	require.NoError(t, err, "what the file does not name stays")

	assert.Equal(t, http.StatusOK, d.ask("POST", "/v1/seed", file).status)
	again, err := d.hub.Twin(iot.Device("seeded"))
	require.NoError(t, err)
	assert.Equal(t, doc.ETag, again.ETag, "the same file again changes nothing")
}

func TestSeedsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.ask("POST", "/v1/seed", "devices:\n  - id: good\n  - id: bad/id\n")
	a.refused(t, http.StatusBadRequest, "DeserializationError", "the body:3:9")
	_, err := d.hub.Device("good")
	assert.ErrorIs(t, err, iot.ErrDeviceNotFound, "a file is applied whole or not at all")
	d.ask("POST", "/v1/seed", strings.Repeat("#\n", seed.MaxSize)).refused(t, http.StatusRequestEntityTooLarge, "GenericRequestEntityTooLarge", "")
}

func TestTheSeedsSchema(t *testing.T) {
	t.Parallel()
	a := newDesk(t).ask("GET", "/v1/linarite.schema.json", "")
	assert.Equal(t, http.StatusOK, a.status)
	assert.JSONEq(t, seed.Schema, a.body)
}
