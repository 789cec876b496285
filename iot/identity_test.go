package iot_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/linarite/linarite/iot"
)

func TestIdentitiesAreWrittenAsMQTTAndSASWantThem(t *testing.T) {
	t.Parallel()
	device := iot.Device("d1")
	assert.False(t, device.IsModule())
	assert.Equal(t, "d1", device.String())
	assert.Equal(t, "devices/d1", device.Path())

	module := iot.Module("d1", "m1")
	assert.True(t, module.IsModule())
	assert.Equal(t, "d1/m1", module.String())
	assert.Equal(t, "devices/d1/modules/m1", module.Path())

	assert.NotEqual(t, device, module)
	assert.NotEqual(t, device, iot.Device("D1"), "ids are case-sensitive")
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, id string
		want     bool
	}{
		{"one letter", "a", true},
		{"digits and capitals", "Device42", true},
		{"every special character", "-:.%_#*?!(),=@;$'+", true},
		{"128 characters", strings.Repeat("x", 128), true},
		{"129 characters", strings.Repeat("x", 129), false},
		{"nothing", "", false},
		{"a slash", "a/b", false},
		{"a space", "a b", false},
		{"a backslash", `a\b`, false},
		{"quotes", `a"b`, false},
		{"an ampersand", "a&b", false},
		{"not ASCII", "café", false},
		{"a control character", "a\x00", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, iot.ValidID(c.id))
		})
	}
}
