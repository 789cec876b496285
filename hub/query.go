package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
	"github.com/linarite/linarite/twin"
)

// MaxPageSize is how many rows a page of a query has at most, and has unless
// fewer are asked for. IoT Hub: contract.md §14.1.
const MaxPageSize = 100

// maxPageBytes ends a page early: twins may be large.
const maxPageBytes = 4 << 20

// QueryRequest asks for a page of what a query answers.
type QueryRequest struct {
	Text         string
	Continuation string // of the page before; empty for the first
	Size         int    // rows at most; what is not from 1 to MaxPageSize is MaxPageSize
}

// QueryPage is a page of what a query answers.
type QueryPage struct {
	JSON         []byte // an array
	ItemType     string // Twin, Raw or DeviceJob
	Continuation string // empty on the last page
}

// Query answers a query over the twins of devices or modules, or over jobs, of
// which there are none yet. Read page by page, a document that is there all the
// while is answered once, whatever is made, changed and deleted in between.
// Errors: 400004 for a query or a continuation that is wrong; that of ctx.
//
// Rows are in the order in which the identities were registered, those of GROUP
// BY in that of their values. IoT Hub: contract.md §14; the order is [unsourced].
func (h *Hub) Query(ctx context.Context, r QueryRequest) (QueryPage, error) {
	p, err := h.answer(ctx, r)
	outcome(err, &h.counts.queries, &h.counts.queriesFailed)
	h.counts.queryBytes.Add(uint64(len(p.JSON)))
	return p, err
}

func (h *Hub) answer(ctx context.Context, r QueryRequest) (QueryPage, error) {
	q, err := query.CompileQuery(r.Text)
	if err != nil {
		return QueryPage{}, err
	}
	from, err := h.continued(q, r.Continuation)
	if err != nil {
		return QueryPage{}, err
	}
	size := r.Size
	if size < 1 || size > MaxPageSize {
		size = MaxPageSize
	}
	if q.Top() > 0 {
		size = min(size, q.Top()-from.returned)
	}
	a := answer{hub: h, query: q, from: from, size: size, json: []byte{'['}}
	switch {
	case q.From() == query.Jobs:
		return a.page("DeviceJob"), nil
	case q.Groups() != nil:
		err = a.groups(ctx)
	default:
		err = a.rows(ctx)
	}
	if err != nil {
		return QueryPage{}, err
	}
	if q.All() {
		return a.page("Twin"), nil
	}
	return a.page("Raw"), nil
}

// answer is a page in the making.
type answer struct {
	hub   *Hub
	query *query.Query
	from  continuation
	size  int
	json  []byte
	count int
	next  continuation
	more  bool
}

func (a *answer) page(itemType string) QueryPage {
	p := QueryPage{JSON: append(a.json, ']'), ItemType: itemType}
	if a.more {
		a.next.returned = a.from.returned + a.count
		p.Continuation = a.hub.token(a.query, a.next)
	}
	return p
}

// full says whether there is no room for another row; if not, it makes room.
func (a *answer) full() bool {
	if a.count == a.size || len(a.json) > maxPageBytes {
		return true
	}
	if a.count > 0 {
		a.json = append(a.json, ',')
	}
	a.count++
	return false
}

// rows answers a query without groups: one row for each document.
func (a *answer) rows(ctx context.Context) error {
	atTop := a.query.Top() > 0 && a.from.returned+a.size == a.query.Top()
	return a.hub.scan(ctx, a.query, a.from.place, func(r *row) (bool, error) {
		var document []byte
		if a.query.All() {
			d, err := a.hub.document(r.twin.Identity(), r.twin.Twin())
			if err != nil {
				return true, nil //nolint:nilerr // it was deleted meanwhile
			}
			if document, err = json.Marshal(d); err != nil {
				return false, fmt.Errorf("write a twin: %w", err)
			}
		}
		if a.full() {
			a.more = true
			return false, nil
		}
		if document == nil {
			a.json = a.query.AppendRow(a.json, r.value())
		} else {
			a.json = append(a.json, document...)
		}
		a.next.place = r.twin.Place()
		return a.count < a.size || !atTop, nil
	})
}

// groups answers a query whose rows are groups of documents. All documents are
// read for each page.
func (a *answer) groups(ctx context.Context) error {
	groups := a.query.Groups()
	err := a.hub.scan(ctx, a.query, 0, func(r *row) (bool, error) {
		return true, groups.Add(r.value())
	})
	if err != nil {
		return err
	}
	for _, row := range groups.Rows(a.from.key, a.size+1) {
		if a.full() {
			a.more = a.query.Top() == 0 || a.from.returned+a.count < a.query.Top()
			break
		}
		a.json = append(a.json, row.JSON...)
		a.next.key = row.Key
	}
	return nil
}

// scan visits the documents behind a place that a query asks for, until visit
// is done. No lock is held meanwhile, and one processor is left to others.
func (h *Hub) scan(ctx context.Context, q *query.Query, place int64, visit func(*row) (goOn bool, err error)) error {
	const chunk = 256
	collection := twin.Devices
	if q.From() == query.Modules {
		collection = twin.Modules
	}
	page := make([]twin.Snapshot, 0, chunk)
	r := &row{hub: h}
	for {
		page = h.twins.Next(collection, place, page[:0])
		if len(page) == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		place = page[len(page)-1].Place()
		h.scans <- struct{}{}
		goOn, err := r.visit(q, page, visit)
		<-h.scans
		if !goOn || err != nil {
			return err
		}
		runtime.Gosched()
	}
}

// visit makes a row of each twin and visits those that the query asks for.
func (r *row) visit(q *query.Query, page []twin.Snapshot, visit func(*row) (bool, error)) (goOn bool, err error) {
	for i := range page {
		r.twin, r.joined = &page[i], false
		if !q.Matches(r.value()) {
			continue
		}
		if goOn, err = visit(r); !goOn || err != nil {
			return false, err
		}
	}
	return true, nil
}

// scansAtOnce is how many queries may read twins at a time, so that a processor
// is left for devices where there is more than one.
func scansAtOnce() int { return max(1, runtime.GOMAXPROCS(0)-1) }

func errContinuation() error {
	return iot.ErrArgumentInvalid.Because("The continuation token is malformed, or not one of this query.")
}
