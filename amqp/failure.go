package amqp

import (
	"errors"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/iot"
)

// The conditions of the standard and of Azure that are used.
// IoT Hub: contract.md §18, sdk-wire.md 0.6, AmqpErrorMapper of the SDKs.
const (
	conditionInternal     codec.Symbol = "amqp:internal-error"
	conditionInvalidField codec.Symbol = "amqp:invalid-field"
	conditionLimit        codec.Symbol = "amqp:resource-limit-exceeded"
	conditionNotAllowed   codec.Symbol = "amqp:not-allowed"
	conditionNotFound     codec.Symbol = "amqp:not-found"
	conditionPrecondition codec.Symbol = "amqp:precondition-failed"
	conditionRedirect     codec.Symbol = "amqp:link:redirect"
	conditionStolen       codec.Symbol = "amqp:link:stolen"
	conditionTooLarge     codec.Symbol = "amqp:link:message-size-exceeded"
	conditionUnauthorized codec.Symbol = "amqp:unauthorized-access"
	conditionForced       codec.Symbol = "amqp:link:detach-forced"
	conditionArgument     codec.Symbol = "com.microsoft:argument-error"
	conditionRange        codec.Symbol = "com.microsoft:argument-out-of-range"
	conditionBusy         codec.Symbol = "com.microsoft:server-busy"
	conditionLockLost     codec.Symbol = "com.microsoft:message-lock-lost"
	conditionThrottled    codec.Symbol = "com.microsoft:device-container-throttled"
	conditionTimeout      codec.Symbol = "com.microsoft:timeout"
	conditionExists       codec.Symbol = "com.microsoft:device-already-exists"
)

// failure is an error as AMQP tells it. The six-digit code goes with it, since a
// condition stands for several.
func failure(err error) *codec.Error {
	var e *iot.Error
	if !errors.As(err, &e) {
		e = iot.ErrServer
	}
	f := codec.Failure(condition(e), e.Error())
	f.Info = codec.Map{{Key: codec.Symbol("error-code"), Value: int32(e.Code)}}
	return f
}

// condition is the condition of an error of the catalogue.
func condition(e *iot.Error) codec.Symbol {
	switch e.Code {
	case iot.ErrQueueFull.Code, iot.ErrTooManyMethods.Code, iot.ErrTooManyTokens.Code:
		return conditionLimit
	case iot.ErrClosedRemotely.Code: // Node's SDK takes it for a service that is not available, and comes again
		return conditionForced
	case iot.ErrLinkConflict.Code:
		return conditionStolen
	case iot.ErrDeviceDisabled.Code:
		return conditionUnauthorized
	case iot.ErrMessageLockLost.Code:
		return conditionLockLost
	}
	switch e.Status {
	case 400:
		return conditionArgument
	case 401:
		return conditionUnauthorized
	case 403, 405:
		return conditionNotAllowed
	case 404:
		return conditionNotFound
	case 409:
		return conditionExists
	case 412:
		return conditionPrecondition
	case 413:
		return conditionTooLarge
	case 429:
		return conditionThrottled
	case 503:
		return conditionBusy
	case 504:
		return conditionTimeout
	}
	return conditionInternal
}
