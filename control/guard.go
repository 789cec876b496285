package control

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/linarite/linarite/iot"
)

// guard turns away what a web page could make a browser send: requests for
// another name than ours (DNS rebinding), and requests from another site. It
// stands before every operation, reading ones included, since connection strings
// are secrets as well.
func (a *api) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !a.knownHost(r.Host) {
			a.fail(w, r, iot.ErrForbidden.Because(
				"the control API does not answer to %q: it knows loopback, the hub's names and --control-host names", r.Host))
			return
		}
		if !sameSite(r) {
			a.fail(w, r, iot.ErrForbidden.Because("requests from other sites are refused"))
			return
		}
		// There are no keys: who gets as far as this is no stranger, in case the server
		// bounds their connections.
		if k, ok := w.(interface{ Admit() }); ok {
			k.Admit()
		}
		next.ServeHTTP(w, r)
	})
}

// knownHost says whether the API answers to what the Host header names.
func (a *api) knownHost(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") || a.Hub.IsHostname(name) {
		return true
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.IsLoopback() && ip.Zone() == "" {
		return true
	}
	for _, known := range a.Hosts {
		if strings.EqualFold(name, known) {
			return true
		}
	}
	return false
}

// sameSite says whether the request does not come from a page of another site.
// Programs send neither header.
func sameSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
