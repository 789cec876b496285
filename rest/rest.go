// Package rest is IoT Hub's HTTP API: for back ends, device and module identities,
// twins, digital twins, direct methods, purging queues and feedback; for devices,
// messages in both directions. It speaks HTTP and nothing else: what an operation
// does is the hub's affair.
//
// IoT Hub: contract.md §12, iothub-2021-04-12.swagger.json.
package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// Handler serves the API of h. It must be given requests as they came: a router
// in front of it that cleans paths would spoil ids that contain dots or encoded
// slashes. A method call may take ten minutes to be answered.
//
// Every refusal is one line in the log that says why; tokens, keys and payloads
// are never logged.
func Handler(h *hub.Hub, log zerolog.Logger) http.Handler {
	return &api{hub: h, log: log, routes: routes(), operations: operations()}
}

type api struct {
	hub        *hub.Hub
	log        zerolog.Logger
	routes     []route
	operations map[string]operation
	parser     sync.Mutex // held while a large body is parsed
}

// call is one request on its way through the API.
type call struct {
	*http.Request
	id      string   // x-ms-request-id
	path    []string // decoded
	route   *route   // nil until one is found
	allowed string   // the methods the path has, when the request's is none of them
	parameters

	writer     http.ResponseWriter // which is told of a body that is too large
	parser     *sync.Mutex         // the API's
	doorkeeper doorkeeper          // nil when there is none
	visit      *hub.Visit          // of a device's; nil for back ends

	// For what is told of the operation.
	policy, authType string
	queried          hub.QueryRequest
}

// parameters are the variable segments of a path, decoded; empty where the route
// has none.
type parameters struct {
	device, module, lockToken, component, command string
}

// identity is the device or module that the path names.
func (p parameters) identity() iot.Identity {
	return iot.Identity{DeviceID: p.device, ModuleID: p.module}
}

// ServeHTTP answers one request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, id: newGUID(), writer: w, parser: &a.parser}
	c.doorkeeper, _ = w.(doorkeeper)
	began := a.hub.Clock().Now()
	answer, err := a.answer(c)
	a.record(c, began, answer, err)
	if err != nil {
		answer = a.refuse(c, err)
	}
	answer.write(w, c.id)
}

// answer finds the operation, checks that the caller may do it, and does it.
// Nothing reads the body before the operation does.
func (a *api) answer(c *call) (answer reply, err error) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // as it is
			panic(p) // a verdict cuts the connection
		} else if p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := a.find(c); err != nil {
		return reply{}, err
	}
	if err := checkVersion(c.URL); err != nil {
		return reply{}, err
	}
	if err := a.authorize(c); err != nil {
		return reply{}, err
	}
	if err := c.parameters.check(); err != nil {
		return reply{}, err
	}
	answer, err = c.route.serve(a, c)
	if err == nil {
		c.describe(a.log.Debug()).Int("status", answer.status).Msg("answered")
	}
	return answer, err
}

// known is an error in words of the catalogue. What is not in it is a fault of our
// own, of which only the log tells more.
func known(err error) error {
	var told *iot.Error
	switch {
	case errors.Is(err, context.Canceled):
		return iot.ErrClientClosed
	case err == nil || errors.As(err, &told):
		return err
	}
	return iot.ErrServer
}

// refuse logs an error and puts it into the operation's envelope. What is not in
// the catalogue is a fault of our own.
func (a *api) refuse(c *call, err error) reply {
	var told *iot.Error
	_ = errors.As(known(err), &told) // it is one
	line := a.log.Info()
	switch told.Status {
	case http.StatusInternalServerError:
		line = a.log.Error()
	case http.StatusUnauthorized:
		line = a.log.Warn()
	}
	c.describe(line).Str("remote", c.RemoteAddr).Int("code", told.Code).Msg("refused: " + iot.Masked(err.Error()))
	r := c.envelope(told).reply(told, c.id, a.hub.Clock().Now())
	if c.allowed != "" {
		r.header["Allow"] = c.allowed
	}
	return r
}

// envelope is the operation's. Who is turned away at the door is told so in the
// plain one, module operations included (contract.md §12.4), and so is who has
// an old etag of a module (SessionRecords, ModulesClient_UpdateDevice_EtagDoesNotMatch);
// only direct methods have their own for everything (§11.2).
func (c *call) envelope(err *iot.Error) envelope {
	if c.route == nil {
		return plain
	}
	if c.route.envelope == flat && (err.Status == http.StatusUnauthorized || err.Status == http.StatusPreconditionFailed) {
		return plain
	}
	return c.route.envelope
}

// describe says in a line of the log which request it is about.
func (c *call) describe(line *zerolog.Event) *zerolog.Event {
	operation := iot.Masked(c.Method + " " + c.URL.Path)
	if c.route != nil {
		operation = c.route.String()
	}
	if c.device != "" {
		line = line.Str("device", iot.Masked(c.identity().String()))
	}
	return line.Str("op", operation).Str("request", c.id)
}
