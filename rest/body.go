package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
)

// Limits of a request's body; all are our own, above all that IoT Hub lets
// pass: a twin is 40 KB of values, a method's payload 128 KB.
const (
	maxBody   = 512 << 10 // bytes
	maxBulk   = 8 << 20   // of a request for a hundred identities with their twins
	maxDepth  = 100       // objects and arrays inside one another
	maxValues = 10_000    // in a section of a twin, empty ones included, which weigh nothing there
)

// decode reads the body, one JSON object, into v. The content type is not looked
// at; members that v lacks are ignored, names match in any case. Errors: 413000;
// 400005 for no body; 400012 for what is not such JSON.
func (c *call) decode(v any) error {
	body, err := c.document(maxBody)
	if err != nil {
		return err
	}
	defer c.parsing(body)()
	if err := json.Unmarshal(body, v); err != nil {
		return malformed(err)
	}
	return nil
}

// largeBody is from how many bytes on a body takes long to parse.
const largeBody = 16 << 10

// parsing has a large body parsed while no other is, so that processors are left
// for devices. The function ends that.
func (c *call) parsing(body []byte) (end func()) {
	if len(body) < largeBody {
		return func() {}
	}
	c.parser.Lock()
	return c.parser.Unlock
}

// decodeList reads the body, a JSON array, element by element into what element
// gives it, up to most elements; tooMany is the error for more. Errors: those of
// decode and of element.
func (c *call) decodeList(limit int64, most int, tooMany error, element func(*json.Decoder) error) error {
	body, err := c.document(limit)
	if err != nil {
		return err
	}
	if body[0] != '[' {
		return iot.ErrDeserialization.Because("The body must be a JSON array.")
	}
	defer c.parsing(body)()
	d := json.NewDecoder(bytes.NewReader(body))
	_, err = d.Token()
	for n := 0; err == nil && d.More(); n++ {
		if n == most {
			return tooMany
		}
		err = element(d)
	}
	if err == nil {
		_, err = d.Token()
	}
	if err == nil && d.InputOffset() != int64(len(body)) {
		return iot.ErrDeserialization.Because("The body is not valid JSON: there is more behind its end.")
	}
	if told := (*iot.Error)(nil); err == nil || errors.As(err, &told) {
		return err
	}
	return malformed(err)
}

// document is the body without white space around it, at most limit bytes of
// UTF-8, not nested deeply.
func (c *call) document(limit int64) ([]byte, error) {
	body, err := c.readBody(limit)
	if err != nil {
		return nil, err
	}
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0 || string(body) == "null":
		return nil, iot.ErrArgumentNull.Because("The body is missing.")
	case !utf8.Valid(body):
		return nil, iot.ErrDeserialization.Because("The body is not UTF-8.")
	}
	if depth, _ := shape(body); depth > maxDepth {
		return nil, iot.ErrDeserialization.Because("The body nests deeper than %d levels.", maxDepth)
	}
	return body, nil
}

// readBody is the whole body, in one piece of memory where its length is known.
func (c *call) readBody(limit int64) ([]byte, error) {
	if c.ContentLength > limit {
		return nil, errBodyTooLarge(limit)
	}
	var b bytes.Buffer
	b.Grow(int(max(c.ContentLength, 0)) + bytes.MinRead)
	_, err := b.ReadFrom(http.MaxBytesReader(c.writer, c.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, errBodyTooLarge(limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", iot.ErrBadRequest.Because("The body did not arrive whole."), err)
	}
	return b.Bytes(), nil
}

func errBodyTooLarge(limit int64) error {
	return iot.ErrEntityTooLarge.Because("The body is larger than %d bytes.", limit)
}

// malformed says what is wrong with a body, in words that hold none of it.
func malformed(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return iot.ErrDeserialization.Because("The body is not valid JSON: unexpected end.")
	case errors.As(err, &syntax):
		return iot.ErrDeserialization.Because("The body is not valid JSON: at byte %d, %s.", syntax.Offset, syntax)
	case errors.As(err, &kind) && kind.Field == "":
		return iot.ErrDeserialization.Because("The body must be a JSON object.")
	case errors.As(err, &kind):
		return iot.ErrDeserialization.Because("The member '%s' of the body is of the wrong type.", member(kind.Field))
	}
	return iot.ErrDeserialization
}

// member is a member's path without our own structures that are embedded in a
// body's.
func member(path string) string {
	for _, embedded := range []string{"deviceSettings.", "twinBody."} {
		path = strings.TrimPrefix(path, embedded)
	}
	return path
}

// shape is how deep objects and arrays are nested in text that need not be valid
// JSON, and at most how many values it has.
func shape(text []byte) (depth, values int) {
	level, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			values++
			depth = max(depth, level)
		case c == '}' || c == ']':
			level--
		case c == ',':
			values++
		}
	}
	return depth, values + 1
}
