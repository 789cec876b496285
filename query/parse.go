package query

import (
	"strings"
	"unicode/utf8"
)

// maxNesting bounds how deep expressions are nested.
const maxNesting = 100

// parser reads expressions. Binary operators bind, from tight to loose:
//
//   - / %   then   + - ||   then   < <= > >=   then   = != <>   then   AND   then   OR   then   ??
//
// and to the left. Unary minus binds tighter than all of them. In a route
// condition so does NOT; in a query it binds tighter than AND, as in SQL
// [unsourced]. A query has no || and ??, but IN and NIN, which bind as = does.
//
// IoT Hub: contract.md §19.3 (Condition.g4), §14.2.
type parser struct {
	lexer
	token   token   // the next one
	changes bool    // twin_change_includes may be called
	fields  []*node // those of a query
	depth   int
}

// parserOf is at the first token of a text.
func parserOf(text string, route bool) *parser {
	p := &parser{lexer: lexer{text: text, route: route}}
	if utf8.RuneCountInString(text) > MaxLength {
		p.fail(0, "the text is longer than %d characters", MaxLength)
	}
	p.advance()
	return p
}

func (p *parser) advance() { p.token = p.next() }

// took passes the next token if it is the symbol or word.
func (p *parser) took(text string) bool {
	if p.err != nil || !p.token.is(text) {
		return false
	}
	p.advance()
	return true
}

// unexpected fails at the next token.
func (p *parser) unexpected() {
	if p.token.kind == endToken {
		p.fail(p.token.at, "unexpected end")
		return
	}
	p.fail(p.token.at, "unexpected '%s'", shortened(p.text[p.token.at:p.token.end]))
}

// infix is a binary operator with how tight it binds.
type infix struct {
	op    op
	power int
}

const (
	coalescePower = iota + 1
	orPower
	andPower
	queryNotPower
	equalPower
	comparePower
	addPower
	multiplyPower
	notPower
	negatePower
)

// infixes are the binary operators.
var infixes = map[string]infix{
	"??":  {coalesceOp, coalescePower},
	"or":  {orOp, orPower},
	"and": {andOp, andPower},
	"in":  {inOp, equalPower},
	"nin": {notInOp, equalPower},
	"=":   {equalOp, equalPower},
	"!=":  {unequalOp, equalPower},
	"<>":  {unequalOp, equalPower},
	"<":   {lessOp, comparePower},
	"<=":  {lessOrEqualOp, comparePower},
	">":   {greaterOp, comparePower},
	">=":  {greaterOrEqualOp, comparePower},
	"+":   {addOp, addPower},
	"-":   {subtractOp, addPower},
	"||":  {concatOp, addPower},
	"*":   {multiplyOp, multiplyPower},
	"/":   {divideOp, multiplyPower},
	"%":   {moduloOp, multiplyPower},
}

// operator is the binary operator that the next token is.
func (p *parser) operator() (b infix, ok bool) {
	if p.token.kind != symbolToken && p.token.kind != nameToken {
		return infix{}, false
	}
	b, ok = infixes[strings.ToLower(p.token.text)]
	return b, ok && !(p.route && (b.op == inOp || b.op == notInOp))
}

// expression reads an expression whose operators bind at least so tight. It is
// nil after an error.
func (p *parser) expression(power int) *node {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.token.at, "nested more than %d deep", maxNesting)
	}
	left := p.unary()
	for p.err == nil {
		b, ok := p.operator()
		if !ok || b.power < power {
			break
		}
		symbol := p.token
		p.advance()
		if b.op == inOp || b.op == notInOp {
			left = p.list(b.op, left)
			continue
		}
		left = p.join(b.op, symbol, left, p.expression(b.power+1))
	}
	p.depth--
	if p.err != nil {
		return nil
	}
	return left
}

// join makes a node of a binary operator.
func (p *parser) join(op op, symbol token, left, right *node) *node {
	if p.err != nil {
		return nil
	}
	n := &node{op: op, args: []*node{left, right}, at: left.at, end: right.end}
	if p.route {
		p.typeBinary(n, symbol)
	}
	return n
}

