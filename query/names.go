package query

import (
	"strconv"
	"strings"
)

// routeName reads a name of a route condition:
//
//	name = property / "$" system / "$body." path / "$twin." path / function "(" …
//
// An application property whose own name starts with `$` comes before what the
// name would mean otherwise, unless it stands in braces.
//
// IoT Hub: contract.md §19.2, §19.3 (ConditionVisitor.cs). There the documents
// say the contrary; IoT Edge's code is believed.
func (p *parser) routeName() *node {
	t := p.token
	p.advance()
	if t.text[0] != '$' || t.text == "$" {
		if p.token.kind == symbolToken && p.token.text == "(" {
			if strings.EqualFold(t.text, "twin_change_includes") {
				return p.changed(t)
			}
			return p.call(t)
		}
		return &node{op: propertyOp, name: t.text, typ: stringType, at: t.at, end: t.end}
	}
	n := p.dollarName(t)
	if n == nil || strings.ContainsAny(t.text, "[]") {
		return n
	}
	return &node{op: userOp, name: t.text, typ: n.typ, args: []*node{n}, at: t.at, end: t.end}
}

// escapedName reads `{$x}`, which is never an application property.
func (p *parser) escapedName() *node {
	opening := p.token
	p.advance()
	t := p.token
	if t.kind != nameToken || t.text[0] != '$' || t.text == "$" {
		p.unexpected()
		return nil
	}
	p.advance()
	closing := p.token
	if !p.took("}") {
		p.unexpected()
		return nil
	}
	n := p.dollarName(t)
	if n != nil {
		n.at, n.end = opening.at, closing.end
	}
	return n
}

// dollarName is what a name with a `$` means when no application property has
// it. `$body` and `$twin` are in any case. The whole of them, or an element of
// it, cannot be had.
func (p *parser) dollarName(t token) *node {
	root, path, _ := strings.Cut(t.text[1:], ".")
	whole, _, _ := strings.Cut(root, "[")
	n := &node{op: systemOp, name: t.text[1:], typ: stringType, at: t.at, end: t.end}
	switch strings.ToLower(whole) {
	case "body":
		n.op = bodyOp
	case "twin":
		n.op = twinOp
	default:
		if i := strings.IndexAny(t.text, "[]"); i >= 0 {
			p.fail(t.at+i, "a name cannot contain '%c'", t.text[i])
			return nil
		}
		return n
	}
	if len(whole) < len(t.text)-1 && whole == root {
		n.typ = dynamicType
		n.path = p.path(path, t.at+len("$")+len(root)+len("."))
		return n
	}
	p.fail(t.at, "a path into %s is needed, such as $%s.name", "$"+whole, whole)
	return nil
}

// path takes a path into a JSON object apart:
//
//	path = part *( "." part )
//	part = name [ "[" 1*DIGIT "]" ]
//
// IoT Hub: contract.md §19.3 (JsonPath.g4).
func (p *parser) path(text string, at int) []step {
	var steps []step
	for part := range strings.SplitSeq(text, ".") {
		name, index, indexed := strings.Cut(part, "[")
		if name == "" || strings.Contains(name, "]") {
			p.fail(at, "a name is missing in the path")
			return nil
		}
		steps = append(steps, step{name: name, index: -1})
		if indexed {
			at += len(name)
			digits, closed := strings.CutSuffix(index, "]")
			i, err := strconv.Atoi(digits)
			if !closed || err != nil || !onlyIn(digits, "0123456789") {
				p.fail(at, "one number is expected in the brackets")
				return nil
			}
			steps = append(steps, step{index: i})
			at -= len(name)
		}
		at += len(part) + len(".")
	}
	return steps
}

// changed reads twin_change_includes with its one argument, a path into the
// body of a twin change event.
//
// IoT Hub: contract.md §19.3 (TwinChangeIncludes.cs, TwinChangeJsonPathValidator.cs).
func (p *parser) changed(name token) *node {
	if !p.changes {
		p.fail(name.at, "twin_change_includes is for the source TwinChangeEvents only")
		return nil
	}
	p.advance()
	t := p.token
	if t.kind != nameToken || t.text[0] == '$' {
		p.fail(name.at, "twin_change_includes needs a path")
		return nil
	}
	p.advance()
	if !p.took(")") {
		p.unexpected()
		return nil
	}
	lower := strings.ToLower(t.text)
	if !strings.HasPrefix(lower, "properties.reported.") && !strings.HasPrefix(lower, "properties.desired.") && !strings.HasPrefix(lower, "tags.") {
		p.fail(t.at, "the path must start with properties.reported., properties.desired. or tags.")
		return nil
	}
	return &node{op: changedOp, typ: boolType, path: p.path(t.text, t.at), at: name.at, end: p.lastEnd(name)}
}
