package rest

import (
	"encoding/json"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// methodBody is CloudToDeviceMethod of the Swagger. The payload is any JSON; one
// that is absent reaches the device as an empty body, null as `null`.
type methodBody struct {
	Name            string          `json:"methodName"`
	Payload         json.RawMessage `json:"payload"`
	ResponseTimeout *int64          `json:"responseTimeoutInSeconds"`
	ConnectTimeout  *int64          `json:"connectTimeoutInSeconds"`
}

// methodResult is what the device answered; the payload is null when it sent
// none. IoT Hub: contract.md §11.1.
type methodResult struct {
	Status  int             `json:"status"`
	Payload json.RawMessage `json:"payload"`
}

// invoke calls a method of a device or module and waits for its answer, for as
// long as the caller waits too.
func (a *api) invoke(c *call) (reply, error) {
	var body methodBody
	if err := c.decode(&body); err != nil {
		return reply{}, err
	}
	m, err := body.call()
	if err != nil {
		return reply{}, err
	}
	r, err := a.hub.Invoke(c.Context(), c.identity(), m)
	if err != nil {
		return reply{}, err
	}
	return document(methodResult{Status: r.Status, Payload: r.Payload})
}

// call is the method as the hub is to call it. Error: 400004 for a timeout out
// of its range; 0 is none of responseTimeoutInSeconds's values.
func (b methodBody) call() (hub.MethodCall, error) {
	m := hub.MethodCall{Name: b.Name, Payload: b.Payload}
	var err error
	if b.ResponseTimeout != nil {
		m.ResponseTimeout, err = seconds("responseTimeoutInSeconds", *b.ResponseTimeout, hub.MinResponseTimeout, hub.MaxResponseTimeout)
		if err != nil {
			return m, err
		}
	}
	if b.ConnectTimeout != nil {
		m.ConnectTimeout, err = seconds("connectTimeoutInSeconds", *b.ConnectTimeout, 0, hub.MaxConnectTimeout)
	}
	return m, err
}

// seconds is n seconds, if that is in the range.
func seconds(member string, n int64, from, to time.Duration) (time.Duration, error) {
	if low, high := int64(from/time.Second), int64(to/time.Second); n < low || n > high {
		return 0, iot.ErrArgumentInvalid.Because("%s must be %d to %d.", member, low, high)
	}
	return time.Duration(n) * time.Second, nil
}
