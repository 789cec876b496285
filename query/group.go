package query

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
)

// Groups are the rows of a query with aggregates: documents are added, and rows
// come out in the order of what they are grouped by.
type Groups struct {
	query   *Query
	groups  map[string]*group
	size    int // bytes, about
	scratch []byte
}

// maxGroups bounds what the groups of a query take, in bytes: as many as there
// are documents, each with values as large as these, would be more than they are.
const maxGroups = 128 << 20

// What a group takes beside its values, and each of its columns.
const (
	groupSize = 256
	totalSize = 64
)

// group is all documents with the same values of what is grouped by.
type group struct {
	key    string
	values []string // JSON of each, "" where it is undefined
	totals []total  // of each column
}

// total is an aggregate so far.
type total struct {
	count int
	sum   float64
	best  Value
}

// Groups begins the rows of a query with aggregates or GROUP BY; nil for any
// other.
func (q *Query) Groups() *Groups {
	if !q.grouped() {
		return nil
	}
	g := &Groups{query: q, groups: map[string]*group{}}
	if q.groups == nil {
		g.group(Value{}) // there is one, whatever is added
	}
	return g
}

// Add counts a document. Error: ErrArgumentInvalid when the groups take too much
// memory.
func (g *Groups) Add(row Value) error {
	in := g.group(row)
	if g.size > maxGroups {
		return iot.ErrArgumentInvalid.Because("The groups of the query take more than %d bytes: group by less.", maxGroups)
	}
	for i := range g.query.columns {
		if c := &g.query.columns[i]; c.aggregate != noAggregate {
			in.totals[i].add(c, row)
		}
	}
	return nil
}

// group is the one that a document belongs to.
func (g *Groups) group(row Value) *group {
	b := g.scratch[:0]
	for _, path := range g.query.groups {
		b = appendKey(b, walk(row, path.path))
	}
	b = shortKey(b)
	g.scratch = b
	if found, ok := g.groups[string(b)]; ok {
		return found
	}
	made := &group{key: string(b), totals: make([]total, len(g.query.columns))}
	g.size += groupSize + len(b) + totalSize*len(made.totals)
	for _, path := range g.query.groups {
		text := ""
		if v := walk(row, path.path); v.IsDefined() {
			text = string(v.AppendJSON(nil))
		}
		made.values = append(made.values, text)
		g.size += len(text)
	}
	g.groups[made.key] = made
	return made
}

// appendKey writes a value so that equal ones, and only they, are the same, and
// others are in an order that people expect.
func appendKey(b []byte, v Value) []byte {
	b = append(b, '0'+byte(v.kind))
	switch v.kind {
	case numberKind:
		bits := math.Float64bits(v.number + 0) // -0 is 0
		if bits>>63 == 0 {
			bits |= 1 << 63
		} else {
			bits = ^bits
		}
		b = binary.BigEndian.AppendUint64(b, bits)
	case stringKind:
		b = append(b, strings.ReplaceAll(v.text, "\x00", "\x00\xff")...) // a zero alone is its end
	case undefinedKind, nullKind:
	default:
		b = v.AppendJSON(b)
	}
	return append(b, 0)
}

// shortKey makes of a key one of at most some hundred bytes that sorts as the key
// does, all but.
func shortKey(b []byte) []byte {
	const most = 64
	if len(b) <= most {
		return b
	}
	digest := sha256.Sum256(b)
	return append(b[:most], digest[:16]...)
}

// add counts a document. COUNT of a property counts where it is defined; the
// others pass over what they can do nothing with: AVG and SUM all but numbers,
// MIN and MAX all but primitive values [unsourced].
func (t *total) add(c *column, row Value) {
	if c.path == nil {
		t.count++
		return
	}
	v := walk(row, c.path.path)
	switch c.aggregate {
	case countAggregate:
		if v.IsDefined() {
			t.count++
		}
	case averageAggregate, sumAggregate:
		if v.kind == numberKind {
			t.count++
			t.sum += v.number
		}
	default:
		better := order(v, t.best) < 0
		if c.aggregate == greatestAggregate {
			better = order(v, t.best) > 0
		}
		if v.primitive() && (!t.best.IsDefined() || better) {
			t.best = v
		}
	}
}

// value is the aggregate of what was added; without anything to go by it is
// undefined, but a count.
func (t *total) value(a aggregate) Value {
	switch {
	case a == countAggregate:
		return Number(float64(t.count))
	case a == sumAggregate && t.count > 0:
		return Number(t.sum)
	case a == averageAggregate && t.count > 0:
		return Number(t.sum / float64(t.count))
	}
	return t.best
}

// Row is a row of a query with aggregates.
type Row struct {
	Key  string // to read on behind it: at most some hundred bytes
	JSON []byte
}

// Rows are the first n rows behind the one with a key, "" for the first of all.
func (g *Groups) Rows(after string, n int) []Row {
	var all []*group
	for _, in := range g.groups {
		if in.key > after || after == "" {
			all = append(all, in)
		}
	}
	slices.SortFunc(all, func(a, b *group) int { return strings.Compare(a.key, b.key) })
	var rows []Row
	for _, in := range all[:min(n, len(all))] {
		rows = append(rows, Row{in.key, g.query.appendGroup([]byte{'{'}, in)})
	}
	return rows
}

func (q *Query) appendGroup(b []byte, in *group) []byte {
	for i := range q.columns {
		c := &q.columns[i]
		if c.aggregate != noAggregate {
			b = appendMember(b, c.name, in.totals[i].value(c.aggregate))
			continue
		}
		if text := in.values[c.group]; text != "" {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(append(AppendQuoted(b, c.name), ':'), text...)
		}
	}
	return append(b, '}')
}
