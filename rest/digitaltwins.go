package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// readDigitalTwin answers with the digital twin of a device.
// IoT Hub: contract.md §10.4.
func (a *api) readDigitalTwin(c *call) (reply, error) {
	d, err := a.hub.DigitalTwin(c.device)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, header: map[string]string{"ETag": `"` + d.ETag + `"`}, body: d.Document}, nil
}

// patchDigitalTwin applies a JSON patch to a digital twin. It answers 202,
// because the device has still to follow. What the Location is has no source.
// IoT Hub: contract.md §10.4.
func (a *api) patchDigitalTwin(c *call) (reply, error) {
	var patch []twin.Operation
	tooMany := iot.ErrJSONPatch.Because("A patch has 1 to %d operations.", twin.MaxOperations)
	err := c.decodeList(maxBody, twin.MaxOperations, tooMany, func(d *json.Decoder) error {
		var o twin.Operation
		err := d.Decode(&o)
		patch = append(patch, o)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	etag, err := a.hub.PatchDigitalTwin(c.device, patch, c.ifMatch())
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, header: map[string]string{
		"ETag":     `"` + etag + `"`,
		"Location": "https://" + c.Host + "/digitaltwins/" + url.PathEscape(c.device),
	}}, nil
}

// command calls a command of a device or of one of its components, which is a
// direct method, and waits for its answer. The body is the command's argument.
// IoT Hub: contract.md §10.4; the name of a component's method is that of
// concepts-convention.
func (a *api) command(c *call) (reply, error) {
	m, err := c.commandCall()
	if err != nil {
		return reply{}, err
	}
	r, err := a.hub.Invoke(c.Context(), c.identity(), m)
	if err != nil {
		return reply{}, err
	}
	body := []byte(r.Payload)
	if len(body) == 0 {
		body = []byte("null")
	}
	return reply{
		status: http.StatusOK, body: body,
		header: map[string]string{"x-ms-command-statuscode": strconv.Itoa(r.Status)},
	}, nil
}

// commandCall is the method call that a command stands for. Errors: 400004,
// 400012, 413000.
func (c *call) commandCall() (hub.MethodCall, error) {
	m := hub.MethodCall{Name: c.command}
	if c.component != "" {
		m.Name = c.component + "*" + c.command
	}
	var err error
	if m.ResponseTimeout, err = c.timeout("responseTimeoutInSeconds", hub.MinResponseTimeout, hub.MaxResponseTimeout); err != nil {
		return m, err
	}
	if m.ConnectTimeout, err = c.timeout("connectTimeoutInSeconds", 0, hub.MaxConnectTimeout); err != nil {
		return m, err
	}
	m.Payload, err = c.argument()
	return m, err
}

// timeout is a parameter of the query that is a number of seconds; 0 when it is
// absent.
func (c *call) timeout(name string, from, to time.Duration) (time.Duration, error) {
	text := query(c.URL, name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, iot.ErrArgumentInvalid.Because("%s must be a number.", name)
	}
	return seconds(name, n, from, to)
}

// argument is the body, any JSON; nil when there is none.
func (c *call) argument() (json.RawMessage, error) {
	body, err := c.readBody(maxBody)
	if err != nil {
		return nil, err
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, nil
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, iot.ErrDeserialization.Because("The body is not valid JSON.")
	}
	return body, nil
}
