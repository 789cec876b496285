package control

import (
	"net/http"
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// routeDocument is a route as the API shows it. The names are the resource's.
// IoT Hub: contract.md §19.1, RouteProperties.
type routeDocument struct {
	Name          string   `json:"name"`
	Source        string   `json:"source"`
	Condition     string   `json:"condition"`
	EndpointNames []string `json:"endpointNames"`
	IsEnabled     *bool    `json:"isEnabled"`
}

// fallbackDocument is the fallback route.
type fallbackDocument struct {
	IsEnabled *bool `json:"isEnabled"`
}

// enrichmentDocument is an enrichment. IoT Hub: contract.md §19.4,
// EnrichmentProperties.
type enrichmentDocument struct {
	Key           string   `json:"key"`
	Value         string   `json:"value"`
	EndpointNames []string `json:"endpointNames"`
}

func describeRoute(r routing.Route) routeDocument {
	enabled := !r.Disabled
	doc := routeDocument{
		Name: r.Name, Source: string(r.Source), Condition: r.Condition, EndpointNames: r.Endpoints, IsEnabled: &enabled,
	}
	if doc.Condition == "" {
		doc.Condition = "true"
	}
	return doc
}

func describeFallback(f routing.Fallback) fallbackDocument {
	enabled := !f.Disabled
	return fallbackDocument{&enabled}
}

func describeEnrichment(e routing.Enrichment) enrichmentDocument {
	return enrichmentDocument{e.Key, e.Value, e.Endpoints}
}

// listRoutes answers with the routes and the fallback route.
func (a *api) listRoutes(w http.ResponseWriter, _ *http.Request) error {
	c := a.Hub.Routing()
	doc := struct {
		Routes   []routeDocument  `json:"routes"`
		Fallback fallbackDocument `json:"fallbackRoute"`
	}{[]routeDocument{}, describeFallback(c.Fallback)}
	for _, r := range c.Routes {
		doc.Routes = append(doc.Routes, describeRoute(r))
	}
	return answer(w, http.StatusOK, doc)
}

// route answers with one route.
func (a *api) route(w http.ResponseWriter, r *http.Request) error {
	c, name := a.Hub.Routing(), r.PathValue("name")
	if name == routing.FallbackName {
		return answer(w, http.StatusOK, describeFallback(c.Fallback))
	}
	found, err := entry(c.Routes, routeName, name, "route")
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, describeRoute(*found))
}

// putRoute adds a route, or puts it in the place of the one of its name.
func (a *api) putRoute(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if name == routing.FallbackName {
		return a.putFallback(w, r)
	}
	var doc routeDocument
	if err := decode(w, r, &doc); err != nil {
		return err
	}
	if err := sameName(&doc.Name, name); err != nil {
		return err
	}
	put := routing.Route{
		Name: doc.Name, Source: routing.Source(doc.Source), Condition: doc.Condition, Endpoints: doc.EndpointNames,
		Disabled: doc.IsEnabled != nil && !*doc.IsEnabled,
	}
	err := a.Hub.ChangeRouting(func(c *routing.Config) error {
		c.PutRoute(put)
		return nil
	})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, describeRoute(put))
}

func (a *api) putFallback(w http.ResponseWriter, r *http.Request) error {
	var doc fallbackDocument
	if err := decode(w, r, &doc); err != nil {
		return err
	}
	if doc.IsEnabled == nil {
		return iot.ErrArgumentNull.Because("isEnabled is missing")
	}
	put := routing.Fallback{Disabled: !*doc.IsEnabled}
	err := a.Hub.ChangeRouting(func(c *routing.Config) error {
		c.Fallback = put
		return nil
	})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, describeFallback(put))
}

// deleteRoute removes a route.
func (a *api) deleteRoute(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if name == routing.FallbackName {
		return iot.ErrInvalidOperation.Because(`the fallback route cannot be deleted, only disabled: PUT {"isEnabled":false}`)
	}
	return a.remove(w, func(c *routing.Config) error { return without(&c.Routes, routeName, name, "route") })
}

// listEnrichments answers with the enrichments.
func (a *api) listEnrichments(w http.ResponseWriter, _ *http.Request) error {
	doc := struct {
		Enrichments []enrichmentDocument `json:"enrichments"`
	}{[]enrichmentDocument{}}
	for _, e := range a.Hub.Routing().Enrichments {
		doc.Enrichments = append(doc.Enrichments, describeEnrichment(e))
	}
	return answer(w, http.StatusOK, doc)
}

// enrichment answers with one enrichment.
func (a *api) enrichment(w http.ResponseWriter, r *http.Request) error {
	found, err := entry(a.Hub.Routing().Enrichments, enrichmentKey, r.PathValue("name"), "enrichment")
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, describeEnrichment(*found))
}

// putEnrichment adds an enrichment, or puts it in the place of the one of its
// key.
func (a *api) putEnrichment(w http.ResponseWriter, r *http.Request) error {
	var doc enrichmentDocument
	if err := decode(w, r, &doc); err != nil {
		return err
	}
	if err := sameName(&doc.Key, r.PathValue("name")); err != nil {
		return err
	}
	put := routing.Enrichment{Key: doc.Key, Value: doc.Value, Endpoints: doc.EndpointNames}
	err := a.Hub.ChangeRouting(func(c *routing.Config) error {
		c.PutEnrichment(put)
		return nil
	})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, describeEnrichment(put))
}

// deleteEnrichment removes an enrichment.
func (a *api) deleteEnrichment(w http.ResponseWriter, r *http.Request) error {
	return a.remove(w, func(c *routing.Config) error {
		return without(&c.Enrichments, enrichmentKey, r.PathValue("name"), "enrichment")
	})
}

func (a *api) remove(w http.ResponseWriter, change func(*routing.Config) error) error {
	if err := a.Hub.ChangeRouting(change); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func routeName(r routing.Route) string          { return r.Name }
func endpointName(e routing.Endpoint) string    { return e.Name }
func enrichmentKey(e routing.Enrichment) string { return e.Key }

// sameName gives a document the name of its path, which it need not repeat.
func sameName(name *string, path string) error {
	if *name == "" {
		*name = path
	}
	if *name != path {
		return iot.ErrArgumentInvalid.Because("the body is about %q, the path about %q", *name, path)
	}
	return nil
}

func index[T any](list []T, nameOf func(T) string, name string) int {
	return slices.IndexFunc(list, func(e T) bool { return strings.EqualFold(nameOf(e), name) })
}

// entry is the entry of a name; kind is what it is called when it is missing.
func entry[T any](list []T, nameOf func(T) string, name, kind string) (*T, error) {
	i := index(list, nameOf, name)
	if i < 0 {
		return nil, iot.ErrNotFound.Because("there is no %s %q", kind, name)
	}
	return &list[i], nil
}

// without removes an entry.
func without[T any](list *[]T, nameOf func(T) string, name, kind string) error {
	i := index(*list, nameOf, name)
	if i < 0 {
		return iot.ErrNotFound.Because("there is no %s %q", kind, name)
	}
	*list = slices.Delete(*list, i, i+1)
	return nil
}
