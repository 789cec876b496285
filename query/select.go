package query

import "strings"

// Collection is what a query is over.
type Collection uint8

// The collections of documents.
const (
	Devices Collection = iota // twins of devices
	Modules                   // twins of modules
	Jobs                      // jobs, device by device
)

// Query is a compiled query. It may be used by many at once.
//
//	query      = "SELECT" [ "TOP" integer ] ( "*" / projection *( "," projection ) )
//	             "FROM" ( "devices" / "devices.modules" / "devices.jobs" )
//	             [ "WHERE" expression ] [ "GROUP" "BY" path *( "," path ) ]
//	projection = ( path / aggregate "(" [ path ] ")" ) [ "AS" name ]
//	aggregate  = "COUNT" / "AVG" / "SUM" / "MIN" / "MAX"
//	path       = name *( "." name )
//	name       = word / "[[" text "]]"
//
// Words are in any case. Words of the language are names only in [[ ]].
//
// IoT Hub: contract.md §14.2, iot-hub-devguide-query-language.md.
type Query struct {
	text    string
	from    Collection
	top     int // 0: all
	columns []column
	where   *node
	groups  []*node
}

// column is a projection: a path, or an aggregate of one.
type column struct {
	name      string
	path      *node // nil: COUNT()
	aggregate aggregate
	group     int // of a path in a query with groups: which one
}

// aggregate is a function over all rows of a group.
type aggregate uint8

const (
	noAggregate aggregate = iota
	countAggregate
	averageAggregate
	sumAggregate
	leastAggregate
	greatestAggregate
)

var aggregates = map[string]aggregate{
	"count": countAggregate,
	"avg":   averageAggregate,
	"sum":   sumAggregate,
	"min":   leastAggregate,
	"max":   greatestAggregate,
}

// reserved are the words of the language.
var reserved = map[string]bool{
	"select": true, "top": true, "from": true, "where": true, "group": true, "by": true, "as": true,
	"and": true, "or": true, "not": true, "in": true, "nin": true,
	"true": true, "false": true, "null": true, "undefined": true,
}

// CompileQuery reads a query. The error is a *SyntaxError that names the
// column.
func CompileQuery(text string) (*Query, error) {
	p := parserOf(text, false)
	q := &Query{text: text}
	p.expect("SELECT")
	p.top(q)
	columns := p.projections(q)
	p.expect("FROM")
	p.from(q)
	if p.took("WHERE") {
		q.where = p.expression(coalescePower)
	}
	if p.took("GROUP") {
		p.expect("BY")
		p.grouping(q)
	}
	p.finish()
	p.settle(q, columns)
	if p.err != nil {
		return nil, p.err
	}
	return q, nil
}

func (p *parser) expect(word string) {
	if !p.took(word) && p.err == nil {
		p.fail(p.token.at, "%s is expected", word)
	}
}

func (p *parser) top(q *Query) {
	if !p.took("TOP") {
		return
	}
	n := p.token.number
	if p.token.kind != numberToken || n.number < 1 || n.number != float64(int(n.number)) {
		p.fail(p.token.at, "a number from 1 on is expected behind TOP")
		return
	}
	q.top = int(n.number)
	p.advance()
}

// projections reads what is selected and returns where each column is written;
// nothing for `*`.
func (p *parser) projections(q *Query) (written []*node) {
	if p.took("*") {
		return nil
	}
	for p.err == nil {
		start := p.token
		c := p.projection()
		q.columns = append(q.columns, c)
		written = append(written, &node{at: start.at, end: p.token.at})
		if !p.took(",") {
			break
		}
	}
	return written
}

func (p *parser) projection() (c column) {
	t := p.token
	if a := aggregates[strings.ToLower(t.text)]; a != noAggregate && t.kind == nameToken && p.calls() {
		c.aggregate = a
		p.advance()
		p.advance()
		if !p.token.is(")") {
			c.path = p.field()
		}
		if !p.took(")") {
			p.unexpected()
		}
		if c.path == nil && a != countAggregate {
			p.fail(t.at, "%s needs a property", strings.ToUpper(t.text))
		}
	} else {
		c.path = p.field()
	}
	if p.took("AS") {
		c.name = p.name()
	}
	return c
}

// calls says whether a parenthesis is behind the next token.
func (p *parser) calls() bool {
	ahead := p.lexer
	t := ahead.next()
	return t.is("(")
}

// name reads one name, which is empty after an error.
func (p *parser) name() string {
	t := p.token
	switch {
	case t.kind == quotedToken && t.text == "":
		p.fail(t.at, "a name is missing in the brackets")
	case t.kind == quotedToken:
		p.advance()
		return t.text
	case t.kind == nameToken && reserved[strings.ToLower(t.text)]:
		p.fail(t.at, "unexpected '%s': as a name it is written [[%s]]", t.text, t.text)
	case t.kind == nameToken:
		p.advance()
		return t.text
	default:
		p.unexpected()
	}
	return ""
}

// field reads the path of a field, nil after an error.
func (p *parser) field() *node {
	n := &node{op: fieldOp, at: p.token.at}
	for {
		n.end = p.token.end
		n.path = append(n.path, step{name: p.name(), index: -1})
		if p.err != nil {
			return nil
		}
		if !p.took(".") {
			p.fields = append(p.fields, n)
			return n
		}
	}
}

// from reads the collection.
func (p *parser) from(q *Query) {
	start := p.token
	if !p.took("devices") {
		p.fail(start.at, "devices, devices.modules or devices.jobs is expected")
		return
	}
	if !p.took(".") {
		return
	}
	switch {
	case p.took("modules"):
		q.from = Modules
	case p.took("jobs"):
		q.from = Jobs
	default:
		p.fail(p.token.at, "modules or jobs is expected")
	}
}

func (p *parser) grouping(q *Query) {
	for p.err == nil {
		q.groups = append(q.groups, p.field())
		if !p.took(",") {
			return
		}
	}
}

// From is the collection the query is over.
func (q *Query) From() Collection { return q.from }

// Top is how many rows the query wants at most, 0 for all of them.
func (q *Query) Top() int { return q.top }

// All says whether whole documents are selected: SELECT *.
func (q *Query) All() bool { return q.columns == nil }

// String is the query as it was given.
func (q *Query) String() string { return q.text }

// Matches says whether a document is among those that are asked for: whether
// its WHERE is true.
func (q *Query) Matches(row Value) bool {
	if q.where == nil {
		return true
	}
	e := evaluation{row: row}
	return e.value(q.where).truth() == True
}

// AppendRow writes what is selected of a document; a property that it does not
// have is left out [unsourced].
func (q *Query) AppendRow(b []byte, row Value) []byte {
	b = append(b, '{')
	for i := range q.columns {
		b = appendMember(b, q.columns[i].name, walk(row, q.columns[i].path.path))
	}
	return append(b, '}')
}

// appendMember writes a member of an object, unless it is undefined.
func appendMember(b []byte, name string, v Value) []byte {
	if !v.IsDefined() {
		return b
	}
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(AppendQuoted(b, name), ':')
	return v.AppendJSON(b)
}
