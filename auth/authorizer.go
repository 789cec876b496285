// Package auth answers who somebody is and whether they may: shared access
// signatures, the policies and keys that make them, client certificates and the
// authorities that vouch for them, and connection strings.
//
// A refusal is an error whose text says exactly why, for the log, and which
// wraps the catalogue's error that the other side is told. No text holds a
// token, a key or a signature.
package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
)

// Keys is where the keys of identities come from. Errors: 404001 and 404010 for
// strangers, 403012 for a device that is disabled.
type Keys interface {
	Authentication(id iot.Identity) (iot.Authentication, error)
}

// Options sets an Authorizer up. Hostnames, Keys and Clock are needed.
type Options struct {
	// Hostnames says whether host, in lower case and without a port, is one of
	// the hub's names.
	Hostnames func(host string) bool
	Policies  []Policy // nil: BuiltinPolicies
	Keys      Keys
	Clock     *clock.Clock
	Grace     time.Duration // how long a token is good after its expiry
	// Authorities vouch for devices with CA-signed certificates; nil: none.
	Authorities *Authorities
}

// sightingsLimit is how many tokens, at least, are remembered (about 2 MB).
const sightingsLimit = 1 << 16

// Authorizer checks the tokens of one hub. It is safe for concurrent use.
type Authorizer struct {
	hostnames func(host string) bool
	policies  map[string]Policy
	keys      Keys
	clock     *clock.Clock
	grace     time.Duration
	sightings *sightings

	authorities *Authorities
}

// NewAuthorizer makes an Authorizer that has seen no token yet.
func NewAuthorizer(o Options) *Authorizer {
	if o.Policies == nil {
		o.Policies = BuiltinPolicies()
	}
	a := &Authorizer{
		hostnames: o.Hostnames, policies: make(map[string]Policy, len(o.Policies)), keys: o.Keys,
		clock: o.Clock, grace: o.Grace, sightings: newSightings(sightingsLimit), authorities: o.Authorities,
	}
	if a.authorities == nil {
		a.authorities = NewAuthorities(o.Clock)
	}
	for _, p := range o.Policies {
		a.policies[p.Name] = p
	}
	return a
}

// Principal is somebody whose token or certificate was good.
type Principal struct {
	Policy  string    // the policy that signed; empty when it was an identity's own key
	Rights  Rights    // the policy's, or DeviceConnect
	Expires time.Time // hub time, grace included: when a live connection must end; zero: never
	Method  string    // JSON for iothub-connection-auth-method

	Authentication iot.AuthenticationType // how it was proven
}

