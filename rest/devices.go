package rest

import (
	"errors"
	"strconv"
	"time"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// maxDevices is how many devices a list has at most, and by default.
// IoT Hub: contract.md §13.3.
const maxDevices = 1000

// deviceDocument is a device identity, its members in the order in which a live
// hub writes them. IoT Hub: contract.md §13.1.
type deviceDocument struct {
	DeviceID               string           `json:"deviceId"`
	GenerationID           string           `json:"generationId"`
	ETag                   string           `json:"etag"`
	ConnectionState        string           `json:"connectionState"`
	Status                 registry.Status  `json:"status"`
	StatusReason           *string          `json:"statusReason"`
	ConnectionStateUpdated moment           `json:"connectionStateUpdatedTime"`
	StatusUpdated          moment           `json:"statusUpdatedTime"`
	LastActivity           moment           `json:"lastActivityTime"`
	MessageCount           int              `json:"cloudToDeviceMessageCount"`
	Authentication         authentication   `json:"authentication"`
	Capabilities           hub.Capabilities `json:"capabilities"`
	DeviceScope            string           `json:"deviceScope,omitempty"`
	ParentScopes           []string         `json:"parentScopes,omitempty"`
}

// moment is a time in an identity document: UTC, up to seven fractional digits,
// `Z`. The year 1 stands for never, and has no `Z` where the identity was just
// created. IoT Hub: contract.md §13.1 (LIVE).
type moment string

func momentOf(t time.Time, created bool) moment {
	if t.IsZero() && created {
		return "0001-01-01T00:00:00"
	}
	return moment(t.UTC().Format("2006-01-02T15:04:05.9999999Z"))
}

func deviceOf(v hub.DeviceView, created bool) deviceDocument {
	return deviceDocument{
		DeviceID: v.ID, GenerationID: v.GenerationID, ETag: v.ETag,
		ConnectionState: v.Presence.ConnectionState(), Status: v.Status, StatusReason: orNull(v.StatusReason),
		ConnectionStateUpdated: momentOf(v.Presence.StateUpdated, created),
		StatusUpdated:          momentOf(v.StatusUpdated, created),
		LastActivity:           momentOf(v.Presence.LastActivity, created),
		MessageCount:           v.MessageCount,
		Authentication:         authenticationOf(v.Authentication),
		Capabilities:           hub.Capabilities{IoTEdge: v.IoTEdge},
		DeviceScope:            v.DeviceScope, ParentScopes: v.ParentScopes,
	}
}

// deviceReply is a device with its ETag in a header too, which of all documents
// only devices have. IoT Hub: contract.md §12.2.
func deviceReply(v hub.DeviceView, created bool) (reply, error) {
	r, err := document(deviceOf(v, created))
	r.header = map[string]string{"ETag": `"` + v.ETag + `"`}
	return r, err
}

// listDevices is `GET /devices?top=n`: an array of the first n devices.
func (a *api) listDevices(c *call) (reply, error) {
	top := maxDevices
	if text := query(c.URL, "top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxDevices {
			return reply{}, iot.ErrArgumentInvalid.Because("top must be a number from 1 to %d.", maxDevices)
		}
		top = n
	}
	list := []deviceDocument{}
	for _, v := range a.hub.Devices(top) {
		list = append(list, deviceOf(v, false))
	}
	return document(list)
}

func (a *api) readDevice(c *call) (reply, error) {
	v, err := a.hub.Device(c.device)
	if err != nil {
		return reply{}, err
	}
	return deviceReply(v, false)
}

// deviceBody is what a request may set of a device. Everything else in it is
// ignored, the etag included: only the If-Match header is a condition.
type deviceBody struct {
	DeviceID string `json:"deviceId"`
	deviceSettings
}

// deviceSettings are what can be set of a device.
type deviceSettings struct {
	Status         registry.Status  `json:"status"`
	StatusReason   string           `json:"statusReason"`
	Authentication authentication   `json:"authentication"`
	Capabilities   hub.Capabilities `json:"capabilities"`
	DeviceScope    string           `json:"deviceScope"`
	ParentScopes   []string         `json:"parentScopes"`
}

// device is a device with these settings.
func (s deviceSettings) device() registry.Device {
	return registry.Device{
		Status: s.Status, StatusReason: s.StatusReason, Authentication: s.Authentication.value(),
		IoTEdge: s.Capabilities.IoTEdge, DeviceScope: s.DeviceScope, ParentScopes: s.ParentScopes,
	}
}

// putDevice creates a device, or, given If-Match, replaces the one there is. An
// If-Match of `""` allows either.
// IoT Hub: contract.md §12.3, §13.1.
func (a *api) putDevice(c *call) (reply, error) {
	var body deviceBody
	if err := c.decode(&body); err != nil {
		return reply{}, err
	}
	if err := same("deviceId", body.DeviceID, c.device); err != nil {
		return reply{}, err
	}
	d := body.device()
	d.ID = c.device
	v, created, err := put(c, iot.ErrDeviceNotFound,
		func() (hub.DeviceView, error) { return a.hub.CreateDevice(d) },
		func() (hub.DeviceView, error) { return a.hub.UpdateDevice(d, c.ifMatch()) })
	if err != nil {
		return reply{}, err
	}
	return deviceReply(v, created)
}

// put creates an identity or changes it, as the request's condition has it:
// without one it must be new, with one it must be there. With `""`, which is
// what Azure.IoT.Hub.Service sends where it knows no etag, it is created when it
// is missing. The latter was recorded from a live hub (SessionRecords,
// DevicesClient_IdentityLifecycle); that it is changed when it is there has no
// source.
func put[V any](c *call, missing *iot.Error, create, update func() (V, error)) (v V, created bool, err error) {
	if c.ifMatch() != "" {
		v, err = update()
		if c.ifMatch() != `""` || !errors.Is(err, missing) {
			return v, false, err
		}
	}
	v, err = create()
	return v, true, err
}

func (a *api) deleteDevice(c *call) (reply, error) {
	if err := a.hub.DeleteDevice(c.device, c.ifMatch()); err != nil {
		return reply{}, err
	}
	return noContent()
}

// ifMatch is the request's condition, as it was sent; empty when there is none.
func (c *call) ifMatch() string { return c.Header.Get("If-Match") }

// same checks that a body means the identity that the path names; it need not
// name one itself. Error: 400004.
func same(member, body, path string) error {
	if body != "" && body != path {
		return iot.ErrArgumentInvalid.Because("The %s of the body, %s, is not the one of the path, %s.", member, body, path)
	}
	return nil
}
