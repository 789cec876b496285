package hostile_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// exchange is a raw HTTP request, and the statuses it may be answered with; 0 is
// a connection that is closed without an answer. In the request, {host}, {token},
// {device} and {device-token} stand for the hub's name, a back end's good token,
// the attacker's device and its good token.
type exchange struct {
	sent string
	want []int
}

// input is the exchange over a port.
func (x exchange) input(port string) input {
	return func(a *attacker) error {
		open := a.tls
		if port == harness.ControlPort {
			open = a.tcp
		}
		p, err := open(port)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send([]byte(a.fill(x.sent)))
		status, err := p.status()
		if err == nil && !slices.Contains(x.want, status) {
			err = fmt.Errorf("answered with %d, not one of %v", status, x.want)
		}
		return err
	}
}

// fill puts things in the places of those that stand for them.
func (a *attacker) fill(request string) string {
	request = strings.ReplaceAll(request, "{host}", a.Address)
	request = strings.ReplaceAll(request, "{device}", a.device.DeviceID)
	if strings.Contains(request, "{token}") {
		request = strings.ReplaceAll(request, "{token}", a.ownerToken())
	}
	if strings.Contains(request, "{device-token}") {
		request = strings.ReplaceAll(request, "{device-token}", a.token())
	}
	return request
}

// status is that of the next answer; 0 when the connection is closed without
// one.
func (p *peer) status() (int, error) {
	_ = p.SetReadDeadline(time.Now().Add(harness.Deadline))
	response, err := http.ReadResponse(p.in, nil)
	switch {
	case err == nil:
		return response.StatusCode, nil
	case isTimeout(err):
		return 0, fmt.Errorf("neither answered nor closed: %w", err)
	}
	return 0, nil
}

// inputsOf are exchanges over a port, as inputs.
func inputsOf(port string, tables ...map[string]exchange) map[string]input {
	all := map[string]input{}
	for _, exchanges := range tables {
		for name, x := range exchanges {
			all[name] = x.input(port)
		}
	}
	return all
}

// request is a request with a good token and JSON in its body, if any.
func request(method, path, body string, headers ...string) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	if !strings.Contains(path, "api-version=") {
		path += separator + "api-version=" + harness.APIVersion
	}
	return plain(method, path, body, append(headers, "Authorization: {token}")...)
}

// plain is a request as anybody may send it.
func plain(method, path, body string, headers ...string) string {
	if body != "" {
		headers = append(headers, "Content-Type: application/json", "Content-Length: "+strconv.Itoa(len(body)))
	}
	return raw(method+" "+path+" HTTP/1.1", append([]string{"Host: {host}"}, headers...)...) + body
}

// raw is a request line and headers, as they are.
func raw(line string, headers ...string) string {
	var b strings.Builder
	b.WriteString(line + "\r\n")
	for _, header := range headers {
		b.WriteString(header + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// many are so many headers.
func many(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("X-%d: %d", i, i)
	}
	return all
}

// chunked is a body in chunks, as they are.
func chunked(method, path, body string, headers ...string) string {
	return plain(method, path, "", append(headers, "Authorization: {token}", "Transfer-Encoding: chunked")...) + body
}
