package query

// Explanation is why a condition came out as it did.
type Explanation struct {
	Outcome Truth
	Clause  string // the part of the condition that decided it, as written
	Column  int    // where it starts, in characters from 1
	Seen    []Seen // what that part asked for
	Err     error  // why the body could not be read
}

// Seen is something a condition asked for.
type Seen struct {
	Name  string // as written, such as `level` or `$body.a[0]`
	Value string // JSON, or `undefined`
}

// Explain evaluates the condition for a message and says which part of it
// decided: of an AND that fails the operand that fails, of an OR that holds the
// one that holds, of either one that is undefined the operand that is.
func (c *Condition) Explain(f Facts) Explanation {
	e := &evaluation{facts: f}
	outcome := conclude(e.value(c.root), c.root)
	n := e.decisive(c.root)
	clause := lexer{text: c.text}
	clause.fail(n.at, "")
	x := Explanation{Outcome: outcome, Clause: c.text[n.at:n.end], Column: clause.err.Column}
	e.see(n, c.text, &x)
	x.Err = e.err
	return x
}

// decisive is the part of an expression that its truth hangs on.
func (e *evaluation) decisive(n *node) *node {
	for {
		switch n.op {
		case notOp:
			n = n.args[0]
			continue
		case andOp, orOp:
			if next := e.decisiveOperand(n); next != nil {
				n = next
				continue
			}
		}
		return n
	}
}

// decisiveOperand is the first operand with the truth of the whole, nil when
// both were needed.
func (e *evaluation) decisiveOperand(n *node) *node {
	whole := e.value(n).truth()
	if n.op == andOp && whole == True || n.op == orOp && whole == False {
		return nil
	}
	for _, a := range n.args {
		if operandTruth(e.value(a), a.typ) == whole {
			return a
		}
	}
	return nil
}

// see notes what an expression asks for.
func (e *evaluation) see(n *node, text string, x *Explanation) {
	switch n.op {
	case propertyOp, systemOp, userOp, bodyOp, twinOp:
		s := Seen{Name: text[n.at:n.end], Value: "undefined"}
		if v := e.value(n); v.IsDefined() {
			s.Value = string(v.AppendJSON(nil))
		}
		for _, other := range x.Seen {
			if other == s {
				return
			}
		}
		x.Seen = append(x.Seen, s)
	default:
		for _, a := range n.args {
			e.see(a, text, x)
		}
	}
}
