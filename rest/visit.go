package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// protocol is what connections over HTTPS are called. IoT Hub: contract.md §23.2.
const protocol = "Https"

// enter authenticates the device or module that the path names: by the request's
// token, which may be for this path alone, or else by the client's certificate.
// What is wrong is for our log only: the device gets 401002 as back ends do. That
// it does not exist is told to those only who may know: 404001, 404010.
//
// IoT Hub: contract.md §4.2, §17; azure-iot-sdk-csharp#573 for the answer.
func (a *api) enter(c *call) (*hub.Visit, error) {
	r := hub.ConnectRequest{
		Identity: c.identity(), Token: c.Header.Get("Authorization"), Path: strings.Join(c.path, "/"),
		Agent: c.UserAgent(), APIVersion: query(c.URL, "api-version"), Protocol: protocol, RemoteAddr: c.RemoteAddr,
	}
	if c.TLS != nil {
		r.Certificates = auth.ChainOf(c.TLS.PeerCertificates)
	}
	v, err := a.hub.Visit(r)
	switch {
	case err == nil && c.doorkeeper != nil:
		c.doorkeeper.Admit()
	case errors.Is(err, iot.ErrDeviceNotFound), errors.Is(err, iot.ErrModuleNotFound):
		if _, unknown := a.hub.Authorize(r.Token, auth.DeviceConnect, r.Path); unknown != nil {
			err = unauthorized(err)
		}
	case errors.Is(err, iot.ErrUnauthorized):
		err = unauthorized(err)
	}
	return v, err
}

// unauthorized is 401002 for the caller, with the reason for our log.
func unauthorized(reason error) error {
	return &denial{iot.ErrUnauthorizedAccess, reason}
}

// denial is what a caller is told, and why.
type denial struct {
	told   *iot.Error
	reason error
}

func (d *denial) Error() string { return d.reason.Error() }
func (d *denial) Unwrap() error { return d.told }

// execute carries a verdict out, besides acknowledging: it holds the answer back,
// is the error that refuses, or cuts the connection.
func (a *api) execute(c *call, v hub.Verdict) (reply, error) {
	if v.Delay > 0 {
		if err := a.hold(c, v); err != nil {
			return reply{}, err
		}
	}
	switch v.Action {
	case hub.Refuse:
		return reply{}, v.Err
	case hub.CutBefore:
		panic(http.ErrAbortHandler)
	case hub.CutAfter:
		return reply{status: http.StatusNoContent, header: map[string]string{"Connection": "close"}}, nil
	}
	return noContent()
}

// hold waits as long as a verdict wants the answer held back, in hub time.
func (a *api) hold(c *call, v hub.Verdict) error {
	over := make(chan struct{})
	defer a.hub.Clock().AfterFunc(v.Delay, func() { close(over) }).Stop()
	select {
	case <-over:
		return nil
	case <-c.Context().Done():
		return c.Context().Err()
	}
}
