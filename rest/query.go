package rest

import (
	"net/http"
	"strconv"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// query answers a page of a query. Errors: 400005 for no query; 400004.
// IoT Hub: contract.md §14.1, QuerySpecification of the Swagger.
func (a *api) query(c *call) (reply, error) {
	var body struct {
		Query *string `json:"query"`
	}
	if err := c.decode(&body); err != nil {
		return reply{}, err
	}
	if body.Query == nil {
		return reply{}, iot.ErrArgumentNull.Because("The query is missing.")
	}
	// The Swagger has it that a size the service does not accept is another one,
	// not an error.
	size, _ := strconv.Atoi(c.Header.Get("x-ms-max-item-count"))
	c.queried = hub.QueryRequest{Text: *body.Query, Continuation: c.Header.Get("x-ms-continuation"), Size: size}
	page, err := a.hub.Query(c.Context(), c.queried)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: http.StatusOK, body: page.JSON, header: map[string]string{"x-ms-item-type": page.ItemType}}
	if page.Continuation != "" {
		r.header["x-ms-continuation"] = page.Continuation
	}
	return r, nil
}
