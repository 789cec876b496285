package rest

import (
	"strings"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/monitoring"
)

// operation is what a route is in the records of operations. Names that are not in
// the documents' examples are [inferred].
//
// IoT Hub: contract.md §23.
type operation struct {
	category monitoring.Category
	name     string
}

// operations are those of back ends that are told of, by the route.
func operations() map[string]operation {
	const (
		identities, commands = monitoring.DeviceIdentityOperations, monitoring.C2DCommands
		twins, methods       = monitoring.C2DTwinOperations, monitoring.DirectMethods
		device               = "devices/{device}"
		module               = device + "/modules/{module}"
		feedback             = "messages/serviceBound/feedback"
		command              = "digitaltwins/{device}/commands/{command}"
		componentCommand     = "digitaltwins/{device}/components/{component}/commands/{command}"
	)
	return map[string]operation{
		"GET devices":                                  {identities, "list"},
		"POST devices":                                 {identities, "bulk"},
		"POST devices/keys/regenerate":                 {identities, "regenerateKeys"},
		"GET " + device:                                {identities, "get"},
		"PUT " + device:                                {identities, "create"}, // or update
		"DELETE " + device:                             {identities, "delete"},
		"GET " + device + "/modules":                   {identities, "list"},
		"GET " + module:                                {identities, "get"},
		"PUT " + module:                                {identities, "create"},
		"DELETE " + module:                             {identities, "delete"},
		"DELETE " + device + "/commands":               {commands, "purge"},
		"GET " + feedback:                              {commands, "receiveFeedback"},
		"DELETE " + feedback + "/{lockToken}":          {commands, "completeFeedback"},
		"POST " + feedback + "/{lockToken}/abandon":    {commands, "abandonFeedback"},
		"GET twins/{device}":                           {twins, "read"},
		"PATCH twins/{device}":                         {twins, "update"},
		"PUT twins/{device}":                           {twins, "replace"},
		"GET twins/{device}/modules/{module}":          {twins, "read"},
		"PATCH twins/{device}/modules/{module}":        {twins, "update"},
		"PUT twins/{device}/modules/{module}":          {twins, "replace"},
		"GET digitaltwins/{device}":                    {twins, "read"},
		"PATCH digitaltwins/{device}":                  {twins, "update"},
		"POST twins/{device}/methods":                  {methods, "send"},
		"POST twins/{device}/modules/{module}/methods": {methods, "send"},
		"POST " + command:                              {methods, "send"},
		"POST " + componentCommand:                     {methods, "send"},
		"POST devices/query":                           {monitoring.TwinQueries, "query"},
	}
}

// record tells of a request that was answered, if anybody wants to know.
func (a *api) record(c *call, began time.Time, answer reply, err error) {
	if c.route == nil {
		return
	}
	o, ok := a.operations[c.route.String()]
	if !ok || !a.hub.Watched(o.category, err != nil) {
		return
	}
	if o.name == "create" && c.Header.Get("If-Match") != "" {
		o.name = "update"
	}
	if n := &c.queried.Size; *n < 1 || *n > hub.MaxPageSize {
		*n = hub.MaxPageSize // as the hub does
	}
	now := a.hub.Clock().Now()
	a.hub.Record(monitoring.Record{
		Category: o.category, Operation: o.name, Time: now, Duration: now.Sub(began), Err: hub.Failure(known(err)), Identity: c.identity(),
		Caller: monitoring.Caller{
			Protocol: "Http", AuthType: c.authType, SDK: query(c.URL, "api-version"), UserAgent: c.UserAgent(),
			Policy: c.policy, RemoteAddr: c.RemoteAddr,
		},
		Request: int(max(c.ContentLength, 0)), Answer: len(answer.body),
		Query: c.queried.Text, PageSize: c.queried.Size, Continued: strings.TrimSpace(c.queried.Continuation) != "",
	})
}
