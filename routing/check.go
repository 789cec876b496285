package routing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// Limits of a configuration. IoT Hub: contract.md §19.1, §19.4, §21 (paid hubs).
const (
	MaxRoutes      = 100
	MaxEndpoints   = 10
	MaxEnrichments = 10
	// MaxCondition and MaxValue are in bytes [unsourced].
	MaxCondition = 8 << 10
	MaxValue     = 8 << 10
)

// maxName is the longest name of a route or endpoint.
const maxName = 64

// Problem is what is wrong with a part of a configuration.
type Problem struct {
	Section string // "routes", "endpoints", "enrichments"
	Index   int    // in the section; -1 when it is about the section
	Member  string // "name", "source", "condition", "endpointNames", "key", "value"
	Element int    // in the member; -1 when that is no list
	Text    string
}

// String is the problem with its place.
func (p Problem) String() string {
	place := p.Section
	if p.Index >= 0 {
		place = fmt.Sprintf("%s[%d].%s", place, p.Index, p.Member)
	}
	if p.Element >= 0 {
		place = fmt.Sprintf("%s[%d]", place, p.Element)
	}
	return place + ": " + p.Text
}

// checker gathers what is wrong.
type checker struct {
	problems   []Problem
	endpoints  map[string]bool    // the names there are
	conditions []*query.Condition // of the routes; nil where it always holds
}

func (c *checker) add(section string, index int, member, format string, args ...any) {
	c.problems = append(c.problems, Problem{
		Section: section, Index: index, Member: member, Element: -1, Text: fmt.Sprintf(format, args...),
	})
}

// Check says what is wrong with a configuration, but for the settings of its
// endpoints, which are their types' own.
//
// IoT Hub: contract.md §19; the names' rules are those of the resource's Swagger.
func (c Config) Check() []Problem {
	_, problems := c.check()
	return problems
}

// check is Check, and the routes' conditions.
func (c Config) check() ([]*query.Condition, []Problem) {
	k := checker{endpoints: map[string]bool{Builtin: true}}
	k.count("endpoints", len(c.Endpoints), MaxEndpoints)
	for i, e := range c.Endpoints {
		k.endpoint(i, e)
	}
	k.count("routes", len(c.Routes), MaxRoutes)
	names := map[string]bool{}
	for i, r := range c.Routes {
		k.route(i, r, names)
	}
	k.count("enrichments", len(c.Enrichments), MaxEnrichments)
	keys := map[string]bool{}
	for i, e := range c.Enrichments {
		k.enrichment(i, e, keys)
	}
	return k.conditions, k.problems
}

func (c *checker) count(section string, n, most int) {
	if n > most {
		c.add(section, -1, "", "there are %d, %d are allowed", n, most)
	}
}

// reserved are names that a custom endpoint cannot have.
var reserved = []string{Builtin, "operationsMonitoringEvents", "fileNotifications", "$default"}

func (c *checker) endpoint(i int, e Endpoint) {
	switch {
	case !validName(e.Name):
		c.add("endpoints", i, "name", "%s", sayName)
	case slices.ContainsFunc(reserved, func(s string) bool { return strings.EqualFold(s, e.Name) }):
		c.add("endpoints", i, "name", "%s is reserved", e.Name)
	case c.endpoints[strings.ToLower(e.Name)]:
		c.add("endpoints", i, "name", "there is an endpoint %s before this", e.Name)
	case e.Type == "":
		c.add("endpoints", i, "type", "is missing")
	}
	c.endpoints[strings.ToLower(e.Name)] = true
}

func (c *checker) route(i int, r Route, names map[string]bool) {
	switch {
	case !validName(r.Name):
		c.add("routes", i, "name", "%s", sayName)
	case names[strings.ToLower(r.Name)]:
		c.add("routes", i, "name", "there is a route %s before this", r.Name)
	}
	names[strings.ToLower(r.Name)] = true
	if !slices.Contains(Sources(), r.Source) {
		c.add("routes", i, "source", "must be %s, not %q", either(Sources()), r.Source)
	}
	c.targets("routes", i, r.Endpoints)
	condition, err := r.compile()
	if err != nil {
		c.add("routes", i, "condition", "%s", reason(err))
	}
	c.conditions = append(c.conditions, condition)
}

func (c *checker) enrichment(i int, e Enrichment, keys map[string]bool) {
	switch {
	case !validKey(e.Key):
		c.add("enrichments", i, "key", "must be letters, digits, hyphens, underscores and dots")
	case keys[strings.ToLower(e.Key)]: // conditions and the control API do not tell them apart
		c.add("enrichments", i, "key", "there is an enrichment %s before this", e.Key)
	}
	keys[strings.ToLower(e.Key)] = true
	if err := checkValue(e.Value); err != nil {
		c.add("enrichments", i, "value", "%s", reason(err))
	}
	c.targets("enrichments", i, e.Endpoints)
}

// targets are the endpoints that a route or an enrichment names.
func (c *checker) targets(section string, i int, names []string) {
	if len(names) == 0 {
		c.add(section, i, "endpointNames", "must name an endpoint")
	}
	seen := map[string]bool{}
	for j, name := range names {
		text := ""
		key := strings.ToLower(name)
		switch {
		case !c.endpoints[key]:
			text = fmt.Sprintf("there is no endpoint %q", name)
		case seen[key]:
			text = name + " stands here twice"
		}
		seen[key] = true
		if text != "" {
			c.problems = append(c.problems, Problem{section, i, "endpointNames", j, text})
		}
	}
}

const sayName = "must be 1 to 64 letters, digits, hyphens, dots and underscores"

func validName(s string) bool { return len(s) <= maxName && validKey(s) }

func validKey(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_'
	}) < 0
}

// either lists choices: `a, b or c`.
func either(choices []Source) string {
	words := make([]string, len(choices))
	for i, s := range choices {
		words[i] = string(s)
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// invalid is the problems of a configuration as an error, or nil.
func invalid(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	words := make([]string, len(problems))
	for i, p := range problems {
		words[i] = p.String()
	}
	return iot.ErrArgumentInvalid.Because("%s", strings.Join(words, "; "))
}
