package twin

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// maxIgnored bounds the depth of what is parsed only to be dropped.
const maxIgnored = 64

// parser reads JSON (RFC 8259) into a document and checks the rules for names
// and values on the way, so that it never goes deeper than they allow:
//
//	object = "{" [ string ":" value *( "," string ":" value ) ] "}"
//	array  = "[" [ value *( "," value ) ] "]"
//	value  = object / array / string / number / "true" / "false" / "null"
type parser struct {
	text     string
	at       int
	nodes    document
	readOnly bool // drop $metadata and $version of the whole
	ignoring bool // inside one of these: no rules
	depth    int
	arrays   int // how many arrays we are in
}

// parse reads a section, or a patch of one, appending its nodes to nodes. With
// readOnly, the members `$metadata` and `$version` of the section are left
// out; otherwise they are refused like all names with a `$`. Of members of one
// name the last counts. Errors are ErrArgumentInvalid.
//
// IoT Hub: contract.md §9.2, §10.2, §10.3.
func parse(body string, nodes document, readOnly bool) (document, error) {
	if !utf8.ValidString(body) {
		return nil, iot.ErrArgumentInvalid.Because("The JSON is not valid UTF-8.")
	}
	p := parser{text: body, nodes: nodes, readOnly: readOnly}
	p.space()
	if p.peek() != '{' {
		return nil, iot.ErrArgumentInvalid.Because("The section of the twin must be a JSON object.")
	}
	if err := p.value(""); err != nil {
		return nil, err
	}
	if p.at != len(p.text) {
		return nil, p.malformed()
	}
	return p.nodes, nil
}

// value reads the value of the member called name, and the space behind it.
func (p *parser) value(name string) error {
	i := len(p.nodes)
	p.nodes = append(p.nodes, node{name: name, size: characters(name)})
	var err error
	switch c := p.peek(); {
	case c == '{':
		err = p.container(i, objectKind)
	case c == '[':
		err = p.container(i, arrayKind)
	case c == '"':
		err = p.stringValue(&p.nodes[i])
	case c == '-' || c >= '0' && c <= '9':
		err = p.numberValue(&p.nodes[i])
	default:
		err = p.literal(&p.nodes[i])
	}
	p.nodes[i].next = int32(len(p.nodes))
	p.space()
	return err
}

func (p *parser) container(i int, k kind) error {
	p.nodes[i].kind = k
	if p.depth > maxIgnored || p.depth > MaxDepth && !p.ignoring {
		return errTooDeep()
	}
	p.depth++
	p.at++
	p.space()
	var err error
	if k == objectKind {
		err = p.members(i)
	} else {
		p.arrays++
		err = p.elements()
		p.arrays--
	}
	p.depth--
	return err
}

// members reads the members of the object at i, up to and with its brace.
func (p *parser) members(i int) error {
	if p.took('}') {
		return nil
	}
	var seen siblings
	for {
		member := len(p.nodes)
		if err := p.member(); err != nil {
			return err
		}
		if len(p.nodes) > member {
			seen.add(p.nodes, i+1, member)
		}
		if p.took('}') {
			return nil
		}
		if !p.took(',') {
			return p.malformed()
		}
		p.space()
	}
}

func (p *parser) member() error {
	if p.peek() != '"' {
		return p.malformed()
	}
	_, name, err := p.str()
	if err != nil {
		return err
	}
	p.space()
	if !p.took(':') {
		return p.malformed()
	}
	p.space()
	if p.readOnly && p.depth == 1 && (name == "$metadata" || name == "$version") {
		return p.ignored()
	}
	if !p.ignoring {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return p.value(name)
}

// ignored reads a value and drops it.
func (p *parser) ignored() error {
	member := len(p.nodes)
	p.ignoring = true
	err := p.value("")
	p.ignoring = false
	p.nodes = p.nodes[:member]
	return err
}

// elements reads the elements of an array, up to and with its bracket.
func (p *parser) elements() error {
	if p.took(']') {
		return nil
	}
	for {
		if err := p.value(""); err != nil {
			return err
		}
		if p.took(']') {
			return nil
		}
		if !p.took(',') {
			return p.malformed()
		}
		p.space()
	}
}

func (p *parser) stringValue(n *node) error {
	raw, s, err := p.str()
	if err != nil {
		return err
	}
	n.kind, n.text = stringKind, raw
	n.size += characters(s)
	if p.ignoring {
		return nil
	}
	return checkString(n.name, s)
}

// str reads a string and returns its JSON, with no more escapes than it needs,
// and what it says. A surrogate without its partner becomes U+FFFD.
func (p *parser) str() (raw, s string, err error) {
	start, escaped := p.at, false
	for p.at++; ; p.at++ {
		switch c := p.peek(); {
		case c == '"':
			p.at++
			raw = p.text[start:p.at]
			if !escaped {
				return raw, raw[1 : len(raw)-1], nil
			}
			if s, err = unescaped(raw); err != nil {
				return "", "", p.malformed()
			}
			return string(query.AppendQuoted(nil, s)), s, nil
		case c == '\\':
			escaped = true
			p.at++
		case c < ' ':
			return "", "", p.malformed()
		}
	}
}

func unescaped(raw string) (s string, err error) {
	err = json.Unmarshal([]byte(raw), &s)
	return s, err
}

func (p *parser) numberValue(n *node) error {
	start := p.at
	p.took('-')
	if !p.took('0') && !p.digits() {
		return p.malformed()
	}
	if p.took('.') && !p.digits() {
		return p.malformed()
	}
	if p.took('e') || p.took('E') {
		if !p.took('+') {
			p.took('-')
		}
		if !p.digits() {
			return p.malformed()
		}
	}
	n.kind, n.text = numberKind, p.text[start:p.at]
	n.size += numberSize
	if p.ignoring {
		return nil
	}
	return checkNumber(n.name, n.text)
}

func (p *parser) digits() bool {
	start := p.at
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	return p.at > start
}

func (p *parser) literal(n *node) error {
	for _, word := range [...]string{"true", "false", "null"} {
		if !strings.HasPrefix(p.text[p.at:], word) {
			continue
		}
		p.at += len(word)
		if word != "null" {
			n.kind, n.text = booleanKind, word
			n.size += booleanSize
			return nil
		}
		n.kind, n.size = nullKind, 0
		if p.arrays > 0 && !p.ignoring {
			return errNullInArray()
		}
		return nil
	}
	return p.malformed()
}

// peek is the next byte, or 0 at the end, where no rule accepts 0.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) took(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) space() {
	for {
		switch p.peek() {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) malformed() error {
	return iot.ErrArgumentInvalid.Because("The JSON is malformed at byte %d.", min(p.at, len(p.text)))
}
