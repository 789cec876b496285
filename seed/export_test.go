package seed

import "reflect"

// Field is a field as the tests see it.
type Field struct {
	Key      string
	Required bool
	Rule     string
	Index    []int
}

// Fields lists the fields of a struct.
func Fields(t reflect.Type) []Field {
	var all []Field
	for _, f := range fieldsOf(t) {
		all = append(all, Field{f.key, f.required, f.rule, f.index})
	}
	return all
}

// Range is what a rule says of numbers.
func Range(rule string) (least, most int) { return rules[rule].min, rules[rule].max }

// Text is what a rule says of texts.
func Text(rule string) (pattern string, choices []string) {
	if p := rules[rule].pattern; p != nil {
		pattern = p.String()
	}
	return pattern, rules[rule].choices
}

// DurationPattern is what durations look like.
func DurationPattern() string { return durationPattern.String() }
