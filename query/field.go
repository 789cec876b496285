package query

import "strings"

// queryFunctions are the functions that queries have: IS_DEFINED, and those of
// strings. Differs: the documents name IS_DEFINED only, but STARTSWITH is what
// Microsoft's own samples call, so the others are offered too.
//
// IoT Hub: contract.md §14.2, iot-hub-devguide-query-language.md.
func queryFunctions(f builtin) bool {
	return f == isDefinedFunction || f >= concatFunction
}

// queryName reads what starts with a name in a query: a call, or the path of a
// field.
func (p *parser) queryName() *node {
	t := p.token
	if t.kind == quotedToken || !p.calls() {
		return p.field()
	}
	p.advance()
	lower := strings.ToLower(t.text)
	switch {
	case aggregates[lower] != noAggregate:
		p.fail(t.at, "%s can be selected only", strings.ToUpper(t.text))
	case functions[lower].function != 0 && !queryFunctions(functions[lower].function):
		p.fail(t.at, "%s is for the conditions of routes only", strings.ToUpper(t.text))
	}
	if p.err != nil {
		return nil
	}
	return p.call(t)
}

// list reads the constants behind IN or NIN:
//
//	list = "[" constant *( "," constant ) "]"
//
// IoT Hub: contract.md §14.2.
func (p *parser) list(op op, left *node) *node {
	n := &node{op: op, args: []*node{left}, at: left.at}
	if !p.took("[") {
		p.unexpected()
		return nil
	}
	for {
		c := p.unary()
		if p.err != nil {
			return nil
		}
		if c.op == negateOp && c.args[0].value.kind == numberKind {
			c = &node{value: Number(-c.args[0].value.number), at: c.at, end: c.end}
		}
		if c.op != literalOp {
			p.fail(c.at, "a constant is expected")
			return nil
		}
		n.args = append(n.args, c)
		n.end = p.token.end
		switch {
		case p.took("]"):
			return n
		case !p.took(","):
			p.unexpected()
			return nil
		}
	}
}
