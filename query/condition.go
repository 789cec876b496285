// Package query is IoT Hub's expression language: the conditions of routes and
// the queries over twins. Both have one lexer, parser and evaluator, in two
// dialects.
//
// IoT Hub: contract.md §14, §19.2, §19.3.
package query

import "github.com/linarite/linarite/iot"

// Facts is what a condition may ask about a message.
type Facts interface {
	// Property is an application property. Names are compared without case.
	Property(name string) (p iot.Property, ok bool)
	// System is a system property by its routing name without the `$`, such as
	// `connectionDeviceId` (contract.md §7.2, §19.2).
	System(name string) (value string, ok bool)
	// Body is the parsed body, as ParseBody makes it. It is asked for once per
	// `$body` in the condition, so it should be parsed but once. An error is
	// what Evaluate returns, unless the condition is decided without.
	Body() (Value, error)
	// Twin is the sender's twin: {"tags":…,"properties":{…}}.
	Twin() (v Value, ok bool)
}

// ConditionOptions is where a condition stands.
type ConditionOptions struct {
	// TwinChanges allows twin_change_includes: the route's source is
	// TwinChangeEvents.
	TwinChanges bool
}

// Condition is a compiled condition of a route. It may be evaluated by many at
// once.
type Condition struct {
	text string
	root *node
}

// CompileCondition reads the condition of a route; an empty one holds for every
// message. The error is a *SyntaxError that names the column.
//
// IoT Hub: contract.md §19.1, §19.3.
func CompileCondition(text string, o ConditionOptions) (*Condition, error) {
	p := parserOf(text, true)
	p.changes = o.TwinChanges
	root := &node{value: Boolean(true), typ: boolType}
	if p.err == nil && p.token.kind != endToken {
		root = p.expression(coalescePower)
		p.finish()
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Condition{text: text, root: root}, nil
}

// finish fails unless the text ends here.
func (p *parser) finish() {
	switch {
	case p.err != nil || p.token.kind == endToken:
	case p.token.is(")"):
		p.fail(p.token.at, "unmatched closing ')'")
	default:
		p.unexpected()
	}
}

// Evaluate says whether the condition holds for a message. Only True routes it.
// With an error, which is that of Body, the outcome is what it would be if the
// body had nothing that is defined.
//
// IoT Hub: contract.md §19.2, §19.3: an error is logged as RouteEvaluationError.
func (c *Condition) Evaluate(f Facts) (Truth, error) {
	e := evaluation{facts: f}
	t := conclude(e.value(c.root), c.root)
	return t, e.err
}

// conclude is the outcome that the whole condition's value means.
func conclude(v Value, n *node) Truth {
	if n.typ == nullType {
		return False
	}
	return v.truth()
}

// String is the condition as it was given.
func (c *Condition) String() string { return c.text }
