package seed_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/seed"
)

// The schema has the keys that the code has, and says of each what the code
// does: its type, its pattern, its limits, its choices.
func TestTheSchemaSaysWhatTheCodeDoes(t *testing.T) {
	t.Parallel()
	s := theSchema(t)
	assert.Equal(t, "https://json-schema.org/draft/2020-12/schema", s.root["$schema"])
	s.compare("", s.root, reflect.TypeFor[seed.File](), "")
}

func TestEverySettingAndDefinitionIsDescribed(t *testing.T) {
	t.Parallel()
	s := theSchema(t)
	for _, f := range seed.Fields(reflect.TypeFor[seed.File]()) {
		assert.NotEmpty(t, s.root["properties"].(object)[f.Key].(object)["description"], f.Key)
	}
	used := map[string]bool{}
	for _, ref := range regexp.MustCompile(`"#/\$defs/(\w+)"`).FindAllStringSubmatch(seed.Schema, -1) {
		used[ref[1]] = true
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(s.root["$defs"].(object))), slices.Collect(maps.Keys(used)))
	for name, def := range s.root["$defs"].(object) {
		assert.NotEmpty(t, def.(object)["description"], name)
	}
}

func TestTheExampleIsValidAndHasEveryKey(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(example)
	require.NoError(t, err)
	s := theSchema(t)
	s.seen = map[string]bool{}
	assert.Empty(t, s.validate("", s.root, plain(t, string(data))))
	s.everyKey("", s.root)
}

func TestTheExampleForPeopleIsValid(t *testing.T) {
	t.Parallel()
	const example = "../examples/linarite.yaml"
	data, err := os.ReadFile(example)
	require.NoError(t, err)
	s := theSchema(t)
	assert.Empty(t, s.validate("", s.root, plain(t, string(data))))
	file, err := seed.ReadFile(example)
	require.NoError(t, err)
	h, err := hub.New(hub.Options{Policies: file.AccessPolicies(), Seed: file.Apply})
	require.NoError(t, err)
	h.Close()
}

func TestABadFileIsInvalid(t *testing.T) {
	t.Parallel()
	s := theSchema(t)
	for _, c := range againstTheSchema {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.NotEmpty(t, s.validate("", s.root, plain(t, c.file)))
		})
	}
}

type object = map[string]any

// schema is as much of JSON Schema as the file's needs.
type schema struct {
	*testing.T
	root object
	seen map[string]bool // keys that were validated
}

func theSchema(t *testing.T) *schema {
	t.Helper()
	s := &schema{T: t}
	require.NoError(t, json.Unmarshal([]byte(seed.Schema), &s.root))
	return s
}

// plain is YAML as JSON has it.
func plain(t *testing.T, text string) any {
	t.Helper()
	var value any
	require.NoError(t, yaml.Unmarshal([]byte(text), &value))
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	return v
}

// resolved is a schema with what it refers to.
func (s *schema) resolved(o object) object {
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	all := maps.Clone(s.resolved(s.root["$defs"].(object)[ref[len("#/$defs/"):]].(object)))
	for k, v := range o {
		if k != "$ref" {
			all[k] = v
		}
	}
	return all
}

// types are the JSON types a schema allows.
func types(o object) []string {
	if one, ok := o["type"].(string); ok {
		return []string{one}
	}
	var all []string
	for _, t := range o["type"].([]any) {
		all = append(all, t.(string))
	}
	return all
}

// compare holds a schema against a type of the code.
func (s *schema) compare(at string, o object, t reflect.Type, rule string) {
	o = s.resolved(o)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		assert.Equal(s, []string{"string"}, types(o), at)
		assert.Equal(s, seed.DurationPattern(), o["pattern"], at)
	case t == reflect.TypeFor[json.RawMessage]():
		assert.Equal(s, []string{"object", "null"}, types(o), at)
		assert.NotContains(s, o, "properties", at)
	case t.Kind() == reflect.Struct:
		s.compareObject(at, o, t)
	case t.Kind() == reflect.Slice:
		assert.Equal(s, []string{"array", "null"}, types(o), at)
		s.compare(at+"[]", o["items"].(object), t.Elem(), rule)
	case t.Kind() == reflect.Bool:
		assert.Equal(s, []string{"boolean"}, types(o), at)
	case t.Kind() == reflect.Int:
		assert.Equal(s, []string{"integer"}, types(o), at)
		least, most := seed.Range(rule)
		assert.EqualValues(s, least, o["minimum"], at)
		assert.EqualValues(s, most, o["maximum"], at)
	case t.Kind() == reflect.String:
		assert.Equal(s, []string{"string"}, types(o), at)
		s.compareText(at, o, rule)
	default:
		assert.Fail(s, "a type without a schema", "%s %s", at, t)
	}
}

