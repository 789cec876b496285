package routing

import (
	"errors"
	"math/bits"
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// Set is some of a hub's endpoints, a bit each: 0 for the built-in one, i+1 for
// the endpoint i of the configuration.
type Set uint16

// BuiltinSet is the built-in endpoint alone.
const BuiltinSet Set = 1

// Has says whether an endpoint is in the set.
func (s Set) Has(endpoint int) bool { return s&(1<<endpoint) != 0 }

// Len counts the endpoints.
func (s Set) Len() int { return bits.OnesCount16(uint16(s)) }

// Table is a configuration that is ready to be asked. It is immutable.
type Table struct {
	routes      map[Source][]compiled
	fallback    bool
	direct      bool // device messages all go to the built-in endpoint as they are
	config      Config
	enrichments [MaxEndpoints + 1][]enrichment
	twins       Twins
}

// compiled is a route at work.
type compiled struct {
	name      string
	condition *query.Condition // nil: every message
	endpoints Set
}

// Compile makes a table for the hub of a name. Error: 400004, which names every
// problem there is.
func Compile(c Config, hub string, twins Twins) (*Table, error) {
	conditions, problems := c.check()
	if err := invalid(problems); err != nil {
		return nil, err
	}
	t := &Table{config: c, routes: map[Source][]compiled{}, fallback: !c.Fallback.Disabled, twins: twins}
	for i, r := range c.Routes {
		if !r.Disabled {
			t.routes[r.Source] = append(t.routes[r.Source], compiled{r.Name, conditions[i], c.set(r.Endpoints)})
		}
	}
	for _, e := range c.Enrichments {
		made := newEnrichment(e, hub)
		for i, set := 0, c.set(e.Endpoints); i <= len(c.Endpoints); i++ {
			if set.Has(i) {
				t.enrichments[i] = append(t.enrichments[i], made)
			}
		}
	}
	t.direct = t.fallback && len(t.routes[DeviceMessages]) == 0 && len(t.enrichments[0]) == 0
	return t, nil
}

// compile is the route's condition, nil when it always holds. Error: 400004,
// which names the column.
func (r Route) compile() (*query.Condition, error) {
	text := strings.TrimSpace(r.Condition)
	if text == "" || text == "true" {
		return nil, nil
	}
	if len(r.Condition) > MaxCondition {
		return nil, iot.ErrArgumentInvalid.Because("has %d bytes, %d are allowed", len(r.Condition), MaxCondition)
	}
	return query.CompileCondition(r.Condition, query.ConditionOptions{TwinChanges: r.Source == TwinChangeEvents})
}

// set is the endpoints of some names.
func (c Config) set(names []string) (s Set) {
	for _, name := range names {
		if strings.EqualFold(name, Builtin) {
			s |= BuiltinSet
			continue
		}
		i := slices.IndexFunc(c.Endpoints, func(e Endpoint) bool { return strings.EqualFold(e.Name, name) })
		s |= 1 << (i + 1)
	}
	return s
}

// Direct says whether all device messages go to the built-in endpoint, as they
// are: there is nothing to ask then.
func (t *Table) Direct() bool { return t.direct }

// Wants says whether any message of a source goes anywhere.
func (t *Table) Wants(s Source) bool {
	return len(t.routes[s]) > 0 || s == DeviceMessages && t.fallback
}

// Decision is what becomes of one message.
type Decision struct {
	Endpoints Set  // none: the message is orphaned
	Fallback  bool // it is the fallback route that took it

	// The first routes whose conditions were undefined, and could not be
	// evaluated for the reason Err.
	Undefined, Failed string
	Err               error

	table *Table
	facts *facts
}

// Decide asks the routes of a message's source, all of them.
//
// IoT Hub: contract.md §19.1; only what is true routes a message (§19.3).
func (t *Table) Decide(m *Message) Decision { return t.decide(m, t.twins) }

func (t *Table) decide(m *Message, twins Twins) Decision {
	d := Decision{table: t, facts: &facts{message: m, twins: twins}}
	routes := t.routes[m.Source]
	for i := range routes {
		if d.matches(&routes[i]) {
			d.Endpoints |= routes[i].endpoints
		}
	}
	if d.Endpoints == 0 && m.Source == DeviceMessages && t.fallback {
		d.Endpoints, d.Fallback = BuiltinSet, true
	}
	return d
}

// Names are the endpoints that the message goes to.
func (d *Decision) Names() []string {
	names := []string{}
	if d.Endpoints.Has(0) {
		names = append(names, Builtin)
	}
	for i, e := range d.table.config.Endpoints {
		if d.Endpoints.Has(i + 1) {
			names = append(names, e.Name)
		}
	}
	return names
}

func (d *Decision) matches(r *compiled) bool {
	if r.condition == nil {
		return true
	}
	truth, err := r.condition.Evaluate(d.facts)
	switch {
	case err != nil && d.Failed == "":
		d.Failed, d.Err = r.name, err
	case err == nil && truth == query.Undefined && d.Undefined == "":
		d.Undefined = r.name
	}
	return truth == query.True
}

// reason is an error's text without its name.
func reason(err error) string {
	var e *iot.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
