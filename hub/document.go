package hub

import (
	"encoding/json"
	"time"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// Time is a moment as IoT Hub writes it into JSON: UTC, up to seven fractional
// digits, `Z`; the zero value is year 1. IoT Hub: contract.md §10.1 (LIVE).
type Time time.Time

// MarshalJSON writes the moment as a string.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format(`"` + timeLayout + `"`)), nil
}

const timeLayout = "2006-01-02T15:04:05.9999999Z"

// TwinDocument is a twin as the service API shows it; its members stand in the
// order in which a live hub writes them. IoT Hub: contract.md §10.1.
type TwinDocument struct {
	DeviceID           string          `json:"deviceId"`
	ModuleID           string          `json:"moduleId,omitempty"`
	ETag               string          `json:"etag"`
	DeviceETag         string          `json:"deviceEtag"`
	Status             string          `json:"status"`
	StatusReason       string          `json:"statusReason,omitempty"`
	StatusUpdateTime   Time            `json:"statusUpdateTime"`
	ConnectionState    string          `json:"connectionState"`
	LastActivityTime   Time            `json:"lastActivityTime"`
	MessageCount       int             `json:"cloudToDeviceMessageCount"`
	AuthenticationType string          `json:"authenticationType"`
	X509Thumbprint     TwinThumbprint  `json:"x509Thumbprint"`
	ModelID            string          `json:"modelId,omitempty"`
	Version            int64           `json:"version"`
	Tags               json.RawMessage `json:"tags,omitempty"`
	Properties         TwinProperties  `json:"properties"`
	Capabilities       *Capabilities   `json:"capabilities,omitempty"`
	DeviceScope        string          `json:"deviceScope,omitempty"`
	ParentScopes       []string        `json:"parentScopes,omitempty"`
}

// TwinProperties are the two halves of a twin, with metadata and versions.
type TwinProperties struct {
	Desired  json.RawMessage `json:"desired"`
	Reported json.RawMessage `json:"reported"`
}

// Thumbprint is the pair of thumbprints of an identity; null when it has none.
type Thumbprint struct {
	Primary   *string `json:"primaryThumbprint"`
	Secondary *string `json:"secondaryThumbprint"`
}

// TwinThumbprint is a Thumbprint as a twin shows it: a live hub was seen to
// write the names with a capital once there is a thumbprint.
//
// IoT Hub: contract.md §10.1.
type TwinThumbprint Thumbprint

// MarshalJSON writes the pair as an object.
func (t TwinThumbprint) MarshalJSON() ([]byte, error) {
	if t.Primary == nil && t.Secondary == nil {
		return json.Marshal(Thumbprint(t))
	}
	return json.Marshal(struct{ PrimaryThumbprint, SecondaryThumbprint *string }{t.Primary, t.Secondary})
}

// Capabilities are what a device can be.
type Capabilities struct {
	IoTEdge bool `json:"iotEdge"`
}

// Thumbprints is the JSON form of an identity's thumbprints.
func Thumbprints(a iot.Authentication) Thumbprint {
	return Thumbprint{Primary: orNull(a.PrimaryThumbprint), Secondary: orNull(a.SecondaryThumbprint)}
}

// ConnectionState is `Connected` or `Disconnected`.
func (p Presence) ConnectionState() string {
	if p.Connected {
		return "Connected"
	}
	return "Disconnected"
}

func twinDocument(id iot.Identity, a iot.Authentication, p Presence, t twin.Twin) TwinDocument {
	return TwinDocument{
		DeviceID: id.DeviceID, ModuleID: id.ModuleID, ETag: t.ETag, Version: t.Version, ModelID: t.ModelID,
		ConnectionState: p.ConnectionState(), LastActivityTime: Time(p.LastActivity),
		AuthenticationType: string(a.Type), X509Thumbprint: TwinThumbprint(Thumbprints(a)),
		Tags: t.Tags, Properties: TwinProperties{Desired: t.Desired, Reported: t.Reported},
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
