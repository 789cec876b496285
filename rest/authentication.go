package rest

import (
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// authentication is AuthenticationMechanism of the Swagger, written with its
// members in this order. IoT Hub: contract.md §13.1 (LIVE).
type authentication struct {
	SymmetricKey   symmetricKey           `json:"symmetricKey"`
	X509Thumbprint hub.Thumbprint         `json:"x509Thumbprint"`
	Type           iot.AuthenticationType `json:"type"`
}

// symmetricKey is a pair of keys in base64; null when there is none.
type symmetricKey struct {
	Primary   *string `json:"primaryKey"`
	Secondary *string `json:"secondaryKey"`
}

func authenticationOf(a iot.Authentication) authentication {
	return authentication{
		SymmetricKey:   symmetricKey{Primary: orNull(a.PrimaryKey), Secondary: orNull(a.SecondaryKey)},
		X509Thumbprint: hub.Thumbprints(a),
		Type:           a.Type,
	}
}

// value is what a body asks for. Members that are absent, null or empty are the
// same: SDKs send any of them for a key that the hub is to make.
func (a authentication) value() iot.Authentication {
	return iot.Authentication{
		Type:                a.Type,
		PrimaryKey:          orEmpty(a.SymmetricKey.Primary),
		SecondaryKey:        orEmpty(a.SymmetricKey.Secondary),
		PrimaryThumbprint:   orEmpty(a.X509Thumbprint.Primary),
		SecondaryThumbprint: orEmpty(a.X509Thumbprint.Secondary),
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
