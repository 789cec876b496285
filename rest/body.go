package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
)

// Limits of a request's body; all are our own, above all that IoT Hub lets
// pass: a twin is 40 KB of values, a method's payload 128 KB.
const (
	maxBody   = 512 << 10 // bytes
	maxDepth  = 100       // objects and arrays inside one another
	maxValues = 10_000    // in a section of a twin, empty ones included, which weigh nothing there
)

// decode reads the body, one JSON object, into v. The content type is not looked
// at; members that v lacks are ignored, names match in any case. Errors: 413000;
// 400005 for no body; 400012 for what is not such JSON.
func (c *call) decode(v any) error {
	body, err := c.readBody()
	if err != nil {
		return err
	}
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0 || string(body) == "null":
		return iot.ErrArgumentNull.Because("The body is missing.")
	case !utf8.Valid(body):
		return iot.ErrDeserialization.Because("The body is not UTF-8.")
	}
	if depth, _ := shape(body); depth > maxDepth {
		return iot.ErrDeserialization.Because("The body nests deeper than %d levels.", maxDepth)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return malformed(err)
	}
	return nil
}

// readBody is the whole body, in one piece of memory where its length is known.
func (c *call) readBody() ([]byte, error) {
	if c.ContentLength > maxBody {
		return nil, errBodyTooLarge()
	}
	var b bytes.Buffer
	b.Grow(int(max(c.ContentLength, 0)) + bytes.MinRead)
	_, err := b.ReadFrom(c.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, errBodyTooLarge()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", iot.ErrBadRequest.Because("The body did not arrive whole."), err)
	}
	return b.Bytes(), nil
}

func errBodyTooLarge() error {
	return iot.ErrEntityTooLarge.Because("The body is larger than %d bytes.", maxBody)
}

// malformed says what is wrong with a body, in words that hold none of it.
func malformed(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return iot.ErrDeserialization.Because("The body is not valid JSON: at byte %d, %s.", syntax.Offset, syntax)
	case errors.As(err, &kind) && kind.Field == "":
		return iot.ErrDeserialization.Because("The body must be a JSON object.")
	case errors.As(err, &kind):
		return iot.ErrDeserialization.Because("The member '%s' of the body is of the wrong type.", kind.Field)
	}
	return iot.ErrDeserialization
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
