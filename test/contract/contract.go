// Package contract holds exchanges with the service API, which the suites
// record, against the Swagger document of IoT Hub.
package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// Contract is the API as IoT Hub documents it.
type Contract struct {
	requests, answers *openapi3.T

	used map[string]bool // operations that were done
}

// New is the contract of the service API.
func New() (*Contract, error) {
	requests, err := document()
	if err != nil {
		return nil, err
	}
	capitalise(requests.Components.Schemas["ExportImportDevice"].Value.Properties["importMode"].Value)
	capitalise(requests.Components.Schemas["Device"].Value.Properties["status"].Value)
	answers, err := answers()
	return &Contract{requests: requests, answers: answers, used: map[string]bool{}}, err
}

// beyond are paths of the hub that the Swagger does not have: devices over
// HTTPS, and what came after its version. Their answers' headers are checked
// only.
func beyond(path string) bool {
	path = strings.ToLower(path)
	switch {
	case path == "/devices/keys/regenerate":
		return true
	case strings.HasPrefix(path, "/devices/"):
		return strings.Contains(path, "/messages/events") || strings.Contains(path, "/messages/devicebound") || strings.Contains(path, "/files")
	}
	return false
}

// Check says what is wrong with an exchange: with its answer, and with its
// request when the hub took it.
func (c *Contract) Check(e Exchange) error {
	if strings.Contains(e.Target, " ") && e.Status == http.StatusBadRequest {
		return nil // what is no HTTP does not get as far as the service API
	}
	method, u, err := parse(e)
	if err != nil {
		return err
	}
	if strings.HasPrefix(u.Path, "/$") {
		return nil // WebSockets, not the service API
	}
	if err := e.checkHeaders(); err != nil {
		return err
	}
	_, _, ok := find(c.answers, method, u)
	switch {
	case !ok && (beyond(u.Path) || e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed):
		return nil
	case !ok:
		return errors.New("the Swagger has no such operation")
	}
	if err := c.checkAnswer(method, u, e); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	if e.Status >= http.StatusBadRequest {
		return nil // what was wrong with the request has been said
	}
	if err := c.checkRequest(method, u, e); err != nil {
		return fmt.Errorf("the request, which was taken: %w", err)
	}
	return nil
}

// checkHeaders asks for the headers that every answer of IoT Hub has.
func (e Exchange) checkHeaders() error {
	h := e.Response.header()
	if h.Get("X-Ms-Request-Id") == "" {
		return errors.New("the answer has no x-ms-request-id")
	}
	if (e.Status >= http.StatusBadRequest) != (h.Get("Iothub-Errorcode") != "") {
		return fmt.Errorf("the answer has the iothub-errorcode %q", h.Get("Iothub-Errorcode"))
	}
	if kind := h.Get("Content-Type"); e.Response.Body != "" && !strings.HasPrefix(kind, "application/json") && !beyond(e.Target) {
		return fmt.Errorf("the answer has the content type %q", kind)
	}
	return nil
}

func (c *Contract) checkRequest(method string, u *url.URL, e Exchange) error {
	input, err := c.input(c.requests, method, u, e)
	if err != nil {
		return err
	}
	c.used[method+" "+input.Route.Path] = true
	return openapi3filter.ValidateRequest(context.Background(), input)
}

// rows checks what a query answers that selects less than twins. The Swagger knows
// of twins only. IoT Hub: contract.md §14.1, x-ms-item-type.
func (e Exchange) rows() error {
	var rows []map[string]any
	return json.Unmarshal([]byte(e.Response.Body), &rows)
}

func (c *Contract) checkAnswer(method string, u *url.URL, e Exchange) error {
	if e.Response.header().Get("X-Ms-Item-Type") == "Raw" {
		return e.rows()
	}
	input, err := c.input(c.answers, method, u, e)
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: e.Status, Header: e.Response.header(),
		Body: io.NopCloser(strings.NewReader(e.Response.Body)), Options: input.Options,
	})
}

func (c *Contract) input(doc *openapi3.T, method string, u *url.URL, e Exchange) (*openapi3filter.RequestValidationInput, error) {
	route, values, _ := find(doc, method, u)
	r, err := http.NewRequest(method, u.String(), bytes.NewReader([]byte(e.Request.Body)))
	if err != nil {
		return nil, err
	}
	r.Header = e.Request.header()
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: values, Route: route, QueryParams: lowered(u.Query(), route.Operation.Parameters),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}, nil
}

// lowered spells the parameters of a query as the operation does: their case does
// not matter to IoT Hub.
func lowered(query url.Values, parameters openapi3.Parameters) url.Values {
	for name, values := range query {
		for _, p := range parameters {
			if p.Value.In == openapi3.ParameterInQuery && strings.EqualFold(p.Value.Name, name) && p.Value.Name != name {
				delete(query, name)
				query[p.Value.Name] = values
			}
		}
	}
	return query
}

// Unused are the operations of the Swagger that no exchange did successfully.
func (c *Contract) Unused() []string {
	all := map[string]bool{}
	for _, name := range operations(c.requests) {
		all[name] = true
	}
	for name := range c.used {
		delete(all, name)
	}
	return slices.Sorted(maps.Keys(all))
}
