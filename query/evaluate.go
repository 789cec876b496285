package query

import (
	"errors"
	"math"
	"strings"
)

var errTooMuchWork = errors.New("the strings are too long to be worked on")

// evaluation is one evaluation of an expression: what it is about, and what has
// gone wrong.
type evaluation struct {
	facts Facts // of a route condition; nil in a query
	row   Value // of a query
	err   error
	work  int

	truths map[*node]Truth // of the operands of AND, OR and NOT; nil when nobody asks
}

// value evaluates a node.
func (e *evaluation) value(n *node) Value {
	switch n.op {
	case literalOp:
		return n.value
	case propertyOp, systemOp, userOp, bodyOp, twinOp, changedOp:
		return e.fact(n)
	case fieldOp:
		return walk(e.row, n.path)
	case andOp, orOp, notOp:
		return e.logical(n)
	case lessOp, lessOrEqualOp, greaterOp, greaterOrEqualOp, equalOp, unequalOp:
		return e.compare(n.op, e.value(n.args[0]), e.value(n.args[1])).value()
	case coalesceOp:
		if v := e.value(n.args[0]); v.primitive() {
			return v
		}
		return e.value(n.args[1])
	case inOp, notInOp:
		return e.among(n)
	case concatOp:
		return e.concat(n)
	case callOp:
		return e.call(n)
	}
	return e.arithmetic(n)
}

// fact is what the message or its sender's twin has.
//
// IoT Hub: contract.md §19.3: what a body does not have is null; what an
// application or system property does not have is undefined.
func (e *evaluation) fact(n *node) Value {
	switch n.op {
	case propertyOp, userOp:
		p, ok := e.facts.Property(n.name)
		switch {
		case ok && p.Null:
			return Null()
		case ok:
			return String(p.Value)
		case n.op == userOp:
			return e.value(n.args[0])
		}
		return Value{}
	case systemOp:
		s, ok := e.facts.System(n.name)
		if !ok {
			return Value{}
		}
		return String(s)
	case twinOp:
		twin, ok := e.facts.Twin()
		if !ok {
			return Value{}
		}
		return missingIsNull(walk(twin, n.path))
	}
	body, err := e.facts.Body()
	if err != nil {
		e.err = err
		return Value{}
	}
	v := missingIsNull(walk(body, n.path))
	if n.op == changedOp {
		return Boolean(v.kind != nullKind)
	}
	if v.kind == stringKind && isDate(v.text) {
		return Value{}
	}
	return v
}

func missingIsNull(v Value) Value {
	if !v.IsDefined() {
		return Null()
	}
	return v
}

// logical is three-valued: undefined AND false is false, undefined OR true is
// true. Beside it null has a logic of its own, but only as a constant.
//
// IoT Hub: contract.md §19.3 (Bool.cs, Null.cs).
func (e *evaluation) logical(n *node) Value {
	l := e.truth(n.args[0])
	if n.op == notOp {
		return l.negated().value()
	}
	decisive := True
	if n.op == andOp {
		decisive = False
	}
	if n.typ == nullType {
		return Null()
	}
	if l == decisive {
		return decisive.value()
	}
	r := e.truth(n.args[1])
	switch {
	case r == decisive:
		return r.value()
	case l == Undefined || r == Undefined:
		return Value{}
	}
	return l.value()
}

// truth is that of an operand; null as a constant is false.
func (e *evaluation) truth(operand *node) Truth {
	t := e.value(operand).truth()
	if operand.typ == nullType {
		t = False
	}
	if e.truths != nil {
		e.truths[operand] = t
	}
	return t
}

// compare compares two primitive values; with anything else the outcome is
// undefined. In a route condition values of different types are in the order of
// their types; in a query they are unequal, and neither is less [unsourced].
// Strings are compared character by character.
//
// IoT Hub: contract.md §19.3 (QueryValue.cs, ComparisonOperators.cs), §14.2.
func (e *evaluation) compare(op op, l, r Value) Truth {
	if !l.primitive() || !r.primitive() {
		return Undefined
	}
	if l.kind != r.kind && e.facts == nil && op != equalOp && op != unequalOp {
		return Undefined
	}
	c := order(l, r)
	var holds bool
	switch op {
	case lessOp:
		holds = c < 0
	case lessOrEqualOp:
		holds = c <= 0
	case greaterOp:
		holds = c > 0
	case greaterOrEqualOp:
		holds = c >= 0
	case equalOp:
		holds = c == 0
	default:
		holds = c != 0
	}
	if holds {
		return True
	}
	return False
}

// order is negative, zero or positive as l is before, like or behind r.
func order(l, r Value) int {
	switch {
	case l.kind != r.kind:
		return int(l.kind) - int(r.kind)
	case l.kind == stringKind:
		return strings.Compare(l.text, r.text)
	case l.number < r.number:
		return -1
	case l.number > r.number:
		return 1
	}
	return 0
}

// among is IN and NIN: undefined when what is looked for is no primitive value.
func (e *evaluation) among(n *node) Value {
	v := e.value(n.args[0])
	if !v.primitive() {
		return Value{}
	}
	for _, a := range n.args[1:] {
		if v.kind == a.value.kind && order(v, a.value) == 0 {
			return Boolean(n.op == inOp)
		}
	}
	return Boolean(n.op == notInOp)
}

// concat joins strings; null is the empty one.
// IoT Hub: contract.md §19.3 (Concat.cs).
func (e *evaluation) concat(n *node) Value {
	var b []byte
	for _, a := range n.args {
		v := e.value(a)
		if v.kind != stringKind && v.kind != nullKind || !e.spend(len(v.text)) {
			return Value{}
		}
		b = append(b, v.text...)
	}
	return String(string(b))
}

// arithmetic is with doubles; what is no number (3 % 0) is undefined.
func (e *evaluation) arithmetic(n *node) Value {
	l := e.value(n.args[0])
	if l.kind != numberKind {
		return Value{}
	}
	if n.op == negateOp {
		return Number(-l.number)
	}
	r := e.value(n.args[1])
	if r.kind != numberKind {
		return Value{}
	}
	switch n.op {
	case multiplyOp:
		return Number(l.number * r.number)
	case divideOp:
		return Number(l.number / r.number)
	case moduloOp:
		return Number(math.Mod(l.number, r.number))
	case addOp:
		return Number(l.number + r.number)
	}
	return Number(l.number - r.number)
}