func (p *parser) unary() *node {
	at := p.token
	switch {
	case p.token.kind == symbolToken && p.token.text == "-":
		p.advance()
		return p.prefixed(negateOp, at, p.expression(negatePower))
	case p.token.kind == nameToken && p.token.is("not"):
		p.advance()
		power := queryNotPower
		if p.route {
			power = notPower
		}
		return p.prefixed(notOp, at, p.expression(power))
	}
	return p.primary()
}

func (p *parser) prefixed(op op, symbol token, operand *node) *node {
	if p.err != nil {
		return nil
	}
	n := &node{op: op, args: []*node{operand}, at: symbol.at, end: operand.end}
	if p.route {
		p.typeUnary(n, symbol)
	}
	return n
}

// primary reads a literal, a name, a call or an expression in parentheses.
func (p *parser) primary() *node {
	t := p.token
	switch t.kind {
	case stringToken:
		p.advance()
		return &node{value: String(t.text), typ: stringType, at: t.at, end: t.end}
	case numberToken:
		p.advance()
		typ := numberType
		if !t.number.IsDefined() {
			typ = undefinedType
		}
		return &node{value: t.number, typ: typ, at: t.at, end: t.end}
	case symbolToken:
		switch {
		case t.text == "(":
			return p.parenthesised()
		case t.text == "{" && p.route:
			return p.escapedName()
		}
	case nameToken, quotedToken:
		if n := p.constant(); n != nil {
			return n
		}
		if p.route {
			return p.routeName()
		}
		return p.queryName()
	}
	p.unexpected()
	return nil
}

func (p *parser) parenthesised() *node {
	opening := p.token
	p.advance()
	n := p.expression(coalescePower)
	if p.err != nil {
		return nil
	}
	n.at, n.end = opening.at, p.token.end
	switch {
	case p.took(")"):
		return n
	case p.token.kind == endToken:
		p.fail(opening.at, "missing closing ')'")
	default:
		p.unexpected()
	}
	return nil
}

// constant reads a constant that is a word, nil when the next token is none. In
// a route condition they are in lower case.
func (p *parser) constant() *node {
	t := p.token
	word := t.text
	if !p.route {
		word = strings.ToLower(word)
	}
	n := &node{at: t.at, end: t.end}
	switch {
	case t.kind == quotedToken:
		return nil
	case word == "true", word == "false":
		n.value, n.typ = Boolean(word == "true"), boolType
	case word == "null":
		n.value, n.typ = Null(), nullType
	case word == "undefined":
		n.typ = undefinedType
	default:
		return nil
	}
	p.advance()
	return n
}

// arguments reads the arguments of a call, up to and with the parenthesis.
func (p *parser) arguments() []*node {
	p.advance()
	var args []*node
	for !p.took(")") {
		if len(args) > 0 && !p.took(",") {
			p.unexpected()
		}
		args = append(args, p.expression(coalescePower))
		if p.err != nil {
			return nil
		}
	}
	return args
}

// call reads a call of a function.
func (p *parser) call(name token) *node {
	s, ok := functions[strings.ToLower(name.text)]
	if !ok {
		p.fail(name.at, "invalid built-in function '%s'", shortened(name.text))
		return nil
	}
	n := &node{op: callOp, function: s.function, args: p.arguments(), at: name.at, end: p.lastEnd(name)}
	if p.err != nil {
		return nil
	}
	if s.function == concatFunction {
		n.op = concatOp
	}
	p.typeCall(n, name, s)
	return n
}

// lastEnd is where the text read so far ends, white space left out.
func (p *parser) lastEnd(from token) int {
	return from.at + len(strings.TrimRight(p.text[from.at:p.token.at], " \t\r\n"))
}

// shortened is a piece of the text as an error shows it.
func shortened(s string) string { return cut(s, 40) }

// cut is at most so many bytes of a text, and dots where there are more.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
