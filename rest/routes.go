package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

// route is one operation: a method and a path, the right it takes, how its
// errors are wrapped, and what does it.
type route struct {
	method   string
	path     string // segments in braces are parameters, the others match in any case
	right    auth.Rights
	envelope envelope
	serve    func(*api, *call) (reply, error) // nil: not offered yet
}

// String is the operation for the log, as `GET devices/{device}`.
func (r route) String() string { return r.method + " " + r.path }

// routes is the API. Where two rows fit a request, the first is meant.
// Those with DeviceConnect are for devices, which authenticate in ways of their own.
// IoT Hub: contract.md Appendix A, §17; rights §4.4, envelopes §12.4.
func routes() []route {
	const (
		read, write, service = auth.RegistryRead, auth.RegistryWrite, auth.ServiceConnect
		connect              = auth.DeviceConnect
		device               = "devices/{device}"
		modules              = device + "/modules"
		module               = modules + "/{module}"
		deviceTwin           = "twins/{device}"
		moduleTwin           = deviceTwin + "/modules/{module}"
		digitalTwin          = "digitaltwins/{device}"
		feedback             = "messages/serviceBound/feedback"
		deviceBound          = device + "/messages/deviceBound"
	)
	offered := []route{
		{"GET", "devices", read, plain, (*api).listDevices},
		{"POST", "devices", write, plain, (*api).bulk},
		{"POST", "devices/keys/regenerate", write, plain, (*api).regenerateKeys},
		{"POST", "devices/query", service, plain, (*api).query},
		{"GET", device, read, plain, (*api).readDevice},
		{"PUT", device, write, plain, (*api).putDevice},
		{"DELETE", device, write, plain, (*api).deleteDevice},
		{"DELETE", device + "/commands", service, plain, (*api).purge},

		{"GET", modules, read, flat, (*api).listModules},
		{"GET", module, read, flat, (*api).readModule},
		{"PUT", module, write, flat, (*api).putModule},
		{"DELETE", module, write, flat, (*api).deleteModule},

		{"GET", "statistics/devices", read, plain, (*api).deviceStatistics},
		{"GET", "statistics/service", read, plain, (*api).serviceStatistics},

		{"GET", deviceTwin, service, plain, (*api).readTwin},
		{"PATCH", deviceTwin, service, plain, (*api).patchTwin},
		{"PUT", deviceTwin, service, plain, (*api).replaceTwin},
		{"GET", moduleTwin, service, plain, (*api).readTwin},
		{"PATCH", moduleTwin, service, plain, (*api).patchTwin},
		{"PUT", moduleTwin, service, plain, (*api).replaceTwin},

		{"POST", deviceTwin + "/methods", service, nested, (*api).invoke},
		{"POST", moduleTwin + "/methods", service, nested, (*api).invoke},

		{"GET", digitalTwin, service, plain, (*api).readDigitalTwin},
		{"PATCH", digitalTwin, service, plain, (*api).patchDigitalTwin},
		{"POST", digitalTwin + "/commands/{command}", service, nested, (*api).command},
		{"POST", digitalTwin + "/components/{component}/commands/{command}", service, nested, (*api).command},

		{"GET", feedback, service, plain, (*api).receiveFeedback},
		{"DELETE", feedback + "/{lockToken}", service, plain, (*api).completeFeedback},
		{"POST", feedback + "/{lockToken}/abandon", service, plain, (*api).abandonFeedback},

		{"POST", device + "/messages/events", connect, plain, (*api).telemetry},
		{"POST", module + "/messages/events", connect, plain, (*api).telemetry},
		{"GET", deviceBound, connect, plain, (*api).receive},
		{"DELETE", deviceBound + "/{lockToken}", connect, plain, (*api).complete},
		{"POST", deviceBound + "/{lockToken}/abandon", connect, plain, (*api).abandon},
	}
	return append(offered, unoffered()...)
}

// unoffered are the operations of IoT Hub that are still to come: they are not
// found, and the answer says why. IoT Hub: contract.md Appendix A, §13.6, §17.
func unoffered() []route {
	var rows []route
	for _, operation := range []string{
		"POST devices/{device}/applyConfigurationContent",
		"GET configurations",
		"POST configurations/testQueries",
		"GET configurations/{name}",
		"PUT configurations/{name}",
		"DELETE configurations/{name}",
		"GET jobs",
		"POST jobs/create",
		"GET jobs/v2/query",
		"GET jobs/v2/{name}",
		"PUT jobs/v2/{name}",
		"POST jobs/v2/{name}/cancel",
		"GET jobs/{name}",
		"DELETE jobs/{name}",
		"POST devices/{device}/files",
		"POST devices/{device}/files/notifications",
		"POST devices/{device}/files/notifications/{name}",
	} {
		method, path, _ := strings.Cut(operation, " ")
		rows = append(rows, route{method: method, path: path})
	}
	return rows
}

// find takes the path of a request apart and sets its route and parameters. Errors:
// 404000; 405000 where the path has other methods.
//
// Java sends PATCH as a POST that says so in a header (sdk-wire.md 0.7).
func (a *api) find(c *call) error {
	var err error
	if c.path, err = segments(c.URL.EscapedPath()); err != nil {
		return iot.ErrNotFound.Because("The path is malformed.")
	}
	method := c.Method
	if method == http.MethodPost && strings.EqualFold(c.Header.Get("X-HTTP-Method-Override"), http.MethodPatch) {
		method = http.MethodPatch
	}
	var allowed []string
	for i := range a.routes {
		r := &a.routes[i]
		p, ok := match(r.path, c.path)
		if ok && r.method == method {
			if r.serve == nil {
				return iot.ErrNotFound.Because("%s /%s is not offered yet.", r.method, r.path)
			}
			c.route, c.parameters = r, p
			return nil
		}
		if ok && r.serve != nil {
			allowed = append(allowed, r.method)
		}
	}
	if allowed != nil {
		c.allowed = strings.Join(allowed, ", ")
		return iot.ErrMethodNotAllowed.Because("%s is not allowed here.", method)
	}
	return iot.ErrNotFound.Because("There is nothing at this path.")
}

// segments takes an escaped path apart, then decodes each part, so that an
// encoded slash does not separate:
//
//	path = "/" [ segment *( "/" segment ) [ "/" ] ]
//
// One slash at the end is ignored: SDKs list devices at `/devices/`.
func segments(escaped string) ([]string, error) {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/"), "/")
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return nil, err
		}
		parts[i] = plain
	}
	return parts, nil
}

// match compares a path with a route's. A parameter is not empty; fixed segments
// are compared without case. IoT Hub: contract.md §12.1.
func match(pattern string, path []string) (p parameters, ok bool) {
	for i, segment := range path {
		var want string
		want, pattern, ok = strings.Cut(pattern, "/")
		if last := i == len(path)-1; ok == last || segment == "" {
			return parameters{}, false
		}
		switch want {
		case "{device}":
			p.device = segment
		case "{module}":
			p.module = segment
		case "{lockToken}":
			p.lockToken = segment
		case "{component}":
			p.component = segment
		case "{command}":
			p.command = segment
		case "{name}": // of an operation that is not offered
		default:
			if !strings.EqualFold(want, segment) {
				return parameters{}, false
			}
		}
	}
	return p, true
}
