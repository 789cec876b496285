package registry

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/linarite/linarite/iot"
)

// version is what an ETag stands for: a number that grows by one with each
// update of its identity.
type version int64

// etag is the version as clients see it: the base64 of its decimal digits.
// IoT Hub: contract.md §13.1.
func (v version) etag() string {
	return base64.StdEncoding.EncodeToString(strconv.AppendInt(nil, int64(v), 10))
}

// meets checks the condition of an If-Match header: `*`, `"*"` and `""` hold
// for every version, `"etag"` and `etag` for one. Errors are
// ErrPreconditionFailed, with the hub's three texts.
//
// IoT Hub: contract.md §12.3.
func (v version) meets(ifMatch string) error {
	switch ifMatch {
	case "":
		return iot.ErrPreconditionFailed.Because("Etag missing")
	case `*`, `"*"`, `""`:
		return nil
	}
	etag := unquoted(ifMatch)
	if etag == v.etag() {
		return nil
	}
	other, ok := parseETag(etag)
	if !ok {
		return iot.ErrPreconditionFailed.Because("PreconditionFailed, ETag may be invalid.")
	}
	return iot.ErrPreconditionFailed.Because(
		"Precondition failed: Device version did not match, existingVersion:%d newVersion:%d", v, other)
}

func parseETag(etag string) (version, bool) {
	raw, err := base64.StdEncoding.DecodeString(etag)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw), 10, 63)
	return version(n), err == nil
}

func unquoted(s string) string {
	if len(s) >= 2 && strings.HasPrefix(s, `"`) && strings.HasSuffix(s, `"`) {
		return s[1 : len(s)-1]
	}
	return s
}
