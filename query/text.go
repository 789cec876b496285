package query

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings are counted in UTF-16 code units, as in .NET.
// IoT Hub: contract.md §19.3 (builtins/*.cs).

// ofText evaluates a call whose first argument is a string.
func (e *evaluation) ofText(n *node, a Value) Value {
	if n.function == asNumberFunction && a.kind == numberKind {
		return a
	}
	if a.kind != stringKind || !e.spend(len(a.text)) {
		return Value{}
	}
	switch n.function {
	case asNumberFunction:
		return asNumber(a.text)
	case lengthFunction:
		return Number(float64(units(a.text)))
	case lowerFunction:
		return String(strings.ToLower(a.text))
	case upperFunction:
		return String(strings.ToUpper(a.text))
	}
	b := e.value(n.args[1])
	if n.function == substringFunction {
		return e.substring(n, a.text, b)
	}
	if b.kind != stringKind {
		return Value{}
	}
	switch n.function {
	case indexOfFunction:
		return indexOf(a.text, b.text)
	case startsWithFunction:
		return Boolean(strings.HasPrefix(a.text, b.text))
	case endsWithFunction:
		return Boolean(strings.HasSuffix(a.text, b.text))
	}
	return Boolean(strings.Contains(a.text, b.text))
}

// indexOf is where the second string first stands in the first one, or -1.
func indexOf(s, part string) Value {
	i := strings.Index(s, part)
	if i < 0 {
		return Number(-1)
	}
	return Number(float64(units(s[:i])))
}

// substring is the part of a string from a place, up to its end or so long;
// undefined where the string has no such part.
func (e *evaluation) substring(n *node, s string, b Value) Value {
	all := units(s)
	from, ok := index(b, all)
	size := all - from
	if ok && len(n.args) > 2 {
		size, ok = index(e.value(n.args[2]), size)
	}
	if !ok {
		return Value{}
	}
	if all == len(s) {
		return String(s[from : from+size])
	}
	return String(string(utf16.Decode(utf16.Encode([]rune(s))[from : from+size])))
}

// index is a number as an index from 0 to most, its fraction cut off.
func index(v Value, most int) (int, bool) {
	f := math.Trunc(v.number)
	if v.kind != numberKind || f < 0 || f > float64(most) {
		return 0, false
	}
	return int(f), true
}

// units is how many UTF-16 code units a string has.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// asNumber is the number that a string says, undefined when it says none:
// white space around it, a sign, thousands parted by commas, a fraction, an
// exponent.
//
// IoT Hub: contract.md §19.3 (AsNumber.cs: .NET's NumberStyles.Any). Differs:
// parentheses for negative numbers and currency signs are not read.
func asNumber(s string) Value {
	s = strings.TrimSpace(s)
	if !onlyIn(s, "0123456789.,eE+-") {
		return Value{}
	}
	if whole, _, _ := strings.Cut(s, "."); strings.Contains(whole, ",") {
		s = strings.ReplaceAll(whole, ",", "") + s[len(whole):]
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Value{}
	}
	return Number(f)
}

// maxWork bounds how many bytes of strings one evaluation reads and makes.
const maxWork = 4 << 20

// spend counts what it costs to read and copy a string. An evaluation that
// costs too much gets no more of them.
func (e *evaluation) spend(n int) bool {
	if e.work += n; e.work > maxWork {
		e.err = errTooMuchWork
		return false
	}
	return true
}

// isDate says whether Newtonsoft.Json takes a string of a body for a date, as
// `2017-03-09T00:00:00.000Z`:
//
//	date = 4DIGIT "-" 2DIGIT "-" 2DIGIT "T" 2DIGIT ":" 2DIGIT ":" 2DIGIT [ "." 1*DIGIT ] [ "Z" / ("+" / "-") 2DIGIT [":"] 2DIGIT ]
func isDate(s string) bool {
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape) {
		return false
	}
	for i := range len(shape) {
		digit := s[i] >= '0' && s[i] <= '9'
		if shape[i] == '0' && !digit || shape[i] != '0' && s[i] != shape[i] {
			return false
		}
	}
	rest := s[len(shape):]
	if strings.HasPrefix(rest, ".") {
		fraction := strings.TrimLeft(rest[1:], "0123456789")
		if len(fraction) == len(rest)-1 {
			return false
		}
		rest = fraction
	}
	if rest == "" || rest == "Z" {
		return true
	}
	if rest[0] != '+' && rest[0] != '-' || !utf8.ValidString(rest) {
		return false
	}
	zone := strings.Replace(rest[1:], ":", "", 1)
	return len(zone) == 4 && onlyIn(zone, "0123456789")
}
