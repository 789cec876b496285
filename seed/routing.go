package seed

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/routing"
)

// Route sends messages to endpoints. Names of keys are the resource's.
// IoT Hub: contract.md §19.1, RouteProperties.
type Route struct {
	Name          string   `yaml:"name,required" is:"route name"`
	Source        string   `yaml:"source,required" is:"source"`
	Condition     string   `yaml:"condition"` // empty: every message
	EndpointNames []string `yaml:"endpointNames,required" is:"text"`
	IsEnabled     *bool    `yaml:"isEnabled"` // nil: true
}

// FallbackRoute is the route of device messages that match no other.
// IoT Hub: contract.md §19.1, FallbackRouteProperties.
type FallbackRoute struct {
	IsEnabled *bool `yaml:"isEnabled"` // nil: as it is
}

// Enrichment adds a property to the messages for some endpoints.
// IoT Hub: contract.md §19.4, EnrichmentProperties.
type Enrichment struct {
	Key           string   `yaml:"key,required" is:"enrichment key"`
	Value         string   `yaml:"value,required" is:"text"`
	EndpointNames []string `yaml:"endpointNames,required" is:"text"`
}

// Endpoint is a custom endpoint, of the one type whose settings it has.
type Endpoint struct {
	Name    string           `yaml:"name,required" is:"endpoint name"`
	File    *FileEndpoint    `yaml:"file"`
	Webhook *WebhookEndpoint `yaml:"webhook"`
}

// FileEndpoint are the settings of an endpoint that writes lines of JSON.
type FileEndpoint struct {
	// Path is relative to the hub's data folder; in a file that ReadFile reads, to
	// the folder of that, and absolute afterwards.
	Path     string `yaml:"path,required" is:"text"`
	MaxSize  int    `yaml:"maxSize" is:"file size"`
	MaxFiles int    `yaml:"maxFiles" is:"files"`
}

// WebhookEndpoint are the settings of an endpoint that posts to a URL.
type WebhookEndpoint struct {
	URL               string        `yaml:"url,required" is:"url"`
	Schema            string        `yaml:"schema" is:"event schema"`
	MaxEventsPerBatch int           `yaml:"maxEventsPerBatch" is:"batch"`
	Timeout           time.Duration `yaml:"timeout" is:"timeout"`
}

// Files are the files that endpoints write to, where their paths are absolute.
func (f File) Files() (paths []string) {
	for _, e := range f.Endpoints {
		if e.File != nil && filepath.IsAbs(e.File.Path) {
			paths = append(paths, e.File.Path)
		}
	}
	return paths
}

// locate makes the paths of endpoints absolute that are relative to a folder.
func (f *File) locate(folder string) (err error) {
	for _, e := range f.Endpoints {
		if e.File == nil || filepath.IsAbs(e.File.Path) {
			continue
		}
		if e.File.Path, err = filepath.Abs(filepath.Join(folder, e.File.Path)); err != nil {
			return err
		}
	}
	return nil
}

// endpoint is the endpoint as the hub takes it: the type is the key that is set,
// the settings are its keys as JSON.
func (e Endpoint) endpoint() routing.Endpoint {
	made := routing.Endpoint{Name: e.Name}
	v := reflect.ValueOf(e)
	for _, f := range fieldsOf(v.Type()) {
		if member := v.FieldByIndex(f.index); member.Kind() == reflect.Pointer && !member.IsNil() {
			made.Type, made.Settings = f.key, settingsOf(member.Elem())
		}
	}
	return made
}

// types lists the types of endpoints, and those that e has settings of.
func (e Endpoint) types() (all, set []string) {
	v := reflect.ValueOf(e)
	for _, f := range fieldsOf(v.Type()) {
		member := v.FieldByIndex(f.index)
		if member.Kind() != reflect.Pointer {
			continue
		}
		all = append(all, f.key)
		if !member.IsNil() {
			set = append(set, f.key)
		}
	}
	return all, set
}

// settingsOf is a struct's keys that are set, as a JSON object: durations as
// text.
func settingsOf(v reflect.Value) json.RawMessage {
	settings := map[string]any{}
	for _, f := range fieldsOf(v.Type()) {
		member := v.FieldByIndex(f.index)
		switch value := member.Interface().(type) {
		case time.Duration:
			if value != 0 {
				settings[f.key] = value.String()
			}
		default:
			if !member.IsZero() {
				settings[f.key] = value
			}
		}
	}
	raw, err := json.Marshal(settings) // sorted, so that the same settings are the same text
	if err != nil {
		panic(err) // texts, numbers and booleans
	}
	return raw
}

// routing is what the file says as the hub has it.
func (f File) routing() routing.Config {
	var c routing.Config
	for _, r := range f.Routes {
		c.Routes = append(c.Routes, routing.Route{
			Name: r.Name, Source: routing.Source(r.Source), Condition: r.Condition, Endpoints: r.EndpointNames,
			Disabled: r.IsEnabled != nil && !*r.IsEnabled,
		})
	}
	for _, e := range f.Endpoints {
		c.Endpoints = append(c.Endpoints, e.endpoint())
	}
	for _, e := range f.Enrichments {
		c.Enrichments = append(c.Enrichments, routing.Enrichment{Key: e.Key, Value: e.Value, Endpoints: e.EndpointNames})
	}
	return c
}

// routing finds what is wrong with routes, endpoints and enrichments. Endpoints
// are the file's own and the built-in one.
func (c *checker) routing(f File) {
	for i, e := range f.Endpoints {
		at := (*path)(nil).member("endpoints").element(i)
		switch all, set := e.types(); {
		case len(set) == 0:
			c.wrong(at, "needs the settings of a type: %s", either(all))
		case len(set) > 1:
			c.wrong(at.member(set[1]), "has the settings of another type, %s, before this", set[0])
		}
	}
	for _, p := range f.routing().Check() {
		at := (*path)(nil).member(p.Section)
		if p.Index >= 0 {
			at = at.element(p.Index)
			if p.Member != "type" { // told above
				at = at.member(p.Member)
			}
		}
		if p.Element >= 0 {
			at = at.element(p.Element)
		}
		c.wrong(at, "%s", p.Text)
	}
}

// applyRouting brings the hub's routing to what the file says: routes, endpoints
// and enrichments of a name take the place of those of the same, others stay.
func (f File) applyRouting(h *hub.Hub) error {
	if len(f.Routes) == 0 && len(f.Endpoints) == 0 && len(f.Enrichments) == 0 && f.FallbackRoute.IsEnabled == nil {
		return nil
	}
	said := f.routing()
	return h.ChangeRouting(func(c *routing.Config) error {
		for _, r := range said.Routes {
			c.PutRoute(r)
		}
		for _, e := range said.Endpoints {
			c.PutEndpoint(e)
		}
		for _, e := range said.Enrichments {
			c.PutEnrichment(e)
		}
		if on := f.FallbackRoute.IsEnabled; on != nil {
			c.Fallback.Disabled = !*on
		}
		return nil
	})
}
