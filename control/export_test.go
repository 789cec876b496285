package control

// Routes are the operations of the route table, as `GET /health`.
func Routes() []string {
	var all []string
	for _, r := range (&api{}).routes() {
		all = append(all, r.method+" "+r.path)
	}
	return all
}

// Document is the OpenAPI document.
func Document() []byte { return openAPI }
