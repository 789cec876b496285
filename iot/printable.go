package iot

import (
	"strconv"
	"strings"
)

// How much of a text is shown, in bytes: of one from outside, and of one of our own
// that may hold such a one.
const (
	longest    = 100
	longestOwn = 8 << 10
)

// TokenMask stands in logs for a text that has a token in it.
const TokenMask = "(a token)"

// holdsToken says whether a text has the signature of a token in it, perhaps
// percent-encoded: such a text must not get into a log.
func holdsToken(s string) bool {
	s = strings.ToLower(s)
	return strings.Contains(s, "sig=") || strings.Contains(s, "sig%3d")
}

// Printable is a text from outside as a log may show it: quoted, not too long, and
// never a token.
func Printable(s string) string {
	if holdsToken(s) {
		return TokenMask
	}
	if len(s) > longest {
		return strconv.Quote(s[:longest]) + "…"
	}
	return strconv.Quote(s)
}

// Masked is a text of our own that may hold one from outside, as a log may show
// it: not too long, and never a token.
func Masked(s string) string {
	switch {
	case holdsToken(s):
		return TokenMask
	case len(s) > longestOwn:
		return strings.ToValidUTF8(s[:longestOwn], "") + "…"
	}
	return s
}
