package contract

import (
	"net/http"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// answers is the document that answers are held against. Beside the Swagger it
// knows the envelopes of errors, which the Swagger leaves out, and it refuses
// members that no document has.
func answers() (*openapi3.T, error) {
	doc, err := document()
	if err != nil {
		return nil, err
	}
	known(doc)
	for _, schema := range schemas(doc) {
		if len(schema.Properties) > 0 {
			schema.AdditionalProperties = openapi3.AdditionalProperties{Has: openapi3.Ptr(false)}
		}
	}
	for _, path := range doc.Paths.Map() {
		for _, operation := range path.Operations() {
			withErrors(operation)
		}
	}
	return doc, nil
}

// known adds members that a live hub writes and the Swagger does not have: the
// model of a Plug and Play device, and thumbprints of a twin with a capital.
func known(doc *openapi3.T) {
	text := func() *openapi3.SchemaRef { return openapi3.NewStringSchema().WithNullable().NewRef() }
	doc.Components.Schemas["Twin"].Value.Properties["modelId"] = text()
	thumbprint := doc.Components.Schemas["X509Thumbprint"].Value
	thumbprint.Properties["PrimaryThumbprint"] = text()
	thumbprint.Properties["SecondaryThumbprint"] = text()
}

// withErrors lets every operation answer with an error, in one of IoT Hub's three
// envelopes; a 400 that has a document of its own may have either.
func withErrors(operation *openapi3.Operation) {
	refused := openapi3.NewOneOfSchema(wrapped(), flat())
	operation.Responses.Set("default", &openapi3.ResponseRef{Value: answer(refused.NewRef())})
	response := operation.Responses.Value(strconv.Itoa(http.StatusBadRequest))
	if response == nil {
		return
	}
	for _, media := range response.Value.Content {
		own := openapi3.NewSchema()
		own.AnyOf = openapi3.SchemaRefs{media.Schema, refused.NewRef()}
		media.Schema = own.NewRef()
	}
}

func answer(schema *openapi3.SchemaRef) *openapi3.Response {
	return openapi3.NewResponse().WithDescription("an error").WithContent(openapi3.NewContentWithJSONSchemaRef(schema))
}

// wrapped is {"Message":"…","ExceptionMessage":"…"}: in Message stands a code and
// a text, or JSON.
func wrapped() *openapi3.Schema {
	s := openapi3.NewObjectSchema().
		WithProperty("Message", openapi3.NewStringSchema().WithPattern(`^(ErrorCode:[A-Za-z0-9]+;|\{"errorCode":[0-9]{6},)`)).
		WithProperty("ExceptionMessage", openapi3.NewStringSchema().
			WithPattern(`^(Tracking ID:[0-9A-F]{32}-G:[0-9]+-TimeStamp:[0-9/]{10} [0-9:]{8})?$`)).
		WithoutAdditionalProperties()
	s.Required = []string{"Message", "ExceptionMessage"}
	return s
}

// flat is {"errorCode":n,"message":"…","trackingId":"…","timestampUtc":"…"}.
func flat() *openapi3.Schema {
	s := openapi3.NewObjectSchema().
		WithProperty("errorCode", openapi3.NewIntegerSchema().WithMin(400000).WithMax(599999)).
		WithProperty("message", openapi3.NewStringSchema()).
		WithProperty("trackingId", openapi3.NewStringSchema()).
		WithProperty("timestampUtc", openapi3.NewStringSchema().WithPattern(moment)).
		WithoutAdditionalProperties()
	s.Required = []string{"errorCode", "message", "trackingId", "timestampUtc"}
	return s
}
