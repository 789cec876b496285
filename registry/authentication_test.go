package registry_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

func key(length int) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", length)))
}

var (
	sha1   = strings.Repeat("aB", 20)
	sha256 = strings.Repeat("Cd", 32)
)

func TestAuthenticationIsKept(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		given, want iot.Authentication
	}{
		{
			"keys of 16 and 64 bytes",
			iot.Authentication{Type: iot.AuthenticationSAS, PrimaryKey: key(16), SecondaryKey: key(64)},
			iot.Authentication{Type: iot.AuthenticationSAS, PrimaryKey: key(16), SecondaryKey: key(64)},
		},
		{
			"keys without a type",
			iot.Authentication{PrimaryKey: key(32), SecondaryKey: key(32)},
			iot.Authentication{Type: iot.AuthenticationSAS, PrimaryKey: key(32), SecondaryKey: key(32)},
		},
		{
			"thumbprints as they are spelled",
			iot.Authentication{Type: iot.AuthenticationSelfSigned, PrimaryThumbprint: sha1, SecondaryThumbprint: sha256},
			iot.Authentication{Type: iot.AuthenticationSelfSigned, PrimaryThumbprint: sha1, SecondaryThumbprint: sha256},
		},
		{
			"a thumbprint without a type",
			iot.Authentication{SecondaryThumbprint: sha256},
			iot.Authentication{Type: iot.AuthenticationSelfSigned, SecondaryThumbprint: sha256},
		},
		{
			"self-signed without thumbprints",
			iot.Authentication{Type: iot.AuthenticationSelfSigned},
			iot.Authentication{Type: iot.AuthenticationSelfSigned},
		},
		{
			"self-signed without the keys it had",
			iot.Authentication{Type: iot.AuthenticationSelfSigned, PrimaryKey: key(32), SecondaryKey: key(32)},
			iot.Authentication{Type: iot.AuthenticationSelfSigned},
		},
		{
			"an authority without anything else",
			iot.Authentication{Type: iot.AuthenticationCA, PrimaryKey: key(32), SecondaryKey: key(32)},
			iot.Authentication{Type: iot.AuthenticationCA},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore()
			d := create(t, s, registry.Device{ID: "d", Authentication: tt.given})
			assert.Equal(t, tt.want, d.Authentication)
			m, err := s.CreateModule(registry.Module{ID: "m", DeviceID: "d", Authentication: tt.given})
			require.NoError(t, err)
			assert.Equal(t, tt.want, m.Authentication)
			for _, id := range []iot.Identity{iot.Device("d"), iot.Module("d", "m")} {
				read, err := s.Authentication(id)
				require.NoError(t, err)
				assert.Equal(t, tt.want, read)
			}
		})
	}
}

