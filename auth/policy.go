package auth

import "strings"

// Rights is what a shared access policy allows; the values are the service's
// own bits, so that RegistryWrite contains RegistryRead.
//
// IoT Hub: contract.md §4.4, iot-hub-dev-guide-sas.md, AccessRights.cs.
type Rights uint8

// The rights of IoT Hub.
const (
	RegistryRead   Rights = 1
	RegistryWrite  Rights = 3
	ServiceConnect Rights = 4
	DeviceConnect  Rights = 8
)

// Has says whether every right of need is among r.
func (r Rights) Has(need Rights) bool { return r&need == need }

// String is the names of the rights, as `RegistryWrite, DeviceConnect`.
// RegistryRead is not named beside RegistryWrite. No right at all is `none`.
func (r Rights) String() string {
	var names []string
	for _, right := range []struct {
		bits Rights
		name string
	}{
		{RegistryWrite, "RegistryWrite"},
		{RegistryRead, "RegistryRead"},
		{ServiceConnect, "ServiceConnect"},
		{DeviceConnect, "DeviceConnect"},
	} {
		if r.Has(right.bits) {
			names = append(names, right.name)
			r &^= right.bits
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Policy is a shared access policy: a name, two keys in base64, and what a
// token may do that was signed with either. An empty key signs nothing.
type Policy struct {
	Name         string
	PrimaryKey   string
	SecondaryKey string
	Rights       Rights
}

// WellKnownKey is the key of the built-in policies, public so that nobody takes
// it for a secret. It decodes to `linarite-well-known-key-32-bytes`.
const WellKnownKey = "bGluYXJpdGUtd2VsbC1rbm93bi1rZXktMzItYnl0ZXM="

// BuiltinPolicies are the policies every new hub has, both keys of each being
// the well-known one.
//
// IoT Hub: contract.md §4.4. Differs: the service makes random keys.
func BuiltinPolicies() []Policy {
	builtin := func(name string, rights Rights) Policy {
		return Policy{Name: name, PrimaryKey: WellKnownKey, SecondaryKey: WellKnownKey, Rights: rights}
	}
	return []Policy{
		builtin("iothubowner", RegistryWrite|ServiceConnect|DeviceConnect),
		builtin("service", ServiceConnect),
		builtin("device", DeviceConnect),
		builtin("registryRead", RegistryRead),
		builtin("registryReadWrite", RegistryWrite),
	}
}
