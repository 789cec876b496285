package hub

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/query"
	"github.com/linarite/linarite/routing"
)

// routes is the routing of a hub at one time. It is immutable, so that a message
// that is under way keeps the routes it began with.
type routes struct {
	config    routing.Config
	table     *routing.Table
	endpoints []*endpoint // in the order of the configuration
}

// Routing is how the hub routes now. Its slices must not be modified.
func (h *Hub) Routing() routing.Config { return h.routes.Load().config }

// ChangeRouting lets change edit the hub's configuration, and routes as it then
// says. Messages that wait for an endpoint that stays, even with other settings,
// wait on; those for one that goes are lost. Errors: change's; 400004 when the
// configuration is not right, and then nothing has changed; 503001 once the hub
// is closed.
func (h *Hub) ChangeRouting(change func(*routing.Config) error) error {
	h.configuring.Lock()
	defer h.configuring.Unlock()
	select {
	case <-h.done:
		return errShuttingDown()
	default:
	}
	was := h.routes.Load()
	c := routing.Config{
		Routes: slices.Clone(was.config.Routes), Fallback: was.config.Fallback,
		Endpoints: slices.Clone(was.config.Endpoints), Enrichments: slices.Clone(was.config.Enrichments),
	}
	if err := change(&c); err != nil {
		return err
	}
	table, err := routing.Compile(c, h.name, twinsOf{h})
	if err != nil {
		return err
	}
	now := &routes{config: c, table: table}
	opened, err := h.openEndpoints(now, was)
	if err != nil {
		return err
	}
	h.routes.Store(now)
	replace(slices.DeleteFunc(slices.Clone(was.endpoints), func(e *endpoint) bool { return slices.Contains(now.endpoints, e) }))
	for _, e := range opened {
		go e.run()
	}
	h.log.Info().Str("op", "routes").Int("routes", len(c.Routes)).Int("endpoints", len(c.Endpoints)).
		Int("enrichments", len(c.Enrichments)).Bool("fallback", !c.Fallback.Disabled).Msg("the routing is changed")
	return nil
}

// openEndpoints gives new routes their endpoints: those of the routes before
// that are the same, and new ones, which it also returns.
func (h *Hub) openEndpoints(now, was *routes) (opened []*endpoint, err error) {
	for _, settings := range now.config.Endpoints {
		i := slices.IndexFunc(was.endpoints, func(e *endpoint) bool { return strings.EqualFold(e.settings.Name, settings.Name) })
		if i >= 0 && was.endpoints[i].is(settings) {
			now.endpoints = append(now.endpoints, was.endpoints[i])
			continue
		}
		var log *routing.Log
		if i >= 0 {
			log = was.endpoints[i].log
		} else {
			log = routing.NewLog(routing.LogOptions{})
		}
		e, err := h.openEndpoint(settings, log)
		if err != nil {
			for _, e := range opened {
				e.closeSink()
			}
			return nil, err
		}
		opened = append(opened, e)
		now.endpoints = append(now.endpoints, e)
	}
	return opened, nil
}

// unroute brings the routing back to that of a new hub. The endpoints that it
// returns are still at work.
func (h *Hub) unroute() []*endpoint {
	h.configuring.Lock()
	defer h.configuring.Unlock()
	table, err := routing.Compile(routing.Config{}, h.name, twinsOf{h})
	if err != nil {
		panic(err) // there is nothing in it
	}
	was := h.routes.Swap(&routes{table: table})
	h.routed.reset()
	if was == nil {
		return nil
	}
	return was.endpoints
}

// closeEndpoints ends what delivers. ChangeRouting comes too late from then on.
func (h *Hub) closeEndpoints() {
	h.configuring.Lock()
	defer h.configuring.Unlock()
	dismiss(h.routes.Load().endpoints)
}

// Endpoints are the custom endpoints and how they fare, in the order of the
// configuration.
func (h *Hub) Endpoints() []EndpointView {
	endpoints := h.routes.Load().endpoints
	views := make([]EndpointView, len(endpoints))
	for i, e := range endpoints {
		views[i] = e.view()
	}
	return views
}

// twinsOf shows conditions and enrichments the twins.
type twinsOf struct{ hub *Hub }

// Twin is an identity's twin as back ends see it.
func (t twinsOf) Twin(id iot.Identity) (query.Value, bool) {
	snapshot, err := t.hub.twins.Snapshot(id)
	if err != nil {
		return query.Value{}, false
	}
	r := row{hub: t.hub, twin: &snapshot}
	return r.value(), true
}

// ExplainRoutes says for each route why it takes a message or does not, and what
// would become of it; nothing is sent. A twin in JSON, unless nil, stands in for
// the sender's. Error: 400012 for a twin that is none.
func (h *Hub) ExplainRoutes(m *routing.Message, twin json.RawMessage) ([]routing.Explanation, routing.Decision, error) {
	var twins routing.Twins
	if twin != nil {
		v, err := query.ParseJSON(twin)
		if err != nil {
			return nil, routing.Decision{}, iot.ErrDeserialization.Because("twin: %s", err)
		}
		twins = oneTwin{v}
	}
	all, d := h.routes.Load().table.Explain(m, twins)
	return all, d, nil
}

// oneTwin is everybody's twin.
type oneTwin struct{ value query.Value }

// Twin is that twin.
func (t oneTwin) Twin(iot.Identity) (query.Value, bool) { return t.value, true }
