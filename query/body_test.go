package query_test

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/query"
)

func utf16Bytes(order binary.AppendByteOrder, s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return b
}

func utf32Bytes(order binary.AppendByteOrder, s string) (b []byte) {
	for _, r := range s {
		b = order.AppendUint32(b, uint32(r))
	}
	return b
}

// Source: contract.md §19.2, §19.3.
func TestBodiesInTheirEncodings(t *testing.T) {
	t.Parallel()
	const text = `{"a":"é€𝄞"}`
	for name, c := range map[string]struct {
		body           []byte
		kind, encoding string
	}{
		"UTF-8":                       {[]byte(text), "application/json", "utf-8"},
		"any case":                    {[]byte(text), "Application/JSON", "UTF-8"},
		"a charset":                   {[]byte(text), "application/json; charset=utf-8", "utf-8"},
		"UTF-16, the low byte first":  {utf16Bytes(binary.LittleEndian, text), "application/json", "utf-16"},
		"UTF-16, marked":              {utf16Bytes(binary.LittleEndian, "\uFEFF"+text), "application/json", "UTF-16"},
		"UTF-16, the high byte first": {utf16Bytes(binary.BigEndian, "\uFEFF"+text), "application/json", "UTF-16"},
		"UTF-32":                      {utf32Bytes(binary.LittleEndian, text), "application/json", "utf-32"},
		"UTF-32, the high byte first": {utf32Bytes(binary.BigEndian, "\uFEFF"+text), "application/json", "UTF-32"},
	} {
		v, err := query.ParseBody(c.body, c.kind, c.encoding)
		require.NoError(t, err, name)
		assert.JSONEq(t, text, string(v.AppendJSON(nil)), name)
	}
	for want, c := range map[string]struct{ body, kind, encoding string }{
		`the content type "text/plain" is not application/json`:                    {text, "text/plain", "utf-8"},
		`the content type (none) is not application/json`:                          {text, "", "utf-8"},
		`the content encoding (none) is none of UTF-8, UTF-16 and UTF-32`:          {text, "application/json", ""},
		`the content encoding "gzip" is none of UTF-8, UTF-16 and UTF-32`:          {text, "application/json", "gzip"},
		`the body is not UTF-16: it has 3 bytes`:                                   {"abc", "application/json", "utf-16"},
		`the body is not UTF-32: it has 5 bytes`:                                   {"abcde", "application/json", "utf-32"},
		`the JSON is malformed at byte 6`:                                          {`{"a":}`, "application/json", "utf-8"},
		`the JSON is malformed at byte 1`:                                          {"", "application/json", "utf-8"},
		`the body is not a JSON object`:                                            {`[{"a":1}]`, "application/json", "utf-8"},
		`the JSON is nested more than 64 deep`:                                     {nested(65), "application/json", "utf-8"},
		`the JSON is malformed at byte 9`:                                          {`{"a":1} x`, "application/json", "utf-8"},
		`the content type "application/jsonapplication/jsonapplicat..." is not ap`: {text, "application/jsonapplication/jsonapplication/json", "utf-8"},
	} {
		_, err := query.ParseBody([]byte(c.body), c.kind, c.encoding)
		require.ErrorContains(t, err, want)
	}
	_, err := query.ParseJSON([]byte(nested(64)))
	require.NoError(t, err)
}

func nested(depth int) string {
	s := "0"
	for range depth {
		s = `{"a":` + s + `}`
	}
	return s
}

func TestValuesAreLookedInto(t *testing.T) {
	t.Parallel()
	v, err := query.ParseJSON([]byte(` { "a" : [ 1 , {"b":"x\n"} , null ] , "n" : 1.50e2 , "a\u0062" : true, "t": false, "n" : 12345678901234567890 } `))
	require.NoError(t, err)
	json := func(v query.Value) string { return string(v.AppendJSON(nil)) }
	assert.Equal(t, `[1,{"b":"x\n"},null]`, json(v.Member("a")))
	assert.Equal(t, `"x\n"`, json(v.Member("a").Element(1).Member("b")))
	assert.Equal(t, "12345678901234567890", json(v.Member("n")), "the last of its name, as it was written")
	assert.Equal(t, "true", json(v.Member("ab")))
	for _, nothing := range []query.Value{v.Member("x"), v.Element(0), v.Member("a").Element(3), v.Member("n").Member("x"), query.NumberText("x")} {
		assert.False(t, nothing.IsDefined())
		assert.Equal(t, "null", json(nothing))
	}
	for want, made := range map[string]query.Value{
		"12": query.Number(12), "-0.5": query.Number(-0.5), "1e+300": query.Number(1e300), "null": query.Null(),
		`"a\"\\"`: query.String(`a"\`), "true": query.Boolean(true), "1.0": query.NumberText("1.0"),
	} {
		assert.Equal(t, want, json(made))
	}
}

// However often conditions ask for what is in a large body, they are told the
// same.
func TestALargeBodyIsSearchedAgainAndAgain(t *testing.T) {
	t.Parallel()
	const n = 5000
	var object, array strings.Builder
	for i := range n {
		fmt.Fprintf(&object, `"m%d":%d,`, i%(n/2), i) // each name twice: the last counts
		fmt.Fprintf(&array, `[%d],`, i)
	}
	body := fmt.Sprintf(`{%s"items":[%s0],"m\u0030":"first"}`, object.String(), array.String())
	v, err := query.ParseBody([]byte(body), "application/json", "utf-8")
	require.NoError(t, err)
	for range 3 {
		for _, i := range []int{1, 2, n/2 - 1} {
			assert.Equal(t, strconv.Itoa(n/2+i), string(v.Member(fmt.Sprintf("m%d", i)).AppendJSON(nil)))
		}
		assert.Equal(t, `"first"`, string(v.Member("m0").AppendJSON(nil)))
		assert.False(t, v.Member("none").IsDefined())
		items := v.Member("items")
		for _, i := range []int{0, 1, n - 1} {
			assert.Equal(t, strconv.Itoa(i), string(items.Element(i).Element(0).AppendJSON(nil)))
		}
		assert.Equal(t, "0", string(items.Element(n).AppendJSON(nil)))
		assert.False(t, items.Element(n+1).IsDefined())
	}
}

// IoT Hub: Newtonsoft.Json.
func TestALongNumberIsNoJSON(t *testing.T) {
	t.Parallel()
	_, err := query.ParseJSON([]byte(strings.Repeat("1", 380)))
	require.NoError(t, err)
	_, err = query.ParseJSON([]byte("[" + strings.Repeat("1", 381) + "]"))
	require.EqualError(t, err, "the JSON has a number of more than 380 characters")
}
