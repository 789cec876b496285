package certs_test

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/certs"
)

// That Java reads it is proved with Java, by the suite that runs README.md.
func TestAKeyStoreHasTheCertificates(t *testing.T) {
	t.Parallel()
	a, b := bytes.Repeat([]byte("a"), 3), bytes.Repeat([]byte("b"), 70_000)
	var text []byte
	for _, block := range []pem.Block{{Type: "CERTIFICATE", Bytes: a}, {Type: "PRIVATE KEY", Bytes: a}, {Type: "CERTIFICATE", Bytes: b}} {
		text = append(text, pem.EncodeToMemory(&block)...)
	}
	store := certs.KeyStore(text)
	require.Equal(t, "\xFE\xED\xFE\xED\x00\x00\x00\x02\x00\x00\x00\x02", string(store[:12]))
	rest := store[12:]
	for _, want := range []struct {
		alias string
		der   []byte
	}{{"linarite-1", a}, {"linarite-2", b}} {
		head := "\x00\x00\x00\x02\x00\x0A" + want.alias + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05X.509"
		require.Equal(t, head, string(rest[:len(head)]))
		rest = rest[len(head):]
		require.Equal(t, len(want.der), int(binary.BigEndian.Uint32(rest)))
		require.Equal(t, want.der, rest[4:4+len(want.der)])
		rest = rest[4+len(want.der):]
	}
	assert.Len(t, rest, 20, "the digest")
	assert.Equal(t, store, certs.KeyStore(text))
	assert.Len(t, certs.KeyStore(nil), 12+20)
}
