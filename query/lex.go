package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
)

// MaxLength is the longest condition or query, in characters.
// IoT Hub: contract.md §14.1; for conditions it has no source.
const MaxLength = 8192

// SyntaxError is what is wrong with the text of a condition or a query. It is
// an ErrArgumentInvalid.
type SyntaxError struct {
	Line, Column int // of the place, in characters from 1
	Reason       string
}

// Error says where and what, as `Error at column 7: missing closing ')'`.
func (e *SyntaxError) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("Error at line %d, column %d: %s", e.Line, e.Column, e.Reason)
	}
	return fmt.Sprintf("Error at column %d: %s", e.Column, e.Reason)
}

// Unwrap is the error as IoT Hub puts it on the wire.
func (e *SyntaxError) Unwrap() error { return iot.ErrArgumentInvalid.Because("%s", e.Error()) }

// tokenKind is the sort of a token.
type tokenKind uint8

const (
	endToken tokenKind = iota
	symbolToken
	nameToken   // in a route condition also `$…`
	quotedToken // a name in [[ ]]
	stringToken
	numberToken
)

// token is a piece of the text.
type token struct {
	kind    tokenKind
	text    string // as written; of a string or a quoted name what it says
	number  Value  // of a number; undefined where a double cannot hold it
	at, end int    // bytes
}

// is says whether the token is a symbol or word; words in any case.
func (t token) is(text string) bool {
	switch t.kind {
	case symbolToken:
		return t.text == text
	case nameToken:
		return strings.EqualFold(t.text, text)
	}
	return false
}

// lexer takes a text apart. It stops at the first error.
type lexer struct {
	text  string
	at    int
	route bool // the dialect of route conditions
	err   *SyntaxError
}

// fail notes an error at a byte, unless there is one already.
func (l *lexer) fail(at int, format string, args ...any) {
	if l.err != nil {
		return
	}
	before := l.text[:min(at, len(l.text))]
	line := strings.LastIndexByte(before, '\n') + 1
	l.err = &SyntaxError{
		Line:   strings.Count(before, "\n") + 1,
		Column: utf8.RuneCountInString(before[line:]) + 1,
		Reason: fmt.Sprintf(format, args...),
	}
}

// next is the token at the lexer's place, the end token after an error.
func (l *lexer) next() token {
	l.space()
	t := token{at: l.at, end: l.at}
	if l.err != nil || l.at == len(l.text) {
		return t
	}
	switch c := l.text[l.at]; {
	case c == '\'' || c == '"':
		l.str(&t)
	case l.route:
		l.word(&t)
	default:
		l.plain(&t)
	}
	if l.err != nil {
		return token{at: t.at, end: t.at}
	}
	t.end = l.at
	return t
}

// space passes white space and, in a route condition, comments.
func (l *lexer) space() {
	for l.at < len(l.text) {
		switch {
		case strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0:
			l.at++
		case l.route && strings.HasPrefix(l.text[l.at:], "/*"):
			n := strings.Index(l.text[l.at+2:], "*/")
			if n < 0 {
				l.fail(l.at, "unterminated comment")
				l.at = len(l.text)
				return
			}
			l.at += n + 4
		default:
			return
		}
	}
}

// str reads a string in either kind of quotes.
func (l *lexer) str(t *token) {
	quote, start := l.text[l.at], l.at+1
	for i := start; i < len(l.text); i++ {
		if l.text[i] == '\\' {
			i++
			continue
		}
		if l.text[i] != quote {
			continue
		}
		text, bad, err := unescape(l.text[start:i], literalEscapes)
		if err != nil {
			l.fail(start+bad, "invalid escape sequence in a string")
			return
		}
		t.kind, t.text, l.at = stringToken, text, i+1
		if l.route && l.nameLength() > 0 {
			l.fail(l.at, "a space is missing after the string")
		}
		return
	}
	l.fail(l.at, "unterminated string")
}

// notInNames are the characters that no bare name of a route condition has.
const notInNames = "()<>@,;:\\\"/[]?={} \t\r\n"

// nameLength is how many bytes at the lexer's place are those of a bare name.
func (l *lexer) nameLength() int {
	if n := strings.IndexAny(l.text[l.at:], notInNames); n >= 0 {
		return n
	}
	return len(l.text) - l.at
}

// pathLength is nameLength for `$…`, which may have brackets.
func (l *lexer) pathLength() int {
	n := l.nameLength()
	for l.at+n < len(l.text) && (l.text[l.at+n] == '[' || l.text[l.at+n] == ']') {
		rest := lexer{text: l.text, at: l.at + n + 1}
		n += 1 + rest.nameLength()
	}
	return n
}

