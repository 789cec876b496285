package mqtt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/linarite/linarite/iot"
)

// userName is what the user name of a CONNECT says.
type userName struct {
	host       string // as sent, perhaps with a port
	identity   iot.Identity
	apiVersion string // empty: not sent
	agent      string // DeviceClientType
	modelID    string // model-id
}

// parseUserName takes a CONNECT's user name apart:
//
//	username = host "/" device [ "/" module ] [ "/" [ "?" props | legacy ] ]
//	props    = pair *( "&" pair ) ; pair = key [ "=" percent-encoded value ]
//	legacy   = props without the "?", whose first key is one of those below
//
// The keys are api-version, DeviceClientType, model-id and auth-chain, in any
// order; others are ignored, and the first of several with one key counts. A
// value whose escapes are malformed is taken as it stands, so a raw model id is
// as good as an encoded one. Since "?" and "=" may be part of an id, a "?" opens
// the properties only after a "/" and before an "=". Two forms are forgiven: the
// slash before `?api-version=` left out, and the oldest one,
// `…/api-version=2017-06-30/DeviceClientType=…`.
//
// IoT Hub: contract.md §3.2, MqttUsernameParser.cs; sdk-wire.md 0.3 for what
// each SDK sends. Any api-version is accepted, and so is none.
func parseUserName(s string) (userName, error) {
	var u userName
	var rest string
	u.host, rest, _ = strings.Cut(s, "/")
	if i := strings.Index(rest, "?api-version="); i > 0 && rest[i-1] != '/' {
		rest = rest[:i] + "/" + rest[i:]
	}
	u.identity.DeviceID, rest, _ = strings.Cut(rest, "/")
	props, ok := userNameProperties(rest)
	if !ok {
		u.identity.ModuleID, rest, _ = strings.Cut(rest, "/")
		if props, ok = userNameProperties(rest); !ok {
			return u, errors.New("the user name goes on after {host}/{device}/{module}/ without a ?")
		}
		if !iot.ValidID(u.identity.ModuleID) {
			return u, fmt.Errorf("the user name's module id %s is not a valid id", iot.Printable(u.identity.ModuleID))
		}
	}
	if u.host == "" {
		return u, errors.New("the user name names no host")
	}
	if u.identity.DeviceID == "" {
		return u, fmt.Errorf("the user name %s names no device", iot.Printable(s))
	}
	if !iot.ValidID(u.identity.DeviceID) {
		return u, fmt.Errorf("the user name's device id %s is not a valid id", iot.Printable(u.identity.DeviceID))
	}
	u.readProperties(props)
	return u, nil
}

// userNameProperties says whether what follows the ids is the properties, which
// may be missing, and takes the marks around them away.
func userNameProperties(rest string) (props string, ok bool) {
	if rest == "" || rest == "?" {
		return "", true
	}
	equals, slash := strings.IndexByte(rest, '='), strings.IndexByte(rest, '/')
	if equals < 0 || slash >= 0 && slash < equals {
		return "", false
	}
	rest = strings.TrimSuffix(rest, "/")
	if rest[0] == '?' {
		return rest[1:], true
	}
	switch rest[:equals] {
	case "api-version", "DeviceClientType", "model-id", "auth-chain":
		return strings.Replace(rest, "/DeviceClientType=", "&DeviceClientType=", 1), true
	}
	return "", false
}

func (u *userName) readProperties(props string) {
	for props != "" {
		var pair string
		pair, props, _ = strings.Cut(props, "&")
		key, value, _ := strings.Cut(pair, "=")
		var field *string
		switch key {
		case "api-version":
			field = &u.apiVersion
		case "DeviceClientType":
			field = &u.agent
		case "model-id":
			field = &u.modelID
		default:
			continue
		}
		if *field == "" {
			*field = unescape(value)
		}
	}
}
