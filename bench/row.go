package main

import "strconv"

// row is one figure of every broker it was measured with.
type row struct {
	Name    string            `json:"name"`
	Unit    string            `json:"unit"`
	Figures map[string]spread `json:"figures"` // by broker
	// Ratio is the hub's to Mosquitto's: the median of the rounds.
	Ratio *spread `json:"ratio,omitempty"`
	Must  string  `json:"must,omitempty"`
	Goal  string  `json:"goal,omitempty"`
	Good  bool    `json:"good"`
	Met   bool    `json:"goalMet"`
}

// newRow judges a figure. rounds are by broker.
func newRow(name, unit string, rounds map[string]series, b bound) row {
	r := row{
		Name: name, Unit: unit, Figures: map[string]spread{},
		Must: b.of(b.must, unit), Goal: b.of(b.goal, unit),
	}
	for broker, s := range rounds {
		r.Figures[broker] = s.spread()
	}
	judged := r.Figures[nameLinarite].Median
	if theirs, ok := rounds[nameMosquitto]; ok {
		ratio := rounds[nameLinarite].over(theirs).spread()
		r.Ratio = &ratio
		if !b.absolute {
			judged = ratio.Median
		}
	}
	r.Good, r.Met = b.keeps(judged, b.must), b.keeps(judged, b.goal)
	return r
}

// verdict says how the figure stands to what is demanded.
func (r row) verdict() string {
	switch {
	case r.Must == "" && r.Goal == "":
		return ""
	case !r.Good:
		return "MISSED"
	case r.Goal != "" && r.Met:
		return "goal"
	}
	return "ok"
}

// figure is a number with as many digits as it deserves.
func figure(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// decimals is a number with two digits after the point at most.
func decimals(v float64) string {
	return strconv.FormatFloat(v, 'f', -1, 64)
}
