package amqp

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/linarite/linarite/iot"
)

// place is what an address or an audience names under the hub: the path, without
// slashes around it, and the host before it, if there is one.
type place struct {
	host string
	path string
}

// parseAddress takes an address apart:
//
//	address = [ scheme "://" host [ ":" port ] ] [ "/" ] path [ "/" ]
//
// IoT Hub: sdk-wire.md 0.6, uamqp and C send whole URIs.
func parseAddress(s string) place {
	var p place
	if _, rest, ok := strings.Cut(s, "://"); ok {
		p.host, s, _ = strings.Cut(rest, "/")
	}
	p.path = strings.Trim(s, "/")
	return p
}

// parseAudience takes the audience of a token apart, which begins with a host:
//
//	audience = [ scheme "://" ] host [ ":" port ] [ "/" path ] [ "/" ]
//
// IoT Hub: sdk-wire.md 0.6; azure-iothub names the bare host.
func parseAudience(s string) place {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	} else if decoded := unescape(s); !strings.Contains(s, "/") {
		s = decoded
	}
	host, path, _ := strings.Cut(s, "/")
	return place{host: host, path: strings.Trim(path, "/")}
}

// is compares the path with a known one, as the service does: without regard to
// case.
func (p place) is(path string) bool { return strings.EqualFold(p.path, path) }

// under is the rest of the path below prefix.
func (p place) under(prefix string) (rest string, ok bool) {
	n := len(prefix)
	if len(p.path) < n || !strings.EqualFold(p.path[:n], prefix) || len(p.path) > n && p.path[n] != '/' {
		return "", false
	}
	return strings.TrimPrefix(p.path[n:], "/"), true
}

// partitionAddress is the address of a partition, taken apart.
type partitionAddress struct {
	entity    string // the endpoint's name; not part of what is parsed
	group     string
	partition int
}

// parsePartition takes what stands behind the entity apart:
//
//	partition = "ConsumerGroups/" group "/Partitions/" number
//
// The words compare without regard to case.
func parsePartition(s string) (partitionAddress, bool) {
	words := strings.Split(s, "/")
	if len(words) != 4 || !strings.EqualFold(words[0], "ConsumerGroups") || !strings.EqualFold(words[2], "Partitions") {
		return partitionAddress{}, false
	}
	n, err := strconv.ParseUint(words[3], 10, 31)
	return partitionAddress{group: words[1], partition: int(n)}, err == nil
}

// parseIdentity takes an identity off the front of a path:
//
//	path = "devices/" device [ "/modules/" module ] [ "/" rest ]
//
// Ids may be percent-encoded. IoT Hub: contract.md §18.
func parseIdentity(path string) (id iot.Identity, rest string, ok bool) {
	words := strings.SplitN(path, "/", 5)
	if len(words) < 2 || !strings.EqualFold(words[0], "devices") {
		return id, "", false
	}
	id.DeviceID = unescape(words[1])
	words = words[2:]
	if len(words) >= 2 && strings.EqualFold(words[0], "modules") {
		id.ModuleID = unescape(words[1])
		words = words[2:]
		if !iot.ValidID(id.ModuleID) {
			return id, "", false
		}
	}
	return id, strings.Join(words, "/"), iot.ValidID(id.DeviceID)
}

// unescape undoes percent-encoding; text that is not well-formed stays as it is.
func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
