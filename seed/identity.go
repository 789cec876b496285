package seed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// DerivedKey is the key of an identity that was given none, always the same:
// base64 of HMAC-SHA256 of `{device}` or `{device}/{module}` under the
// well-known key. Device Provisioning derives the keys of enrollment groups in
// this way, so that `az iot dps enrollment-group compute-device-key` and a line
// of openssl make it too.
func DerivedKey(id iot.Identity) string {
	secret, err := base64.StdEncoding.DecodeString(auth.WellKnownKey)
	if err != nil {
		panic(err) // a constant
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id.String()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// fresh is what a device is before anything is said of it.
func (d Device) fresh() registry.Device {
	return registry.Device{ID: d.ID, Authentication: derived(iot.Device(d.ID))}
}

// over is a device with what the file says in the place of what it had.
func (d Device) over(had registry.Device) registry.Device {
	if d.Status != "" {
		had.Status = registry.Status(d.Status)
	}
	if d.StatusReason != nil {
		had.StatusReason = *d.StatusReason
	}
	if d.IoTEdge != nil {
		had.IoTEdge = *d.IoTEdge
	}
	had.Authentication = d.authentication(iot.Device(d.ID), had.Authentication)
	return had
}

func (m Module) fresh(device string) registry.Module {
	return registry.Module{ID: m.ID, DeviceID: device, Authentication: derived(iot.Module(device, m.ID))}
}

func (m Module) over(had registry.Module) registry.Module {
	if m.ManagedBy != nil {
		had.ManagedBy = *m.ManagedBy
	}
	had.Authentication = m.authentication(iot.Module(had.DeviceID, m.ID), had.Authentication)
	return had
}

// authentication is what the file says, or what the identity had where the file
// says nothing, or only its type and that is the same.
func (i Identity) authentication(id iot.Identity, had iot.Authentication) iot.Authentication {
	said := iot.Authentication{
		Type:              iot.AuthenticationType(i.Authentication),
		PrimaryKey:        i.PrimaryKey,
		SecondaryKey:      i.SecondaryKey,
		PrimaryThumbprint: i.PrimaryThumbprint, SecondaryThumbprint: i.SecondaryThumbprint,
	}
	hasKeys := said.PrimaryKey != ""
	hasThumbprints := said.PrimaryThumbprint != "" || said.SecondaryThumbprint != ""
	switch {
	case hasThumbprints:
		said.Type = iot.AuthenticationSelfSigned
	case hasKeys:
		said.Type = iot.AuthenticationSAS
	case said.Type == "" || said.Type == had.Type:
		return had
	case said.Type == iot.AuthenticationSAS:
		return derived(id)
	}
	return said
}

func derived(id iot.Identity) iot.Authentication {
	key := DerivedKey(id)
	return iot.Authentication{Type: iot.AuthenticationSAS, PrimaryKey: key, SecondaryKey: key}
}
