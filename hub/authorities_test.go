package hub_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/certs"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
)

func TestTheDevelopmentCAIsTrustedFromTheStart(t *testing.T) {
	t.Parallel()
	ca, err := certs.LoadOrCreate("", clock.Wall())
	require.NoError(t, err)
	f := start(t, hub.Options{CA: ca.PEM()})
	own, err := f.Authorities().Authority(hub.DevelopmentAuthority)
	require.NoError(t, err)
	assert.True(t, own.Verified)
	assert.Equal(t, "Linarite development CA", own.Certificate.Subject.CommonName)

	require.NoError(t, f.Authorities().Delete(hub.DevelopmentAuthority, ""))
	_, _, err = f.Authorities().Put("another", own.Certificate, true, "")
	require.NoError(t, err)
	require.NoError(t, f.Reset())
	list := f.Authorities().List()
	require.Len(t, list, 1)
	assert.Equal(t, hub.DevelopmentAuthority, list[0].Name)

	assert.Empty(t, start(t, hub.Options{}).Authorities().List(), "there is none")
	_, err = hub.New(hub.Options{CA: []byte("no certificate")})
	assert.ErrorContains(t, err, "register the development CA: ")
}
