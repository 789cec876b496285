package seed

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// read makes a tree of a file: one YAML 1.2 document, without tags. Anchors,
// aliases and merge keys (`<<`) are welcome. What is wrong is noted in ps; of a
// file that is empty or no YAML there is no tree.
//
// What readers of YAML do not agree on has to be put in quotes: numbers that
// are no JSON, such as 0x1F, 1_000 and 007.
func read(data []byte, ps *problems) (root *node) {
	defer func() { // the library is known to panic over broken files
		if r := recover(); r != nil {
			root = nil
			ps.add(position{}, nil, "is not YAML")
		}
	}()
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if !checkText(data, ps) {
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if t, excess := tooMuch(tokens); excess != "" {
		ps.add(place(t), nil, "has %s", excess)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		ps.syntax(err)
		return nil
	}
	b := builder{problems: ps, anchors: map[string]*node{}}
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case root == nil:
			root = b.node(doc.Body, nil)
		default:
			ps.add(place(doc.Body.GetToken()), nil, "is a second document: there must be one")
			return nil
		}
	}
	return root
}

// remedies are what helps against the library's most frequent errors.
//
//nolint:gosec // it takes "token" and "key" for credentials
var remedies = map[string]string{
	"mapping value is not allowed in this context":       "check the indentation, and put text that has a colon in quotes",
	"value is not allowed in this context":               "check the indentation: the keys of a group start in one column",
	"found character '\t' that cannot start any token":   "indent with spaces",
	"non-map value is specified":                         "check the indentation, and the space after a colon or a dash",
	"unexpected key name":                                "there must be a space after the colon",
	"tab character cannot use as a map key directly":     "indent with spaces",
	"tab character cannot use as a sequence delimiter":   "indent with spaces",
	"could not find end character of double-quoted text": "a quotation mark is missing",
	"could not find end character of single-quoted text": "a quotation mark is missing",
}

// syntax notes an error of the library.
func (ps *problems) syntax(err error) {
	var located interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &located) {
		message := located.GetMessage()
		if remedy, ok := remedies[message]; ok {
			message += "; " + remedy
		}
		ps.add(place(located.GetToken()), nil, "is not YAML: %s", message)
	} else {
		ps.add(position{}, nil, "is not YAML")
	}
}

func place(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{t.Position.Line, t.Position.Column}
}

// builder makes our tree of the library's. In the place of a value that is
// wrong it puts nothing.
type builder struct {
	*problems
	anchors map[string]*node // by name, those whose value is complete
	aliased int
}

func (b *builder) node(n ast.Node, at *path) *node {
	switch n := n.(type) {
	case nil:
		return &node{size: 1}
	case *ast.AnchorNode:
		value := b.node(n.Value, at)
		b.anchors[n.Name.GetToken().Value] = value
		return value
	case *ast.AliasNode:
		return b.alias(n.Value.GetToken(), at)
	case *ast.MappingNode:
		start := place(n.Start)
		if !n.IsFlowStyle && len(n.Values) > 0 {
			start = place(n.Values[0].Key.GetToken())
		}
		return b.object(start, n.Values, at)
	case *ast.MappingValueNode:
		return b.object(place(n.Key.GetToken()), []*ast.MappingValueNode{n}, at)
	case *ast.SequenceNode:
		return b.list(n, at)
	}
	return b.scalar(n, at)
}

func (b *builder) list(n *ast.SequenceNode, at *path) *node {
	made := &node{kind: list, at: place(n.Start), size: 1}
	for i, v := range n.Values {
		e := b.node(v, at.element(i))
		if e.kind == null && i < len(n.Entries) { // it has no place, but its dash has
			e = &node{at: place(n.Entries[i].Start), size: 1}
		}
		made.elements = append(made.elements, e)
		made.size += e.size
	}
	return made
}

// alias is what an anchor before it stands for. Since an anchor is known when
// its value is complete, none can be in itself.
func (b *builder) alias(name *token.Token, at *path) *node {
	value, ok := b.anchors[name.Value]
	if !ok {
		return b.bad(place(name), at, "there is no anchor &%s before this", name.Value)
	}
	if b.aliased += value.size; b.aliased > maxAliased {
		return b.bad(place(name), at, "aliases stand for more than %d values in all", maxAliased)
	}
	return value
}

func (b *builder) object(start position, values []*ast.MappingValueNode, at *path) *node {
	made := &node{kind: object, at: start, size: 1}
	known := make(map[string]position, len(values))
	var merged []*node
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, b.node(v.Value, at.member("<<")))
			continue
		}
		key, where, ok := b.key(v.Key, at)
		inner := at.member(key)
		value := b.node(v.Value, inner)
		if !ok {
			continue
		}
		if first, twice := known[key]; twice {
			b.add(where, inner, "is there twice, first in line %d", first.line)
			continue
		}
		known[key] = where
		made.members = append(made.members, member{key, where, value})
		made.size += value.size
	}
	for _, from := range merged {
		b.merge(made, from, known, at)
	}
	return made
}

// merge adds what `<<` brings: the members of an object, or of each in a list,
// that are not there already.
func (b *builder) merge(to, from *node, known map[string]position, at *path) {
	switch from.kind {
	case list:
		for _, e := range from.elements {
			if e.kind == list {
				b.bad(e.at, at.member("<<"), "lists in a list cannot be merged")
			} else {
				b.merge(to, e, known, at)
			}
		}
	case object:
		for _, m := range from.members {
			if _, ok := known[m.key]; !ok {
				known[m.key] = m.at
				to.members = append(to.members, m)
				to.size += m.value.size
			}
		}
	default:
		b.bad(from.at, at.member("<<"), "takes a group of keys, as in << : *name")
	}
}

// key is the text of a key. Scalars that are no text are what they are in JSON.
func (b *builder) key(n ast.MapKeyNode, at *path) (key string, where position, ok bool) {
	value := b.node(n, at)
	switch value.kind {
	case list, object:
		b.bad(place(n.GetToken()), at, "has %s as a key: a key is text", value.kind)
		return "", value.at, false
	case null:
		return "null", place(n.GetToken()), true
	}
	return value.text, place(n.GetToken()), true
}

// scalar is a value without parts.
func (b *builder) scalar(n ast.Node, at *path) *node {
	made := &node{at: place(n.GetToken()), size: 1}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		made.kind, made.text = boolean, strconv.FormatBool(n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		made.kind, made.text = number, strings.TrimSpace(n.GetToken().Value)
		if !json.Valid([]byte(made.text)) {
			return b.bad(made.at, at, "%s is not a number as in JSON: put it in quotes if it is text", quoted(made.text))
		}
	case *ast.StringNode:
		made.kind, made.text = text, n.Value
	case *ast.LiteralNode:
		made.kind, made.text = text, n.Value.Value
	case *ast.TagNode:
		return b.bad(made.at, at, "tags such as !!str are not supported: put text in quotes")
	default:
		return b.bad(made.at, at, "%s has no place here", strings.ToLower(n.Type().String()))
	}
	return made
}

// bad notes a problem and is what stands in the place of the value.
func (b *builder) bad(where position, at *path, format string, args ...any) *node {
	b.add(where, at, format, args...)
	return &node{at: where, size: 1}
}
