package certs

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format's digest, which protects nothing here
	"encoding/binary"
	"encoding/pem"
	"fmt"
)

// KeyStore is a trust store for Java with the certificates of a PEM text. It is
// in Java's first format, JKS, because a program that is given no password reads
// nothing of a store in the second, PKCS #12: "the trustAnchors parameter must be
// non-empty". The password is "changeit", as that of Java's own trust store is.
//
// The format, big-endian, is that of sun.security.provider.JavaKeyStore:
//
//	0xFEEDFEED  version=2  count
//	count × ( 2=certificate  alias  created int64  "X.509"  length uint32  DER )
//	SHA-1 of the password in UTF-16, "Mighty Aphrodite" and all before it
//
// where a text is its length as uint16 and its bytes.
func KeyStore(text []byte) []byte {
	const magic, version, trusted = 0xFEEDFEED, 2, 2
	var entries []byte
	count := uint32(0)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		count++
		entries = binary.BigEndian.AppendUint32(entries, trusted)
		entries = appendText(entries, fmt.Sprintf("linarite-%d", count))
		entries = binary.BigEndian.AppendUint64(entries, 0) // the same certificates give the same bytes
		entries = appendText(entries, "X.509")
		entries = binary.BigEndian.AppendUint32(entries, uint32(len(block.Bytes)))
		entries = append(entries, block.Bytes...)
	}
	store := binary.BigEndian.AppendUint32(nil, magic)
	store = binary.BigEndian.AppendUint32(store, version)
	store = binary.BigEndian.AppendUint32(store, count)
	store = append(store, entries...)
	sum := sha1.Sum(bytes.Join([][]byte{[]byte("\x00c\x00h\x00a\x00n\x00g\x00e\x00i\x00t"), []byte("Mighty Aphrodite"), store}, nil)) //nolint:gosec // as above
	return append(store, sum[:]...)
}

func appendText(to []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(text))), text...)
}
