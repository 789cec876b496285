package contract

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// swagger is the API of IoT Hub for back ends, version 2021-04-12, as
// Azure/azure-iot-hub-python publishes it (service.json).
//
//go:embed testdata/iothub-2021-04-12.swagger.json
var swagger []byte

// moment is a time as a live hub writes it: up to seven digits of a second, and
// without a zone in the answer that made an identity.
const moment = `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|\+00:00)?$`

// document is the Swagger in OpenAPI 3, with what the Swagger cannot say:
// members may be null, as Azure's serializer writes them; an object without
// members stands for any JSON, as in all documents made for AutoRest; times are
// as a live hub writes them.
func document() (*openapi3.T, error) {
	var old openapi2.T
	if err := json.Unmarshal(swagger, &old); err != nil {
		return nil, err
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, err
	}
	for _, schema := range schemas(doc) {
		schema.Nullable = true
		if schema.Type.Is("object") && len(schema.Properties) == 0 && schema.AdditionalProperties.Schema == nil {
			schema.Type = nil
		}
		if schema.Format == "date-time" {
			schema.Format, schema.Pattern = "", moment
		}
	}
	return doc, nil
}

// capitalise lets the words of a list have a capital too, as azure-iothub writes
// import modes and Java a device's status.
func capitalise(schema *openapi3.Schema) {
	for _, word := range schema.Enum {
		text := word.(string)
		schema.Enum = append(schema.Enum, strings.ToUpper(text[:1])+text[1:])
	}
}

// schemas are all schemas of the document that stand for themselves.
func schemas(doc *openapi3.T) []*openapi3.Schema {
	var all []*openapi3.Schema
	seen := map[*openapi3.Schema]bool{}
	var walk func(*openapi3.SchemaRef)
	walk = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil || seen[ref.Value] {
			return
		}
		seen[ref.Value] = true
		all = append(all, ref.Value)
		for _, property := range ref.Value.Properties {
			walk(property)
		}
		walk(ref.Value.Items)
		walk(ref.Value.AdditionalProperties.Schema)
	}
	for _, ref := range doc.Components.Schemas {
		walk(ref)
	}
	for _, path := range doc.Paths.Map() {
		for _, operation := range path.Operations() {
			if operation.RequestBody != nil {
				walkContent(operation.RequestBody.Value.Content, walk)
			}
			for _, response := range operation.Responses.Map() {
				walkContent(response.Value.Content, walk)
			}
		}
	}
	return all
}

func walkContent(content openapi3.Content, walk func(*openapi3.SchemaRef)) {
	for _, media := range content {
		walk(media.Schema)
	}
}

// find is the operation that a request is for, with the values of its path.
// Fixed parts of a path are compared without case, as IoT Hub does.
func find(doc *openapi3.T, method string, u *url.URL) (*routers.Route, map[string]string, bool) {
	parts := strings.Split(strings.TrimSuffix(u.EscapedPath(), "/"), "/")
	var best string
	var values map[string]string
	for path := range doc.Paths.Map() {
		v, ok := match(strings.Split(path, "/"), parts)
		// A fixed part beats a parameter: /jobs/create is no job.
		if ok && (best == "" || len(v) < len(values)) && doc.Paths.Value(path).GetOperation(method) != nil {
			best, values = path, v
		}
	}
	if best == "" {
		return nil, nil, false
	}
	item := doc.Paths.Value(best)
	return &routers.Route{Spec: doc, Path: best, PathItem: item, Method: method, Operation: item.GetOperation(method)}, values, true
}

// match compares the parts of a path with a template's.
func match(template, parts []string) (map[string]string, bool) {
	if len(template) != len(parts) {
		return nil, false
	}
	values := map[string]string{}
	for i, want := range template {
		name, isParameter := strings.CutPrefix(want, "{")
		value, err := url.PathUnescape(parts[i])
		switch {
		case err != nil || value == "" && i > 0:
			return nil, false
		case isParameter:
			values[strings.TrimSuffix(name, "}")] = value
		case !strings.EqualFold(want, value):
			return nil, false
		}
	}
	return values, true
}

// operations are the names of all operations.
func operations(doc *openapi3.T) []string {
	var names []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			names = append(names, method+" "+path)
		}
	}
	return names
}

// parse takes the target of an exchange apart.
func parse(e Exchange) (method string, u *url.URL, err error) {
	u, err = url.ParseRequestURI(e.Target)
	if err != nil {
		return "", nil, fmt.Errorf("the target: %w", err)
	}
	method = e.Method
	if override := e.Request.header().Get("X-HTTP-Method-Override"); override != "" && method == http.MethodPost {
		method = override
	}
	return method, u, nil
}
