package control_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/linarite/linarite/control"
)

func TestHostNames(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for host, known := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8080": true, "127.9.9.9": true, "localhost": true, "LocalHost:1": true,
		"[::1]": true, "[::1]:8080": true, "hub.example": true, "HUB.example:8080": true, "linarite": true,
		"Linarite:8080": true,

		"evil.example": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "192.0.2.1": false,
		"hub.example.": false, "evil.example:8080": false, "[::2]:8080": false, "0.0.0.0": false,
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			r := d.request("GET", "/v1/clock", "")
			r.Host = host
			if a := d.send(r); known {
				assert.Equal(t, http.StatusOK, a.status, a.body)
			} else {
				a.refused(t, http.StatusForbidden, "GenericForbidden", "does not answer to")
			}
		})
	}
}

func TestRequestsOfWebPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, c := range map[string]struct {
		header, value string
		passes        bool
	}{
		"a page of the same origin":           {"Sec-Fetch-Site", "same-origin", true},
		"an address typed in":                 {"Sec-Fetch-Site", "none", true},
		"a page of another site":              {"Sec-Fetch-Site", "cross-site", false},
		"a page of another port":              {"Sec-Fetch-Site", "same-site", false},
		"the origin is ours":                  {"Origin", "ours", true},
		"the origin is another host":          {"Origin", "http://evil.example", false},
		"the origin is another port":          {"Origin", "http://127.0.0.1:1", false},
		"the origin is hidden":                {"Origin", "null", false},
		"the origin is no URL":                {"Origin", "http://%", false},
		"the origin begins with our name":     {"Origin", "http://127.0.0.1.evil.example", false},
		"the origin is ours with a user":      {"Origin", "http://127.0.0.1@evil.example", false},
		"the header is one we do not know":    {"Sec-Fetch-Site", "sideways", false},
		"the header says nothing about it":    {"Sec-Fetch-Mode", "no-cors", true},
		"a page of another site, in capitals": {"Sec-Fetch-Site", "CROSS-SITE", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "POST"} {
				r := d.request(method, "/v1/clock", `{"advance":"0s"}`)
				value := c.value
				if value == "ours" {
					value = d.url
				}
				r.Header.Set(c.header, value)
				if a := d.send(r); c.passes {
					assert.Equal(t, http.StatusOK, a.status, a.body)
				} else {
					a.refused(t, http.StatusForbidden, "GenericForbidden", "other sites")
				}
			}
		})
	}
}

func TestAnswersAreNotKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, path := range []string{"/v1/clock", "/v1/ca.pem", "/nothing"} {
		a := d.send(d.request("GET", path, ""))
		assert.Equal(t, "no-store", a.header.Get("Cache-Control"))
		assert.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
		assert.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	}
}

// doorkeeper is a response writer that notes who is let in.
type doorkeeper struct {
	http.ResponseWriter
	admitted int
}

func (k *doorkeeper) Admit() { k.admitted++ }

func TestTheServerIsToldWhoPassesTheGuard(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for host, admitted := range map[string]int{"127.0.0.1": 1, "evil.example": 0, "[::1%25eth0]": 0} {
		k := &doorkeeper{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodGet, "/health", nil)
		r.Host = host
		control.Handler(control.Options{Hub: d.hub}).ServeHTTP(k, r)
		assert.Equal(t, admitted, k.admitted, host)
	}
}