func TestAuthenticationIsRefused(t *testing.T) {
	t.Parallel()
	const oneKey, length = "Either no keys or both keys can be set", "Invalid device key length"
	tests := []struct {
		name  string
		given iot.Authentication
		text  string // with {owner} for the identity
	}{
		{"with a primary key alone", iot.Authentication{PrimaryKey: key(32)}, oneKey},
		{"with a secondary key alone", iot.Authentication{Type: iot.AuthenticationSAS, SecondaryKey: key(32)}, oneKey},
		{"with a key of 15 bytes", iot.Authentication{PrimaryKey: key(15), SecondaryKey: key(32)}, length},
		{"with a key of 65 bytes", iot.Authentication{PrimaryKey: key(32), SecondaryKey: key(65)}, length},
		{"with a key that is no base64", iot.Authentication{PrimaryKey: "clear text, not base64", SecondaryKey: key(32)}, length},
		{
			"with separators in a thumbprint",
			iot.Authentication{PrimaryThumbprint: "aa:bb"},
			"'aa:bb' is not a valid X.509 thumbprint",
		},
		{
			"with a thumbprint of another hash",
			iot.Authentication{Type: iot.AuthenticationSelfSigned, PrimaryThumbprint: sha1, SecondaryThumbprint: "abcd"},
			"'abcd' is not a valid X.509 thumbprint",
		},
		{
			"with keys and thumbprints",
			iot.Authentication{PrimaryKey: key(32), SecondaryKey: key(32), PrimaryThumbprint: sha1},
			"Device {owner} cannot specify both symmetric keys and thumbprints.",
		},
		{"with an unknown type", iot.Authentication{Type: "password"}, "'password' is not an authentication type."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore()
			text := func(owner string) string { return strings.Replace(tt.text, "{owner}", owner, 1) }
			_, err := s.Create(registry.Device{ID: "d", Authentication: tt.given})
			requireError(t, err, iot.ErrArgumentInvalid, text("d"))

			before := create(t, s, registry.Device{ID: "d"})
			_, err = s.Update(registry.Device{ID: "d", Authentication: tt.given}, "*")
			requireError(t, err, iot.ErrArgumentInvalid, text("d"))
			_, err = s.CreateModule(registry.Module{ID: "m", DeviceID: "d", Authentication: tt.given})
			requireError(t, err, iot.ErrArgumentInvalid, text("d/m"))
			_, err = s.UpdateModule(registry.Module{ID: "m", DeviceID: "d", Authentication: tt.given}, "*")
			requireError(t, err, iot.ErrArgumentInvalid, text("d/m"))
			after, err := s.Device("d")
			require.NoError(t, err)
			assert.Equal(t, before, after)
		})
	}
}

func TestNoneIsForModulesOnlyAndMeansSAS(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	none := iot.Authentication{Type: iot.AuthenticationNone}
	_, err := s.Create(registry.Device{ID: "d", Authentication: none})
	requireError(t, err, iot.ErrArgumentInvalid, "Device d needs an authentication type other than none.")

	create(t, s, registry.Device{ID: "d"})
	m, err := s.CreateModule(registry.Module{ID: "m", DeviceID: "d", Authentication: none})
	require.NoError(t, err)
	assert.Equal(t, iot.AuthenticationSAS, m.Authentication.Type)
	assertGenerated(t, m.Authentication)
}

func TestKeysAreGeneratedWhereThereAreNone(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	first := create(t, s, registry.Device{ID: "d"})
	assertGenerated(t, first.Authentication)

	second, err := s.Update(registry.Device{ID: "d"}, "*")
	require.NoError(t, err)
	assertGenerated(t, second.Authentication)
	assert.NotEqual(t, first.Authentication, second.Authentication, "an update without authentication makes new keys")

	third, err := s.Update(second, "*")
	require.NoError(t, err)
	assert.Equal(t, second.Authentication, third.Authentication)
}

func assertGenerated(t *testing.T, a iot.Authentication) {
	t.Helper()
	assert.NotEqual(t, a.PrimaryKey, a.SecondaryKey)
	for _, k := range []string{a.PrimaryKey, a.SecondaryKey} {
		raw, err := base64.StdEncoding.DecodeString(k)
		assert.NoError(t, err)
		assert.Len(t, raw, 32)
	}
}

func TestDisabledDeviceAndItsModulesMayNotAuthenticate(t *testing.T) {
	t.Parallel()
	s, _ := newStore()
	create(t, s, registry.Device{ID: "d", Status: registry.Disabled})
	_, err := s.CreateModule(registry.Module{ID: "m", DeviceID: "d"})
	require.NoError(t, err)
	for _, id := range []iot.Identity{iot.Device("d"), iot.Module("d", "m")} {
		_, err := s.Authentication(id)
		requireError(t, err, iot.ErrDeviceDisabled, "Device d is disabled.")
	}
	_, err = s.Update(registry.Device{ID: "d"}, "*")
	require.NoError(t, err)
	_, err = s.Authentication(iot.Module("d", "m"))
	require.NoError(t, err)
	_, err = s.Authentication(iot.Device("ghost"))
	requireError(t, err, iot.ErrDeviceNotFound, "ghost")
}