// The values of iothub-connection-auth-method for shared access signatures.
// IoT Hub: contract.md §4.4.
const (
	methodHub    = `{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
	methodDevice = `{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
	methodModule = `{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}`
)

// Policy is the policy of that name, which is compared exactly.
func (a *Authorizer) Policy(name string) (Policy, bool) {
	p, ok := a.policies[name]
	return p, ok
}

// Device checks the token that a device or module connects with. Signed for is
// the identity itself or anything above it; the signer is a key of its own or a
// policy with DeviceConnect. Errors: 401003, and those of Keys.
//
// IoT Hub: contract.md §4.2. A device's key does not open its modules: a module
// has keys of its own. A token for less than the identity, as for
// `devices/d/messages/events`, opens no connection. With its own key an
// identity may sign for the bare host, as amenzhinsky/iothub does
// (sdk-wire.md 0.3).
func (a *Authorizer) Device(id iot.Identity, token string) (Principal, error) {
	return a.DeviceAt(id, token, id.Path())
}

// DeviceAt is Device for a path under the hub, as `devices/d/messages/events`, for
// which alone the token may be.
func (a *Authorizer) DeviceAt(id iot.Identity, token, path string) (Principal, error) {
	t, err := parse(token)
	if err != nil {
		return Principal{}, refusal(err, iot.ErrUnauthorized)
	}
	known, err := a.keys.Authentication(id)
	if err != nil {
		return Principal{}, fmt.Errorf("%s may not connect: %w", describe(id), err)
	}
	return a.admit(id, t, path, known)
}

// DeviceWithKeys is DeviceAt for an identity whose keys are given, whoever it is.
// Errors: 401003.
func (a *Authorizer) DeviceWithKeys(id iot.Identity, token, path string, known iot.Authentication) (Principal, error) {
	t, err := parse(token)
	if err != nil {
		return Principal{}, refusal(err, iot.ErrUnauthorized)
	}
	return a.admit(id, t, path, known)
}

// Service checks a back end's token: a policy that has the right signed it, for
// resource or anything above it. The resource is a path under the host, as
// `devices/d`; empty is the whole hub. Errors: 401002.
//
// IoT Hub: contract.md §4.4, §12.4.
func (a *Authorizer) Service(token string, need Rights, resource string) (Principal, error) {
	t, err := parse(token)
	if err == nil && t.KeyName == "" {
		err = errors.New("the token names no policy (skn)")
	}
	var p Principal
	if err == nil {
		p, err = a.policySigned(t, need)
	}
	if err == nil {
		p.Expires, err = a.inForce(t, resource)
	}
	if err != nil {
		return Principal{}, refusal(err, iot.ErrUnauthorizedAccess)
	}
	return p, nil
}

// admit is what the two ways to check a device have in common.
func (a *Authorizer) admit(id iot.Identity, t Token, path string, known iot.Authentication) (Principal, error) {
	var p Principal
	var err error
	switch {
	case known.Type != iot.AuthenticationSAS:
		err = fmt.Errorf("%s authenticates by %q, not by shared access signatures", describe(id), known.Type)
	case t.KeyName != "":
		p, err = a.policySigned(t, DeviceConnect)
	default:
		p, err = selfSigned(id, t, known)
	}
	if err == nil {
		p.Expires, err = a.inForce(t, path)
	}
	if err != nil {
		return Principal{}, refusal(err, iot.ErrUnauthorized)
	}
	return p, nil
}

// ErrSignature is that a token is signed with another key.
var ErrSignature = errors.New("the signature matches neither key")

// selfSigned checks a token that an identity's own key is to have signed.
func selfSigned(id iot.Identity, t Token, known iot.Authentication) (Principal, error) {
	if !t.SignedBy(known.PrimaryKey) && !t.SignedBy(known.SecondaryKey) {
		return Principal{}, fmt.Errorf("%w of %s", ErrSignature, describe(id))
	}
	p := Principal{Rights: DeviceConnect, Authentication: iot.AuthenticationSAS, Method: methodDevice}
	if id.IsModule() {
		p.Method = methodModule
	}
	return p, nil
}

// policySigned checks a token that a policy is to have signed.
func (a *Authorizer) policySigned(t Token, need Rights) (Principal, error) {
	p, ok := a.policies[t.KeyName]
	if !ok {
		return Principal{}, fmt.Errorf("the hub has no policy %q", t.KeyName)
	}
	if !t.SignedBy(p.PrimaryKey) && !t.SignedBy(p.SecondaryKey) {
		return Principal{}, fmt.Errorf("%w of policy %q", ErrSignature, p.Name)
	}
	if !p.Rights.Has(need) {
		return Principal{}, fmt.Errorf("policy %q lacks %s", p.Name, need)
	}
	return Principal{Policy: p.Name, Rights: p.Rights, Authentication: iot.AuthenticationSAS, Method: methodHub}, nil
}

// inForce checks that a token, whose signature was good, is for the target, a
// path under one of the hub's names, and has not run out. It returns when it
// will, in hub time with the grace included.
//
// IoT Hub: contract.md §4.3.
func (a *Authorizer) inForce(t Token, target string) (time.Time, error) {
	scope := t.audience()
	if !a.hostnames(scope.host) {
		return time.Time{}, fmt.Errorf("sr names host %q, which is not one of this hub's names", scope.host)
	}
	if !covers(scope.path, target) {
		if target == "" {
			target = "the whole hub"
		}
		return time.Time{}, fmt.Errorf("the token is for %q, not for %s", scope.path, target)
	}
	offset := a.firstSight(t)
	expiry, now := t.Expiry.Add(offset), a.clock.Now()
	if now.After(expiry.Add(a.grace)) {
		return time.Time{}, fmt.Errorf("the token expired at %s (grace %s), and the hub's clock says %s",
			expiry.Format(time.RFC3339), a.grace, now.Format(time.RFC3339))
	}
	return expiry.Add(a.grace), nil
}

// firstSight is how far the hub's clock had been advanced when a token was first
// seen.
func (a *Authorizer) firstSight(t Token) time.Duration {
	token := binary.LittleEndian.Uint64(t.sum[:])
	now := sighting{offset: a.clock.Offset(), second: clock.Wall().Unix()}
	if t.KeyName != "" { // a back end's
		return a.sightings.signedAnew(token, now)
	}
	return a.sightings.first(token, now)
}

// refusal is a reason for the log around what the other side is told.
func refusal(reason error, told *iot.Error) error { return fmt.Errorf("%w: %w", reason, told) }

// describe names an identity in a reason.
func describe(id iot.Identity) string {
	if id.IsModule() {
		return fmt.Sprintf("module %q of device %q", id.ModuleID, id.DeviceID)
	}
	return fmt.Sprintf("device %q", id.DeviceID)
}

// MethodOfPolicies is how back ends authenticate, in the same words.
const MethodOfPolicies = methodHub

// Method is how an identity that shows a token, or else a certificate, means to
// authenticate, in the words of iothub-connection-auth-method.
// IoT Hub: contract.md §4.4.
func Method(id iot.Identity, certificate bool) string {
	switch {
	case certificate && id.IsModule():
		return methodModuleX509
	case certificate:
		return methodDeviceX509
	case id.IsModule():
		return methodModule
	}
	return methodDevice
}