func (s *schema) compareObject(at string, o object, t reflect.Type) {
	assert.Contains(s, types(o), "object", at)
	assert.Equal(s, false, o["additionalProperties"], at)
	properties := o["properties"].(object)
	var keys, required []any
	for _, f := range seed.Fields(t) {
		keys = append(keys, f.Key)
		if f.Required {
			required = append(required, f.Key)
		}
		property, ok := properties[f.Key].(object)
		if assert.True(s, ok, "%s.%s is not in the schema", at, f.Key) {
			s.compare(at+"."+f.Key, property, t.FieldByIndex(f.Index).Type, f.Rule)
		}
	}
	assert.Len(s, keys, len(properties), "%s: the schema has keys that the code has not: %v", at, properties)
	assert.Equal(s, required, orNil(o["required"]), at)
	if modules, ok := properties["modules"].(object); ok {
		assert.EqualValues(s, registry.MaxModules, modules["maxItems"], at)
	}
}

func orNil(list any) []any {
	all, _ := list.([]any)
	return all
}

func (s *schema) compareText(at string, o object, rule string) {
	pattern, choices := seed.Text(rule)
	if pattern == "" {
		assert.NotContains(s, o, "pattern", at)
	} else {
		assert.Equal(s, pattern, o["pattern"], at)
	}
	var enum []string
	if all, ok := o["enum"].([]any); ok {
		for _, v := range all {
			enum = append(enum, v.(string))
		}
	}
	assert.Equal(s, choices, enum, at)
	if most, ok := o["maxLength"]; ok {
		assert.EqualValues(s, registry.MaxStatusReason, most, at)
	}
}

// validate lists what a value has against a schema.
func (s *schema) validate(at string, o object, value any) (wrong []string) {
	o = s.resolved(o)
	kind := map[reflect.Kind]string{
		reflect.Invalid: "null", reflect.Bool: "boolean", reflect.String: "string", reflect.Slice: "array", reflect.Map: "object",
	}[reflect.ValueOf(value).Kind()]
	if n, ok := value.(float64); ok && n == float64(int(n)) {
		kind = "integer"
	}
	if !slices.Contains(types(o), kind) {
		return []string{at + " is no " + types(o)[0]}
	}
	switch value := value.(type) {
	case string:
		return s.validateText(at, o, value)
	case float64:
		if value < o["minimum"].(float64) || value > o["maximum"].(float64) {
			wrong = append(wrong, at+" is out of range")
		}
	case []any:
		if most, ok := o["maxItems"].(float64); ok && len(value) > int(most) {
			wrong = append(wrong, at+" has too many")
		}
		for _, v := range value {
			wrong = append(wrong, s.validate(at+"[]", o["items"].(object), v)...)
		}
	case object:
		wrong = s.validateObject(at, o, value)
	}
	return wrong
}

func (s *schema) validateText(at string, o object, value string) []string {
	pattern, hasPattern := o["pattern"].(string)
	enum, hasEnum := o["enum"].([]any)
	most, hasMost := o["maxLength"].(float64)
	switch {
	case hasPattern && !regexp.MustCompile(pattern).MatchString(value),
		hasEnum && !slices.Contains(enum, any(value)),
		hasMost && len([]rune(value)) > int(most):
		return []string{at + " may not be " + value}
	}
	return nil
}

func (s *schema) validateObject(at string, o, value object) (wrong []string) {
	properties, closed := o["properties"].(object)
	for key, v := range value {
		property, known := properties[key].(object)
		switch {
		case known:
			if s.seen != nil {
				s.seen[at+"."+key] = true
			}
			wrong = append(wrong, s.validate(at+"."+key, property, v)...)
		case closed:
			wrong = append(wrong, at+"."+key+" is not a key")
		}
	}
	required, _ := o["required"].([]any)
	for _, key := range required {
		if _, ok := value[key.(string)]; !ok {
			wrong = append(wrong, at+"."+key.(string)+" is missing")
		}
	}
	return wrong
}

// everyKey wants every key of the schema to have been seen.
func (s *schema) everyKey(at string, o object) {
	o = s.resolved(o)
	if items, ok := o["items"].(object); ok {
		s.everyKey(at+"[]", items)
	}
	properties, _ := o["properties"].(object)
	for key, property := range properties {
		assert.True(s, s.seen[at+"."+key], "%s.%s is not in the example", at, key)
		s.everyKey(at+"."+key, property.(object))
	}
}
