// Package iot is the shared vocabulary of the hub: who somebody is, what a
// message is, and what can go wrong. It holds values only, no behaviour of a
// hub.
package iot

import "strings"

// MaxIDLength is the longest device or module id, in characters.
// IoT Hub: contract.md §13.1, iot-hub-devguide-identity-registry.md.
const MaxIDLength = 128

// Identity names a device, or one of its modules when ModuleID is set. A
// module and its device are different identities. Ids are case-sensitive.
type Identity struct {
	DeviceID string
	ModuleID string
}

// Device is the identity of a device.
func Device(id string) Identity { return Identity{DeviceID: id} }

// Module is the identity of a module of a device.
func Module(device, module string) Identity {
	return Identity{DeviceID: device, ModuleID: module}
}

// IsModule says whether the identity is a module's.
func (i Identity) IsModule() bool { return i.ModuleID != "" }

// String is `{device}` or `{device}/{module}`: the MQTT client id.
func (i Identity) String() string {
	if i.ModuleID == "" {
		return i.DeviceID
	}
	return i.DeviceID + "/" + i.ModuleID
}

// Path is `devices/{device}` or `devices/{device}/modules/{module}`, not
// percent-encoded: the start of MQTT topics and of SAS resources.
func (i Identity) Path() string {
	if i.ModuleID == "" {
		return "devices/" + i.DeviceID
	}
	return "devices/" + i.DeviceID + "/modules/" + i.ModuleID
}

// ValidID says whether s can be a device or module id: 1 to 128 ASCII
// alphanumerics and - : . % _ # * ? ! ( ) , = @ ; $ ' +
//
// IoT Hub: contract.md §13.1 (the union of the documents' and the Swagger's
// character sets).
func ValidID(s string) bool {
	if s == "" || len(s) > MaxIDLength {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !validIDByte(s[i]) {
			return false
		}
	}
	return true
}

func validIDByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("-:.%_#*?!(),=@;$'+", c) >= 0
}
