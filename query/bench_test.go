package query_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
)

// sent is a message whose body is parsed once.
type sent struct {
	message
	raw    []byte
	parsed query.Value
	asked  bool
}

func (s *sent) Body() (query.Value, error) {
	if s.asked {
		return s.parsed, nil
	}
	v, err := query.ParseBody(s.raw, "application/json", "utf-8")
	s.parsed, s.asked = v, true
	return v, err
}

func conditions(b *testing.B, n int, format string) (all []*query.Condition) {
	b.Helper()
	for i := range n {
		c, err := query.CompileCondition(strings.ReplaceAll(format, "%d", fmt.Sprint(i)), query.ConditionOptions{})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// BenchmarkConditions is what a message costs with so many conditions, none of
// which holds.
func BenchmarkConditions(b *testing.B) {
	m := &sent{message: message{properties: iot.Properties{{Name: "kind", Value: "telemetry"}, {Name: "level", Value: "storage"}, {Name: "site", Value: "s7"}}}}
	members := strings.Repeat(`{"name":"a sensor's name","unit":"degrees","values":[20.5,21.25,19.75]},`, 12)
	m.raw = []byte(`{"sensors":[` + strings.TrimSuffix(members, ",") + `],"temperature":21.5,"deep":{"er":{"humidity":40}}}`)
	for _, c := range []struct {
		name   string
		n      int
		format string
	}{
		{"10 of a property", 10, "site = 'site-%d'"},
		{"100 of a property", 100, "site = 'site-%d'"},
		{"100 of two properties", 100, "level = 'storage' AND as_number(site) > %d"},
		{fmt.Sprintf("10 of a body of %d bytes", len(m.raw)), 10, "$body.temperature > 10%d AND $body.deep.er.humidity < 50"},
	} {
		all := conditions(b, c.n, c.format)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				m.asked = false
				for _, condition := range all {
					if got, _ := condition.Evaluate(m); got == query.True {
						b.Fatal("it holds")
					}
				}
			}
		})
	}
}

// BenchmarkLargeBody is what a message of 256 KB costs with as many references to
// its body as a condition can have, whatever is in it.
func BenchmarkLargeBody(b *testing.B) {
	const references = 300
	for name, c := range map[string]struct{ reference, body string }{
		"a member of many":  {"$body.s = 1", "{" + strings.Repeat(`"k":1,`, 43_000) + `"s":"x"}`},
		"an item of many":   {"$body.s[99999] = 2", `{"s":[` + strings.Repeat("1,", 128_000) + "1]}"},
		"a text of escapes": {"$body.s = 'x'", `{"s":"` + strings.Repeat(`\u0041`, 43_000) + `"}`},
		"a text to change":  {"lower($body.s)='x'", `{"s":"` + strings.Repeat("a", 256<<10) + `"}`},
	} {
		condition, err := query.CompileCondition(c.reference+strings.Repeat(" OR "+c.reference, references-1), query.ConditionOptions{})
		if err != nil {
			b.Fatal(name, err)
		}
		m := &sent{raw: []byte(c.body)}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.asked = false
				if got, _ := condition.Evaluate(m); got == query.True {
					b.Fatal("it holds")
				}
			}
		})
	}
}