// word reads what is no string in a route condition. Names have all but a few
// characters, so an operator made of others (`-`, `!=`) is part of the name it
// touches.
//
// IoT Hub: contract.md §19.3 (GrammarLexer.g4, longest match).
func (l *lexer) word(t *token) {
	n := l.nameLength()
	if l.text[l.at] == '$' {
		n = l.pathLength()
	}
	t.text = l.text[l.at : l.at+n]
	switch {
	case n == 0, t.text == "!" && strings.HasPrefix(l.text[l.at:], "!="):
		l.symbol(t, "<=", ">=", "<>", "!=", "??", "(", ")", ",", "{", "}", "<", ">", "=", "/")
		return
	case t.text == "+" || t.text == "-" || t.text == "*" || t.text == "%" || t.text == "||":
		t.kind = symbolToken
	default:
		t.kind = nameToken
		if number, ok := numeral(t.text, true); ok {
			t.kind, t.number = numberToken, number
		}
	}
	l.at += n
	if t.text[0] != '$' && l.at < len(l.text) && (l.text[l.at] == '[' || l.text[l.at] == ']') {
		l.fail(l.at, "a name cannot contain '%c'", l.text[l.at])
	}
}

// plain reads what is no string in a query.
func (l *lexer) plain(t *token) {
	rest := l.text[l.at:]
	if strings.HasPrefix(rest, "[[") {
		n := strings.Index(rest, "]]")
		if n < 0 {
			l.fail(l.at, "missing closing ']]'")
			return
		}
		t.kind, t.text = quotedToken, rest[2:n]
		l.at += n + 2
		return
	}
	c := rest[0]
	if c >= '0' && c <= '9' || c == '.' && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9' {
		l.numeral(t)
		return
	}
	n := 0
	for n < len(rest) && inIdentifier(rest[n]) {
		n++
	}
	if n == 0 {
		l.symbol(t, "<=", ">=", "<>", "!=", "(", ")", "[", "]", ",", ".", "<", ">", "=", "+", "-", "*", "/", "%")
		return
	}
	t.kind, t.text = nameToken, rest[:n]
	l.at += n
}

// inIdentifier says whether names of a query may have the byte without being
// put into [[ ]].
func inIdentifier(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

// numeral reads a number of a query, which has no sign of its own.
func (l *lexer) numeral(t *token) {
	rest := l.text[l.at:]
	n := 0
	for n < len(rest) && (inIdentifier(rest[n]) || rest[n] == '.' ||
		(rest[n] == '+' || rest[n] == '-') && (rest[n-1] == 'e' || rest[n-1] == 'E') && !isHex(rest)) {
		n++
	}
	number, ok := numeral(rest[:n], false)
	if !ok || !number.IsDefined() {
		l.fail(l.at, "'%s' is not a number", rest[:n])
		return
	}
	t.kind, t.text, t.number = numberToken, rest[:n], number
	l.at += n
}

// symbol reads the first of the symbols that fits.
func (l *lexer) symbol(t *token, symbols ...string) {
	rest := l.text[l.at:]
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			t.kind, t.text = symbolToken, s
			l.at += len(s)
			return
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	l.fail(l.at, "invalid symbol '%c'", r)
}

func isHex(s string) bool {
	return len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')
}

// numeral is the number that a word is, if it is one:
//
//	numeral = [ "-" ] *DIGIT [ "." 1*DIGIT ] [ ("e" / "E") [ "+" / "-" ] 1*DIGIT ] / "0x" 1*HEXDIG
//
// with at least one digit before the exponent. A hexadecimal one is 64 bits in
// two's complement. One that is too large is undefined.
//
// IoT Hub: contract.md §19.3 (GrammarLexer.g4, ConditionVisitor.cs), §14.2.
func numeral(word string, signed bool) (Value, bool) {
	if isHex(word) {
		n, err := strconv.ParseUint(word[2:], 16, 64)
		if err != nil {
			return Value{}, onlyIn(word[2:], "0123456789abcdefABCDEF")
		}
		return Number(float64(int64(n))), true
	}
	if !onlyIn(word, "0123456789.eE+-") || !strings.ContainsAny(word, "0123456789") ||
		word[0] == '+' || word[0] == '-' && !signed || word[len(word)-1] == '.' || strings.Contains(word, ".e") || strings.Contains(word, ".E") {
		return Value{}, false
	}
	f, err := strconv.ParseFloat(word, 64)
	if math.IsInf(f, 0) {
		return Value{}, true
	}
	return Number(f), err == nil
}

func onlyIn(s, characters string) bool {
	return strings.Trim(s, characters) == ""
}
