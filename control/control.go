// Package control is the emulator's own API, on the control port: health, the
// CA, connection strings, the journal of events, sending and feedback, who is
// connected, routes, the clock, reset, metrics. What Azure does not have lives here, and
// only here. The API has no keys: it is for loopback and trusted networks, and
// its guard turns web pages away.
//
// openapi.json describes it; a test keeps the two together.
package control

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// Options sets the control API up. Only Hub must be set.
type Options struct {
	Hub *hub.Hub
	// CA is the certificate, in PEM, that clients have to trust; empty when it
	// is not known, because the certificate was brought along.
	CA []byte
	// HTTPS is the address, host:port, at which the service API listens.
	HTTPS string
	// Hosts are names the API answers to besides loopback and the hub's own.
	Hosts []string
	// Health says what ails the program; nil, or a nil error, means it is well.
	Health func() error
	// Validate says that the webhook of an endpoint wants events, for whoever has the
	// id that it was sent; nil: nobody can.
	Validate func(endpoint, id string) error
	// Version is the program's, for the metrics.
	Version string
	Log     zerolog.Logger
}

// api is the control API of one hub.
type api struct {
	Options
	metrics http.Handler
	seeding sync.Mutex // one seed file is read at a time
}

// route is one operation. Its path is a pattern of http.ServeMux without the
// method.
type route struct {
	method string
	path   string
	serve  func(http.ResponseWriter, *http.Request) error
}

// Handler serves the control API.
func Handler(o Options) http.Handler {
	a := &api{Options: o, metrics: metrics(o.Hub, o.Version)}
	return a.guard(a.mux())
}

func (a *api) routes() []route {
	return []route{
		{http.MethodGet, "/health", a.health},
		{http.MethodGet, "/metrics", a.serveMetrics},
		{http.MethodGet, "/v1/openapi.json", a.openAPI},
		{http.MethodGet, "/v1/ca.pem", a.caPEM},
		{http.MethodGet, "/v1/connection-strings", a.connectionStrings},
		{http.MethodGet, "/v1/events", a.events},
		{http.MethodPost, "/v1/devices/{device}/messages", a.sendMessage},
		{http.MethodGet, "/v1/feedback", a.feedback},
		{http.MethodGet, "/v1/connections", a.connections},
		{http.MethodDelete, "/v1/connections/{device}", a.disconnect},
		{http.MethodDelete, "/v1/connections/{device}/modules/{module}", a.disconnect},
		{http.MethodGet, "/v1/certificates", a.certificates},
		{http.MethodGet, "/v1/certificates/{name}", a.certificate},
		{http.MethodPut, "/v1/certificates/{name}", a.putCertificate},
		{http.MethodDelete, "/v1/certificates/{name}", a.deleteCertificate},
		{http.MethodPost, "/v1/certificates/{name}/generateVerificationCode", a.generateVerificationCode},
		{http.MethodPost, "/v1/certificates/{name}/verify", a.verifyCertificate},
		{http.MethodGet, "/v1/clock", a.readClock},
		{http.MethodPost, "/v1/clock", a.advanceClock},
		{http.MethodGet, "/v1/routes", a.listRoutes},
		{http.MethodGet, "/v1/routes/{name}", a.route},
		{http.MethodPut, "/v1/routes/{name}", a.putRoute},
		{http.MethodDelete, "/v1/routes/{name}", a.deleteRoute},
		{http.MethodPost, "/v1/routes/test", a.testRoutes},
		{http.MethodGet, "/v1/endpoints", a.listEndpoints},
		{http.MethodGet, "/v1/endpoints/{name}", a.endpoint},
		{http.MethodPut, "/v1/endpoints/{name}", a.putEndpoint},
		{http.MethodDelete, "/v1/endpoints/{name}", a.deleteEndpoint},
		{http.MethodGet, "/v1/endpoints/{name}/validate", a.validateEndpoint},
		{http.MethodGet, "/v1/enrichments", a.listEnrichments},
		{http.MethodGet, "/v1/enrichments/{name}", a.enrichment},
		{http.MethodPut, "/v1/enrichments/{name}", a.putEnrichment},
		{http.MethodDelete, "/v1/enrichments/{name}", a.deleteEnrichment},
		{http.MethodPost, "/v1/reset", a.reset},
		{http.MethodPost, "/v1/seed", a.applySeed},
		{http.MethodGet, "/v1/linarite.schema.json", a.seedSchema},
	}
}

// mux finds the operation of a request; what is not there is refused in JSON.
func (a *api) mux() http.Handler {
	paths := map[string]map[string]route{}
	for _, r := range a.routes() {
		if paths[r.path] == nil {
			paths[r.path] = map[string]route{}
		}
		paths[r.path][r.method] = r
	}
	inherit(paths)
	mux := http.NewServeMux()
	for pattern, methods := range paths {
		mux.Handle(pattern, a.operations(methods))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, iot.ErrNotFound.Because("there is no %s here; /v1/openapi.json lists what is", r.URL.Path))
	})
	return mux
}

// inherit gives a path such as `/v1/routes/test` the methods of `/v1/routes/{name}`
// that it has not itself: there may be a route of that name.
func inherit(paths map[string]map[string]route) {
	for p, methods := range paths {
		folder, name := path.Split(p)
		for method, r := range paths[folder+"{name}"] {
			if _, own := methods[method]; own || name == "{name}" {
				continue
			}
			serve := r.serve
			r.serve = func(w http.ResponseWriter, req *http.Request) error {
				req.SetPathValue("name", name)
				return serve(w, req)
			}
			methods[method] = r
		}
	}
}

// operations serves the methods of one path.
func (a *api) operations(methods map[string]route) http.Handler {
	allowed := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		op, ok := methods[method]
		if !ok {
			w.Header().Set("Allow", allowed)
			a.fail(w, r, iot.ErrMethodNotAllowed.Because("%s allows %s only", r.URL.Path, allowed))
			return
		}
		if err := op.serve(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// health says whether the hub is there for its clients.
func (a *api) health(w http.ResponseWriter, _ *http.Request) error {
	doc := struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}{"healthy", "hub " + a.Hub.Name() + " is up"}
	status := http.StatusOK
	if a.Health != nil {
		if err := a.Health(); err != nil {
			doc.Status, doc.Message, status = "unhealthy", err.Error(), http.StatusServiceUnavailable
		}
	}
	return answer(w, status, doc)
}
