package query

// queryName reads what starts with a name in a query: a call, or the path of a
// field.
func (p *parser) queryName() *node {
	t := p.token
	n := &node{op: fieldOp, at: t.at}
	for {
		t = p.token
		if t.kind != nameToken && t.kind != quotedToken {
			p.unexpected()
			return nil
		}
		p.advance()
		if len(n.path) == 0 && t.kind == nameToken && p.token.is("(") {
			return p.call(t)
		}
		n.path = append(n.path, step{name: t.text, index: -1})
		n.end = t.end
		if !p.took(".") {
			return n
		}
	}
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
