package query

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxBodyDepth bounds how deep objects and arrays of a body are nested.
// IoT Hub: the depth at which Newtonsoft.Json stops unless told otherwise.
const maxBodyDepth = 64

// maxNumber is how many characters a number has at most.
// IoT Hub: where Newtonsoft.Json stops reading an integer.
const maxNumber = 380

// document is parsed JSON: each object and array is followed by what is inside
// it. Its strings share the memory of the text, where they have no escapes.
//
// Looking for a member passes those before it. Where that comes to more than a
// document is worth, large objects and arrays get an index, so that the members
// that a device sends are not multiplied by the conditions that ask for some. For
// this a document is for one goroutine.
type document struct {
	elements []element
	passed   int                        // elements, by all searches so far
	members  map[int32]map[string]int32 // indexes of objects, by their places
	items    map[int32][]int32          // and of arrays
}

// element is one value of a document.
type element struct {
	name string // of a member
	text string // of a boolean or number its JSON, of a string what it says
	next int32  // index of the element behind this one and all inside it
	kind kind
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
		if p.beyond != nil {
			return Value{}, p.beyond
		}
		return Value{}, fmt.Errorf("the JSON is malformed at byte %d", min(p.at, len(p.text))+1)
	}
	return (&document{elements: p.elements}).value(0), nil
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
	if index, ok := d.members[at]; ok {
		if i, ok := index[name]; ok {
			return d.value(i)
		}
		return Value{}
	}
	found, passed := int32(-1), 0
	all := d.elements
	for i := at + 1; i < all[at].next; i = all[i].next {
		if all[i].name == name {
			found = i
		}
		passed++
	}
	if d.worn(passed) {
		d.indexMembers(at)
	}
	if found < 0 {
		return Value{}
	}
	return d.value(found)
}

// Element is an element of the array at a place.
func (d *document) Element(at int32, index int) Value {
	if items, ok := d.items[at]; ok {
		if index < len(items) {
			return d.value(items[index])
		}
		return Value{}
	}
	all := d.elements
	for i, passed := at+1, 0; i < all[at].next; i = all[i].next {
		if passed == index {
			if d.worn(passed) {
				d.indexItems(at)
			}
			return d.value(i)
		}
		passed++
	}
	return Value{}
}

// worn says whether the search that passed so many elements is one too many: an
// index is due.
func (d *document) worn(passed int) bool {
	const many, often = 64, 8
	d.passed += passed
	return passed > many && d.passed > often*len(d.elements)
}

func (d *document) indexMembers(at int32) {
	if d.members == nil {
		d.members = map[int32]map[string]int32{}
	}
	index := map[string]int32{}
	for i := at + 1; i < d.elements[at].next; i = d.elements[i].next {
		index[d.elements[i].name] = i
	}
	d.members[at] = index
}

func (d *document) indexItems(at int32) {
	if d.items == nil {
		d.items = map[int32][]int32{}
	}
	var items []int32
	for i := at + 1; i < d.elements[at].next; i = d.elements[i].next {
		items = append(items, i)
	}
	d.items[at] = items
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
	beyond   error // the bound that the text is beyond
	elements []element
}

// value reads the value of the member called name, and the space behind it.
func (p *jsonParser) value(name string) (ok bool) {
	i := len(p.elements)
	p.elements = append(p.elements, element{name: name})
	switch c := p.peek(); {
	case c == '"':
		var text string
		text, ok = p.str()
		p.elements[i].kind, p.elements[i].text = stringKind, text
	case c == '-' || c >= '0' && c <= '9':
		start := p.at
		if ok = p.number(); p.at-start > maxNumber {
			p.beyond = fmt.Errorf("the JSON has a number of more than %d characters", maxNumber)
			ok = false
		}
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
		p.beyond = fmt.Errorf("the JSON is nested more than %d deep", maxBodyDepth)
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
	name, ok := p.str()
	if !ok {
		return "", false
	}
	p.space()
	if !p.took(':') {
		return "", false
	}
	p.space()
	return name, true
}

// str reads a string and resolves its escapes.
func (p *jsonParser) str() (text string, ok bool) {
	p.at++
	start, escaped := p.at, false
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			text = p.text[start:p.at]
			p.at++
			if !escaped {
				return text, true
			}
			text, _, err := unescape(text, jsonEscapes)
			return text, err == nil
		case c == '\\':
			escaped = true
			p.at++
		case c < ' ':
			return "", false
		}
	}
	return "", false
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
