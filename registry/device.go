package registry

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
)

// MaxStatusReason is the longest status reason, in characters.
// IoT Hub: contract.md §13.1, iot-hub-devguide-identity-registry.md.
const MaxStatusReason = 128

// Status says whether a device may connect.
type Status string

// The statuses of a device.
const (
	Enabled  Status = "enabled"
	Disabled Status = "disabled"
)

// Device is the identity of a device. The store sets GenerationID (.NET ticks
// in decimal, new when a deleted id is registered again), ETag (without
// quotes) and StatusUpdated (hub time; zero until the status first changes);
// what a caller puts there is ignored.
//
// IoT Hub: contract.md §13.1, iot-hub-devguide-identity-registry.md.
type Device struct {
	ID             string
	GenerationID   string
	ETag           string
	Status         Status // empty means Enabled
	StatusReason   string
	StatusUpdated  time.Time
	Authentication iot.Authentication // empty means sas with new keys

	// IoTEdge is the capability `iotEdge`. The store names the DeviceScope of
	// an edge device and gives it its system modules; a device below one has
	// its parent's scope, an edge device in ParentScopes only.
	IoTEdge      bool
	DeviceScope  string
	ParentScopes []string
}

// prepared is the device as it may be stored: checked, with its defaults
// filled in. What depends on the stored device is left to the caller.
func (d Device) prepared() (Device, error) {
	if !iot.ValidID(d.ID) {
		return d, iot.ErrArgumentInvalid.Because("The device identifier %s is invalid.", d.ID)
	}
	switch status := Status(strings.ToLower(string(d.Status))); status {
	case "":
		d.Status = Enabled
	case Enabled, Disabled: // the Java SDK says Enabled
		d.Status = status
	default:
		return d, iot.ErrArgumentInvalid.Because("'%s' is not a status: it must be enabled or disabled.", d.Status)
	}
	if n := utf8.RuneCountInString(d.StatusReason); n > MaxStatusReason {
		return d, iot.ErrArgumentInvalid.Because("The status reason has %d characters, more than %d.", n, MaxStatusReason)
	}
	if d.Authentication.Type == iot.AuthenticationNone {
		return d, iot.ErrArgumentInvalid.Because("Device %s needs an authentication type other than none.", d.ID)
	}
	if len(d.ParentScopes) > 1 {
		return d, iot.ErrArgumentInvalid.Because("Device %s can have one parent only.", d.ID)
	}
	auth, err := preparedAuthentication(d.ID, d.Authentication)
	if err != nil {
		return d, err
	}
	d.Authentication = auth
	d.ParentScopes = slices.Clone(d.ParentScopes)
	return d, nil
}

// copied is the device for a caller, who may change it.
func (d Device) copied() Device {
	d.ParentScopes = slices.Clone(d.ParentScopes)
	return d
}

func deviceNotFound(id string) error { return iot.ErrDeviceNotFound.Because("%s", id) }
