package hub

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/linarite/linarite/query"
)

// continuation is where the next page of a query starts.
type continuation struct {
	place    int64  // behind this one, in the order of twins
	key      string // behind this one, in the order of groups
	returned int    // how many rows there were on the pages before
}

// tokenKey is what continuation tokens are signed with. Each hub has one of its
// own, and another after a reset.
type tokenKey [sha256.Size]byte

func newTokenKey() *tokenKey {
	var k tokenKey
	rand.Read(k[:]) // never fails: crypto/rand ends the program instead
	return &k
}

// token is a continuation as the caller sees it: the base64 of
//
//	token = place returned key signature
//
// with eight bytes of place and of returned, and 16 of a signature that covers
// the query too.
func (h *Hub) token(q *query.Query, c continuation) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.place))
	b = binary.BigEndian.AppendUint64(b, uint64(c.returned))
	b = append(b, c.key...)
	return base64.RawURLEncoding.EncodeToString(append(b, h.signature(q, b)...))
}

const (
	tokenHead     = 16
	signatureSize = 16
)

func (h *Hub) signature(q *query.Query, b []byte) []byte {
	m := hmac.New(sha256.New, h.tokenKey.Load()[:])
	m.Write(b)
	m.Write([]byte{0})
	m.Write([]byte(q.String()))
	return m.Sum(nil)[:signatureSize]
}

// continued reads a token that was given out for the same query, "" for the
// start. Error: 400004 for any other.
//
// IoT Hub: the query has to be sent again with the token (contract.md §14.1).
func (h *Hub) continued(q *query.Query, token string) (continuation, error) {
	if token == "" {
		return continuation{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < tokenHead+signatureSize {
		return continuation{}, errContinuation()
	}
	signed := b[:len(b)-signatureSize]
	if !hmac.Equal(b[len(signed):], h.signature(q, signed)) {
		return continuation{}, errContinuation()
	}
	return continuation{
		place:    int64(binary.BigEndian.Uint64(b)),
		returned: int(binary.BigEndian.Uint64(b[8:])),
		key:      string(signed[tokenHead:]),
	}, nil
}
