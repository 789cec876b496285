package control

import (
	_ "embed" // for openapi.json
	"net/http"
)

//go:embed openapi.json
var openAPI []byte

// openAPI answers with the description of this API.
func (a *api) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(openAPI) // the client has gone
	return nil
}
