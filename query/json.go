package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxBodyDepth bounds how deep objects and arrays of a body are nested.
// IoT Hub: the depth at which Newtonsoft.Json stops unless told otherwise.
const maxBodyDepth = 64

// document is parsed JSON: each object and array is followed by what is inside
// it. Its strings share the memory of the text.
type document struct{ elements []element }

// element is one value of a document.
type element struct {
	name    string // of a member
	text    string // of a boolean, number or string: its JSON, a string's without quotes
	next    int32  // index of the element behind this one and all inside it
	kind    kind
	escaped bool // text is a string with escapes
}

// ParseJSON reads a JSON text (RFC 8259). Of members of one name the last
// counts; bytes that are not UTF-8 count as U+FFFD. The error says where the
// text goes wrong, in words that hold none of it.
//
//	object = "{" [ string ":" value *( "," string ":" value ) ] "}"
//	array  = "[" [ value *( "," value ) ] "]"
//	value  = object / array / string / number / "true" / "false" / "null"
func ParseJSON(text []byte) (Value, error) {
	s := string(text)
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	p := jsonParser{text: s}
	most := strings.Count(s, ",") + strings.Count(s, "{") + strings.Count(s, "[") + 1
	p.elements = make([]element, 0, most)
	p.space()
	if !p.value("") || p.at != len(p.text) {
		if p.deep {
			return Value{}, fmt.Errorf("the JSON is nested more than %d deep", maxBodyDepth)
		}
		return Value{}, fmt.Errorf("the JSON is malformed at byte %d", min(p.at, len(p.text))+1)
	}
	return (&document{p.elements}).value(0), nil
}

// value is the element at i.
func (d *document) value(i int32) Value {
	e := &d.elements[i]
	switch e.kind {
	case booleanKind:
		return Boolean(e.text == "true")
	case numberKind:
		return NumberText(e.text)
	case stringKind:
		if e.escaped {
			s, _, _ := unescape(e.text, jsonEscapes)
			return String(s)
		}
		return String(e.text)
	case nullKind:
		return Null()
	case arrayKind:
		return Array(d, i)
	}
	return Object(d, i)
}

// Member is a member of the object at a place. IoT Hub: the last of its name.
func (d *document) Member(at int32, name string) Value {
	found := int32(-1)
	all := d.elements
	for i := at + 1; i < all[at].next; i = all[i].next {
		if all[i].name == name {
			found = i
		}
	}
	if found < 0 {
		return Value{}
	}
	return d.value(found)
}

// Element is an element of the array at a place.
func (d *document) Element(at int32, index int) Value {
	all := d.elements
	for i := at + 1; i < all[at].next; i = all[i].next {
		if index == 0 {
			return d.value(i)
		}
		index--
	}
	return Value{}
}

// AppendJSON writes the element at a place.
func (d *document) AppendJSON(b []byte, at int32) []byte {
	opening, closing := byte('{'), byte('}')
	all := d.elements
	switch all[at].kind {
	case arrayKind:
		opening, closing = '[', ']'
	case objectKind:
	default:
		return d.value(at).AppendJSON(b)
	}
	b = append(b, opening)
	for i := at + 1; i < all[at].next; i = all[i].next {
		if i > at+1 {
			b = append(b, ',')
		}
		if opening == '{' {
			b = append(AppendQuoted(b, all[i].name), ':')
		}
		b = d.AppendJSON(b, i)
	}
	return append(b, closing)
}

type jsonParser struct {
	text     string
	at       int
	depth    int
	deep     bool // gave up because of the depth
	elements []element
}

// value reads the value of the member called name, and the space behind it.
func (p *jsonParser) value(name string) (ok bool) {
	i := len(p.elements)
	p.elements = append(p.elements, element{name: name})
	switch c := p.peek(); {
	case c == '"':
		var text string
		var escaped bool
		text, escaped, ok = p.str()
		p.elements[i].kind, p.elements[i].text, p.elements[i].escaped = stringKind, text, escaped
	case c == '-' || c >= '0' && c <= '9':
		start := p.at
		ok = p.number()
		p.elements[i].kind, p.elements[i].text = numberKind, p.text[start:p.at]
	case c == '{':
		p.elements[i].kind = objectKind
		ok = p.nested('}')
	case c == '[':
		p.elements[i].kind = arrayKind
		ok = p.nested(']')
	default:
		ok = p.literal(&p.elements[i])
	}
	p.elements[i].next = int32(len(p.elements))
	p.space()
	return ok
}

// nested reads an object or array up to and with what closes it.
func (p *jsonParser) nested(closing byte) bool {
	if p.depth++; p.depth > maxBodyDepth {
		p.deep = true
		return false
	}
	p.at++
	p.space()
	if p.took(closing) {
		p.depth--
		return true
	}
	for {
		name := ""
		if closing == '}' {
			var ok bool
			if name, ok = p.name(); !ok {
				return false
			}
		}
		if !p.value(name) {
			return false
		}
		if p.took(closing) {
			p.depth--
			return true
		}
		if !p.took(',') {
			return false
		}
		p.space()
	}
}

// name reads the name of a member and the colon behind it.
func (p *jsonParser) name() (string, bool) {
	if p.peek() != '"' {
		return "", false
	}
	name, escaped, ok := p.str()
	if !ok {
		return "", false
	}
	if escaped {
		name, _, _ = unescape(name, jsonEscapes)
	}
	p.space()
	if !p.took(':') {
		return "", false
	}
	p.space()
	return name, true
}

// str reads a string and checks its escapes.
func (p *jsonParser) str() (text string, escaped, ok bool) {
	p.at++
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			text = p.text[start:p.at]
			p.at++
			if escaped {
				_, _, err := unescape(text, jsonEscapes)
				return text, true, err == nil
			}
			return text, false, true
		case c == '\\':
			escaped = true
			p.at++
		case c < ' ':
			return "", false, false
		}
	}
	return "", false, false
}

func (p *jsonParser) number() bool {
	p.took('-')
	if !p.took('0') && !p.digits() {
		return false
	}
	if p.took('.') && !p.digits() {
		return false
	}
	if p.took('e') || p.took('E') {
		if !p.took('+') {
			p.took('-')
		}
		return p.digits()
	}
	return true
}

func (p *jsonParser) digits() bool {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

func (p *jsonParser) literal(e *element) bool {
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.text[p.at:], word) {
			p.at += len(word)
			e.kind, e.text = booleanKind, word
			if word == "null" {
				e.kind = nullKind
			}
			return true
		}
	}
	return false
}

// peek is the next byte, or 0 at the end, where no rule accepts 0.
func (p *jsonParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *jsonParser) took(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *jsonParser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}
