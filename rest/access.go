package rest

import (
	"net/url"
	"strings"
	"time"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

// authorize checks that the caller may do the operation: that it is the device, or
// that the policy of its token has the right, and that the token was made for the
// path or the start of it.
//
// What is wrong with a token is for our log only: all the caller gets is 401002.
// IoT Hub: contract.md §4.4, §12.4.
func (a *api) authorize(c *call) (err error) {
	if c.route.right == auth.DeviceConnect {
		c.visit, err = a.enter(c)
		return err
	}
	principal, err := a.hub.Authorize(c.Header.Get("Authorization"), c.route.right, strings.Join(c.path, "/"))
	c.policy, c.authType = principal.Policy, principal.Method
	if err == nil && c.doorkeeper != nil {
		c.doorkeeper.Admit()
	}
	return err
}

// doorkeeper is a response writer that is told when the caller has shown who it
// is, because its server bounds the connections of those who have not.
type doorkeeper interface{ Admit() }

// checkVersion asks for an api-version that is a date, perhaps of a preview, as
// `2021-04-12` or `2020-05-31-preview`; any date will do. Error: 400001.
//
// Differs: IoT Hub knows the versions it has. IoT Hub: contract.md §12.1.
func checkVersion(u *url.URL) error {
	version := query(u, "api-version")
	date := strings.TrimSuffix(strings.ToLower(version), "-preview")
	if _, err := time.Parse(time.DateOnly, date); err == nil {
		return nil
	}
	if version == "" {
		return iot.ErrInvalidProtocol.Because("The api-version is missing.")
	}
	return iot.ErrInvalidProtocol.Because("The api-version '%s' is not supported.", version)
}

// query is a parameter of the query string whose name is spelled in any case.
func query(u *url.URL, name string) string {
	for key, values := range u.Query() {
		if strings.EqualFold(key, name) {
			return values[0]
		}
	}
	return ""
}

// check refuses ids that nothing can have. Error: 400004.
func (p parameters) check() error {
	if p.device != "" && !iot.ValidID(p.device) {
		return iot.ErrArgumentInvalid.Because("The device identifier %s is invalid.", p.device)
	}
	if p.module != "" && !iot.ValidID(p.module) {
		return iot.ErrArgumentInvalid.Because("The module identifier %s is invalid.", p.module)
	}
	return nil
}
