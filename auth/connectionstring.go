package auth

import (
	"errors"
	"fmt"
	"strings"
)

// ConnectionString is what a client is configured with. Forms:
//
//	HostName=…;SharedAccessKeyName=…;SharedAccessKey=…                 a back end, or any device
//	HostName=…;DeviceId=…[;ModuleId=…];SharedAccessKey=…               a device or module
//	HostName=…;DeviceId=…[;ModuleId=…];SharedAccessSignature=…         the same, with a token
//	HostName=…;DeviceId=…[;ModuleId=…];x509=true                       the same, with a certificate
//	Endpoint=sb://…/;SharedAccessKeyName=…;SharedAccessKey=…[;EntityPath=…]   a reader of events
//
// IoT Hub: contract.md §12.1, iot-hub-dev-guide-sas.md; the last form is Event
// Hubs' own.
type ConnectionString struct {
	HostName              string // of the hub, perhaps with a port
	DeviceID              string
	ModuleID              string
	SharedAccessKeyName   string
	SharedAccessKey       string // base64
	SharedAccessSignature string // a whole token
	X509                  bool   // a certificate takes the place of key and token
	EntityPath            string // the event hub's name
	Endpoint              string // a URI
}

// byCertificate is the part that says that there is a certificate.
const byCertificate = "x509"

// field is a part of a connection string: how it is spelled and where it is kept.
type field struct {
	name  string
	value *string
}

// fields are the parts in the order in which they are printed.
func (c *ConnectionString) fields() []field {
	return []field{
		{"HostName", &c.HostName},
		{"Endpoint", &c.Endpoint},
		{"DeviceId", &c.DeviceID},
		{"ModuleId", &c.ModuleID},
		{"SharedAccessKeyName", &c.SharedAccessKeyName},
		{"SharedAccessKey", &c.SharedAccessKey},
		{"SharedAccessSignature", &c.SharedAccessSignature},
		{"EntityPath", &c.EntityPath},
	}
}

// ParseConnectionString reads any of the forms. The parts come in any order,
// their names in any case; parts that mean nothing to a hub, as
// GatewayHostName, are ignored. The error says what is wrong and contains no
// value.
func ParseConnectionString(s string) (ConnectionString, error) {
	var c ConnectionString
	fields := c.fields()
	for part := range strings.SplitSeq(s, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return ConnectionString{}, errors.New("connection string: a part has no =")
		}
		if strings.EqualFold(name, byCertificate) {
			c.X509 = strings.EqualFold(value, "true")
		}
		for _, f := range fields {
			if !strings.EqualFold(f.name, name) {
				continue
			}
			if *f.value != "" {
				return ConnectionString{}, fmt.Errorf("connection string: it has %s twice", f.name)
			}
			*f.value = value
		}
	}
	if err := c.check(); err != nil {
		return ConnectionString{}, fmt.Errorf("connection string: %w", err)
	}
	return c, nil
}

// String is the connection string, its secrets included.
func (c ConnectionString) String() string {
	var b strings.Builder
	for _, f := range c.fields() {
		if *f.value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(';')
		}
		b.WriteString(f.name + "=" + *f.value)
	}
	if c.X509 {
		b.WriteString(";" + byCertificate + "=true")
	}
	return b.String()
}

// check says why a connection string has none of the forms.
func (c *ConnectionString) check() error {
	hasKey, hasToken := c.SharedAccessKey != "", c.SharedAccessSignature != ""
	switch {
	case c.X509 && (hasKey || hasToken):
		return errors.New("x509 goes with neither SharedAccessKey nor SharedAccessSignature")
	case c.X509 && c.DeviceID == "":
		return errors.New("x509 needs DeviceId")
	case (c.HostName == "") == (c.Endpoint == ""):
		return errors.New("it needs either HostName or Endpoint")
	case hasKey == hasToken && !c.X509:
		return errors.New("it needs either SharedAccessKey or SharedAccessSignature")
	case c.ModuleID != "" && c.DeviceID == "":
		return errors.New("ModuleId needs DeviceId")
	case c.Endpoint != "" && c.DeviceID != "":
		return errors.New("DeviceId goes with HostName, not with Endpoint")
	case c.EntityPath != "" && c.Endpoint == "":
		return errors.New("EntityPath goes with Endpoint")
	case hasKey && c.SharedAccessKeyName == "" && c.DeviceID == "":
		return errors.New("SharedAccessKey needs SharedAccessKeyName or DeviceId")
	}
	return nil
}
