package seed

import _ "embed" // of the schema

// Schema is the JSON Schema (draft 2020-12) of the file, for editors and other
// tools. Parse checks more than a schema can say.
//
//go:embed linarite.schema.json
var Schema string
