package control_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/control"
)

// object is a JSON object of the OpenAPI document.
type object = map[string]any

func document(t *testing.T) object {
	t.Helper()
	var doc object
	require.NoError(t, json.Unmarshal(control.Document(), &doc))
	return doc
}

func TestEveryRouteIsDescribedAndEveryDescriptionIsARoute(t *testing.T) {
	t.Parallel()
	var described []string
	ids := map[string]bool{}
	for path, operations := range document(t)["paths"].(object) {
		for method, operation := range operations.(object) {
			described = append(described, strings.ToUpper(method)+" "+path)
			id := operation.(object)["operationId"].(string)
			assert.False(t, ids[id], "%s twice", id)
			ids[id] = true
		}
	}
	assert.ElementsMatch(t, control.Routes(), described)
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	t.Parallel()
	doc := document(t)
	used := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case object:
			if ref, ok := v["$ref"].(string); ok {
				assert.NotNil(t, follow(doc, v), ref)
				used[ref] = true
			}
			for _, member := range v {
				walk(member)
			}
		case []any:
			for _, element := range v {
				walk(element)
			}
		}
	}
	walk(doc)
	for kind, all := range doc["components"].(object) {
		for name := range all.(object) {
			assert.True(t, used["#/components/"+kind+"/"+name], "%s %s is not used", kind, name)
		}
	}
}

func TestThePathsHaveTheirParameters(t *testing.T) {
	t.Parallel()
	doc := document(t)
	for path, operations := range doc["paths"].(object) {
		for method, operation := range operations.(object) {
			var inPath []string
			list, _ := operation.(object)["parameters"].([]any)
			for _, p := range list {
				if p := follow(doc, p); p["in"] == "path" {
					assert.Equal(t, true, p["required"])
					inPath = append(inPath, "{"+p["name"].(string)+"}")
				}
			}
			wanted := slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return !strings.HasPrefix(s, "{") })
			assert.ElementsMatch(t, wanted, inPath, "%s %s", method, path)
		}
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	t.Parallel()
	a := newDesk(t).ask("GET", "/v1/openapi.json", "")
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	assert.Equal(t, string(control.Document()), a.body)
}

// follow is what a $ref leads to, or the value itself.
func follow(doc object, v any) object {
	at := v.(object)
	ref, ok := at["$ref"].(string)
	if !ok {
		return at
	}
	at = doc
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := at[step].(object)
		if !ok {
			return nil
		}
		at = next
	}
	return at
}

// checkAnswer checks that the document knows the status of an answer and that
// its body is as described there.
func checkAnswer(t *testing.T, method, path string, a answer) {
	t.Helper()
	doc := document(t)
	operation := find(doc, method, path)
	require.NotNil(t, operation, "%s %s is not described", method, path)
	response, ok := operation["responses"].(object)[strconv.Itoa(a.status)]
	require.True(t, ok, "%s %s: status %d is not described: %s", method, path, a.status, a.body)
	content, ok := follow(doc, response)["content"].(object)
	if !ok {
		assert.Empty(t, a.body)
		return
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	media, ok := content[kind].(object)
	require.True(t, ok, "%s %s: %s is not described", method, path, kind)
	if kind == "application/json" {
		var body any
		require.NoError(t, json.Unmarshal([]byte(a.body), &body))
		assert.Empty(t, mismatches(doc, media["schema"], body, "body"))
	}
}

// find is the operation that a path is for.
func find(doc object, method, path string) object {
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(path, "/")
	for pattern, operations := range doc["paths"].(object) {
		operation, ok := operations.(object)[strings.ToLower(method)].(object)
		if ok && slices.EqualFunc(strings.Split(pattern, "/"), segments, func(want, got string) bool {
			return want == got || strings.HasPrefix(want, "{")
		}) {
			return operation
		}
	}
	return nil
}

// mismatches says where a value is not as a schema has it. It knows the keywords
// that the document uses.
func mismatches(doc object, schema, v any, at string) (wrong []string) {
	s := follow(doc, schema)
	if !hasType(s["type"], v) {
		return []string{fmt.Sprintf("%s: %v is not of type %v", at, v, s["type"])}
	}
	if allowed, ok := s["enum"].([]any); ok && !slices.Contains(allowed, v) {
		wrong = append(wrong, fmt.Sprintf("%s: %v is none of %v", at, v, allowed))
	}
	switch v := v.(type) {
	case []any:
		for i, element := range v {
			wrong = append(wrong, mismatches(doc, s["items"], element, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case object:
		wrong = append(wrong, objectMismatches(doc, s, v, at)...)
	}
	return wrong
}

func objectMismatches(doc, s, v object, at string) (wrong []string) {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s.%s is missing", at, name))
		}
	}
	properties, _ := s["properties"].(object)
	for name, member := range v {
		schema, ok := properties[name]
		if !ok {
			schema, ok = s["additionalProperties"].(object)
		}
		switch {
		case ok:
			wrong = append(wrong, mismatches(doc, schema, member, at+"."+name)...)
		case s["additionalProperties"] == false:
			wrong = append(wrong, fmt.Sprintf("%s.%s is not described", at, name))
		}
	}
	return wrong
}

// hasType says whether v is of a type, or of one of several.
func hasType(types, v any) bool {
	if several, ok := types.([]any); ok {
		return slices.ContainsFunc(several, func(one any) bool { return hasType(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return types == "null"
	case bool:
		return types == "boolean"
	case string:
		return types == "string"
	case float64:
		return types == "number" || types == "integer" && v == float64(int64(v))
	case []any:
		return types == "array"
	}
	return types == "object"
}
