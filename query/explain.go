package query

import "slices"

// maxSeen bounds a value that an explanation shows, in bytes.
const maxSeen = 1024

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
	Value string // JSON, cut where it is long, or `undefined`
}

// Explain evaluates the condition for a message and says which part of it
// decided: of an AND that fails the operand that fails, of an OR that holds the
// one that holds, of either one that is undefined the operand that is.
func (c *Condition) Explain(f Facts) Explanation {
	e := &evaluation{facts: f, truths: map[*node]Truth{}}
	v := e.value(c.root)
	x := Explanation{Outcome: conclude(v, c.root), Err: e.err}
	n := e.decisive(c.root, v.truth())
	clause := lexer{text: c.text}
	clause.fail(n.at, "")
	x.Clause, x.Column = c.text[n.at:n.end], clause.err.Column
	e.see(n, c.text, &x)
	return x
}

// decisive is the part of an expression that its truth hangs on.
func (e *evaluation) decisive(n *node, whole Truth) *node {
	for {
		switch n.op {
		case notOp:
			n = n.args[0]
			whole = e.truths[n]
			continue
		case andOp, orOp:
			if next := e.decisiveOperand(n, whole); next != nil {
				n = next
				continue
			}
		}
		return n
	}
}

// decisiveOperand is the first operand with the truth of the whole, nil when
// both were needed.
func (e *evaluation) decisiveOperand(n *node, whole Truth) *node {
	if n.op == andOp && whole == True || n.op == orOp && whole == False {
		return nil
	}
	for _, a := range n.args {
		if truth, asked := e.truths[a]; asked && truth == whole {
			return a
		}
	}
	return nil
}

// see notes what an expression asks for.
func (e *evaluation) see(n *node, text string, x *Explanation) {
	switch n.op {
	case propertyOp, systemOp, userOp, bodyOp, twinOp:
		name := text[n.at:n.end]
		if slices.ContainsFunc(x.Seen, func(s Seen) bool { return s.Name == name }) {
			return
		}
		value := "undefined"
		if v := e.value(n); v.IsDefined() {
			value = cut(string(v.AppendJSON(nil)), maxSeen)
		}
		x.Seen = append(x.Seen, Seen{Name: name, Value: value})
	default:
		for _, a := range n.args {
			e.see(a, text, x)
		}
	}
}
