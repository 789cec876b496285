package routing

import "github.com/linarite/linarite/query"

// Explanation is why a route takes a message, or does not.
type Explanation struct {
	Route   Route
	Matched bool
	// Skipped says why the route was not asked: "disabled" or "source". Empty when
	// it was.
	Skipped string
	// Condition is how its condition came out, and which clause decided that.
	Condition query.Explanation
}

// Explain says for each route, in the order of the configuration, why it takes a
// message or does not, and what becomes of the message. Twins, unless nil, stand in
// for those there are.
func (t *Table) Explain(m *Message, twins Twins) ([]Explanation, Decision) {
	if twins == nil {
		twins = t.twins
	}
	d := t.decide(m, twins)
	asked := t.routes[m.Source] // those that are enabled, in the same order
	all := make([]Explanation, len(t.config.Routes))
	for i, r := range t.config.Routes {
		all[i] = Explanation{Route: r}
		switch {
		case r.Disabled:
			all[i].Skipped = "disabled"
		case r.Source != m.Source:
			all[i].Skipped = "source"
		default:
			all[i].Condition = asked[0].explain(d.facts)
			all[i].Matched = all[i].Condition.Outcome == query.True
			asked = asked[1:]
		}
	}
	return all, d
}

func (r *compiled) explain(f *facts) query.Explanation {
	if r.condition == nil {
		return query.Explanation{Outcome: query.True, Clause: "true", Column: 1}
	}
	return r.condition.Explain(f)
}
