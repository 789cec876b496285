package auth

import "strings"

// audience is what a token is for: a host, in lower case and without its port,
// and a path under it, empty for the whole hub.
type audience struct {
	host string
	path string
}

// audience reads the token's resource:
//
//	resource = [ scheme "://" ] host [ ":" port ] *( "/" segment ) [ "/" ]
//
// It is decoded once, and once more when that leaves no slash, as then it was
// encoded twice: amenzhinsky/iothub does so for modules. Device Explorer signs
// `{host}/devices/{id}/api-version=2016-11-14`; that last segment is dropped.
//
// IoT Hub: contract.md §4.2, sdk-wire.md 0.3, iot-mqtt-connect-to-iot-hub.md.
func (t Token) audience() audience {
	text := unescape(t.Resource)
	if !strings.Contains(text, "/") {
		text = unescape(text)
	}
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	host, path, _ := strings.Cut(text, "/")
	path = strings.TrimSuffix(path, "/")
	if i := strings.LastIndexByte(path, '/'); strings.HasPrefix(path[i+1:], "api-version=") {
		path = path[:max(i, 0)]
	}
	return audience{host: hostOnly(host), path: path}
}

// covers says whether a token for path is good for target: the segments of
// path must be the first ones of target's. Segments at even places are words
// (devices, modules, twins) and compare without regard to case; those between
// them are names and compare exactly.
//
// IoT Hub: contract.md §4.2. Differs: the service's documents call the whole
// comparison case-insensitive, although ids are not.
func covers(path, target string) bool {
	for place := 0; path != ""; place++ {
		var have, want string
		have, path, _ = strings.Cut(path, "/")
		want, target, _ = strings.Cut(target, "/")
		isWord := place%2 == 0
		if have != want && !(isWord && strings.EqualFold(have, want)) {
			return false
		}
	}
	return true
}

// hostOnly is a host in lower case without its port; an IPv6 address loses its
// brackets.
func hostOnly(host string) string {
	host = strings.ToLower(host)
	if inside, ok := strings.CutPrefix(host, "["); ok {
		address, _, _ := strings.Cut(inside, "]")
		return address
	}
	if name, port, ok := strings.Cut(host, ":"); ok && !strings.Contains(port, ":") {
		return name
	}
	return host
}
