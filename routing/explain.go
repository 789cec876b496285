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
// message or does not, and what becomes of the message. Error: 400004 when the
// configuration is not right.
func (c Config) Explain(m *Message, hub string, twins Twins) ([]Explanation, Decision, error) {
	t, err := Compile(c, hub, twins)
	if err != nil {
		return nil, Decision{}, err
	}
	d := t.Decide(m)
	all := make([]Explanation, len(c.Routes))
	for i, r := range c.Routes {
		all[i] = Explanation{Route: r}
		switch {
		case r.Disabled:
			all[i].Skipped = "disabled"
		case r.Source != m.Source:
			all[i].Skipped = "source"
		default:
			if all[i].Condition, err = r.explain(d.facts); err != nil {
				return nil, Decision{}, err
			}
			all[i].Matched = all[i].Condition.Outcome == query.True
		}
	}
	return all, d, nil
}

func (r Route) explain(f *facts) (query.Explanation, error) {
	condition, err := r.compile()
	if err != nil {
		return query.Explanation{}, err
	}
	if condition == nil {
		return query.Explanation{Outcome: query.True, Clause: "true", Column: 1}, nil
	}
	return condition.Explain(f), nil
}
