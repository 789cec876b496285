package iot

import "fmt"

// Error is a failure as IoT Hub puts it on the wire: the HTTP status, the
// six-digit code whose first three digits are that status, the name that goes
// into `iothub-errorcode`, and a text for people.
//
// IoT Hub: contract.md §24, troubleshoot-error-codes.md.
type Error struct {
	Status  int
	Code    int
	Name    string
	Message string
}

// Error is `Name: message`.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Name
	}
	return e.Name + ": " + e.Message
}

// Is says that two errors are the same when their codes are, whatever their
// texts, so that errors.Is works with the catalogue below.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Because is a copy of the error with its own text.
func (e *Error) Because(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

func catalogued(code int, name, message string) *Error {
	return &Error{Status: code / 1000, Code: code, Name: name, Message: message}
}

// The catalogue. Texts are replaced by Because where a better one is known.
var (
	ErrBadRequest         = catalogued(400000, "GenericBadRequest", "Bad request.")
	ErrInvalidProtocol    = catalogued(400001, "InvalidProtocolVersion", "The api-version is missing or not supported.")
	ErrInvalidOperation   = catalogued(400003, "InvalidOperation", "Invalid operation.")
	ErrArgumentInvalid    = catalogued(400004, "ArgumentInvalid", "Argument invalid.")
	ErrArgumentNull       = catalogued(400005, "ArgumentNull", "Argument missing.")
	ErrFormat             = catalogued(400006, "IotHubFormatError", "The request is malformed.")
	ErrDefinedTwice       = catalogued(400011, "DeviceDefinedMultipleTimes", "The device is defined multiple times.")
	ErrDeserialization    = catalogued(400012, "DeserializationError", "The body is not valid JSON.")
	ErrBulkFailed         = catalogued(400013, "BulkRegistryOperationFailure", "The bulk registry operation failed.")
	ErrConnectionReplaced = catalogued(400027, "ConnectionForcefullyClosedOnNewConnection", "A newer connection of the same identity took over.")
	ErrDeviceScope        = catalogued(400028, "InvalidDeviceScope", "The device scope is invalid.")
	ErrPolicyKey          = catalogued(400035, "InvalidPolicyKey", "The policy key is invalid.")
	ErrKeysNotMade        = catalogued(400036, "BulkRegenerateDeviceKeyOperationFailure", "The keys were not regenerated.")
	ErrContentEncoding    = catalogued(400103, "InvalidContentEncodingOrType", "The message's body cannot be read.")
	ErrJSONPatch          = catalogued(400505, "InvalidDigitalTwinJsonPatch", "The JSON patch is invalid.")
	ErrTwinPayload        = catalogued(400506, "InvalidDigitalTwinPayload", "The payload is invalid.")
	ErrTwinPatch          = catalogued(400507, "InvalidDigitalTwinPatch", "The patch does not fit the digital twin.")
	ErrTwinPatchPath      = catalogued(400508, "InvalidDigitalTwinPatchPath", "The path of the patch is invalid.")
	ErrUnauthorized       = catalogued(401003, "IotHubUnauthorized", "Unauthorized")
	ErrUnauthorizedAccess = catalogued(401002, "IotHubUnauthorizedAccess", "Unauthorized")
	ErrSystemModule       = catalogued(401100, "SystemModuleModifyUnauthorizedAccess", "The system modules of an edge device cannot be modified.")
	ErrForbidden          = catalogued(403000, "GenericForbidden", "Forbidden.")
	ErrQueueFull          = catalogued(403004, "DeviceMaximumQueueDepthExceeded", "The device's queue of messages is full.")
	ErrTooManyTokens      = catalogued(403005, "IotHubMaxCbsTokenExceeded", "The connection has shown as many tokens as it may.")
	ErrInvalidExpiry      = catalogued(403009, "InvalidMessageExpiryTime", "The message's expiry time is invalid.")
	ErrDeviceDisabled     = catalogued(403012, "DeviceDisabled", "The device is disabled.")
	ErrTooManyMethods     = catalogued(403800, "DeviceMaximumInflightMethodExceeded", "Too many direct methods are in flight for the device.")
	ErrNotFound           = catalogued(404000, "GenericNotFound", "Not found.")
	ErrDeviceNotFound     = catalogued(404001, "DeviceNotFound", "Device not found.")
	ErrAddressNotFound    = catalogued(404006, "AmqpAddressNotFound", "There is no such address.")
	ErrNoCertificate      = catalogued(404008, "CertificateNotFound", "Certificate not found.")
	ErrModuleNotFound     = catalogued(404010, "ModuleNotFound", "Module not found.")
	ErrDeviceNotOnline    = catalogued(404103, "DeviceNotOnline", "The operation failed because the requested device isn't online. To learn more, see https://aka.ms/iothub404103")
	ErrClosedRemotely     = catalogued(404104, "DeviceConnectionClosedRemotely", "The device closed the connection.")
	ErrMethodNotAllowed   = catalogued(405000, "GenericMethodNotAllowed", "Method not allowed.")
	ErrDeviceExists       = catalogued(409001, "DeviceAlreadyExists", "The device is already registered.")
	ErrLinkConflict       = catalogued(409002, "LinkCreationConflict", "A newer connection of the same identity took over.")
	ErrModuleExists       = catalogued(409301, "ModuleAlreadyExistsOnDevice", "The module is already registered.")
	ErrUndelivered        = catalogued(412000, "GenericPreconditionFailed", "The message was not delivered.")
	ErrPreconditionFailed = catalogued(412001, "PreconditionFailed", "Precondition failed.")
	ErrMessageLockLost    = catalogued(412002, "DeviceMessageLockLost", "The message's lock was lost.")
	ErrEntityTooLarge     = catalogued(413000, "GenericRequestEntityTooLarge", "The request is too large.")
	ErrMessageTooLarge    = catalogued(413001, "MessageTooLarge", "The message is too large.")
	ErrTooManyDevices     = catalogued(413002, "TooManyDevices", "There are too many devices in one request.")
	ErrTooManyModules     = catalogued(413003, "TooManyModulesOnDevice", "The device has as many modules as it may have.")
	ErrThrottled          = catalogued(429001, "ThrottlingException", "The request has been throttled. Wait 10 seconds and try again.")
	ErrClientClosed       = catalogued(499000, "ClientClosedRequest", "The client closed the request.")
	ErrServer             = catalogued(500001, "ServerError", "Internal server error.")
	ErrServiceUnavailable = catalogued(503001, "ServiceUnavailable", "The service is unavailable.")
	ErrGatewayTimeout     = catalogued(504101, "GatewayTimeout", "Timed out waiting for the response from device.")
)
