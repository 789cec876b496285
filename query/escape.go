package query

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The letters that may follow a backslash, beside `u` and four hex digits.
const (
	jsonEscapes    = `"\/bfnrt`
	literalEscapes = `'"\`
)

var errEscape = errors.New("invalid escape sequence")

// unescape resolves the escapes of a string. A surrogate without its partner
// becomes U+FFFD. On error, at is where the bad escape starts.
func unescape(s, letters string) (text string, at int, err error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b = append(b, s[i])
			i++
			continue
		}
		r, n := escaped(s[i:], letters)
		if n == 0 {
			return "", i, errEscape
		}
		b = utf8.AppendRune(b, r)
		i += n
	}
	return string(b), 0, nil
}

// escaped is the character that the escape at the start of s stands for, and
// how many bytes it takes, 0 when it is none:
//
//	escape = "\" ( letter / "u" 4HEXDIG )
//
// Two escapes may be the two surrogates of one character.
func escaped(s, letters string) (r rune, n int) {
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] == 'u' {
		return escapedUnit(s)
	}
	if !strings.Contains(letters, s[1:2]) {
		return 0, 0
	}
	if i := strings.IndexByte("bfnrt", s[1]); i >= 0 {
		return rune("\b\f\n\r\t"[i]), 2
	}
	return rune(s[1]), 2
}

const unitLength = len(`\u0000`)

func escapedUnit(s string) (r rune, n int) {
	high, ok := unit(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(high) {
		return high, unitLength
	}
	low, ok := unit(s[unitLength:])
	if r := utf16.DecodeRune(high, low); ok && r != '\uFFFD' {
		return r, 2 * unitLength
	}
	return '\uFFFD', unitLength
}

// unit is the UTF-16 code unit that the escape at the start of s stands for.
func unit(s string) (rune, bool) {
	if len(s) < unitLength || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:unitLength], 16, 16)
	return rune(n), err == nil
}
