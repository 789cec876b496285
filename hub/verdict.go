package hub

import (
	"errors"
	"time"

	"github.com/linarite/linarite/iot"
)

// Operation is what a device wants of the hub when a verdict is asked for.
type Operation uint8

// The operations that are judged.
const (
	OpConnect Operation = iota
	OpTelemetry
	OpTwinRead
	OpTwinUpdate
)

// Action is what a transport does with the answer of a flow.
type Action uint8

const (
	// Accept acknowledges.
	Accept Action = iota
	// Refuse answers with the verdict's error where the protocol has a way to
	// say so, and closes the connection where it has none.
	Refuse
	// CutBefore closes the connection before the acknowledgement is sent. The
	// operation itself was done: the device has to repeat it, as after a real
	// loss.
	CutBefore
	// CutAfter acknowledges, then closes the connection.
	CutAfter
)

// Verdict is what a flow answers and a transport executes. The zero value
// accepts.
type Verdict struct {
	Action Action
	// Delay is how long, on the hub's clock, the answer is held back.
	Delay time.Duration
	// Err is why, for every action but Accept; a refusal that has none is a 503001.
	Err *iot.Error
}

// failure is why the operation was not done; nil when it was.
func (v Verdict) failure() *iot.Error {
	if v.Action == Refuse {
		return v.Err
	}
	return nil
}

// refuse is the verdict on a failed operation. What is not in the catalogue is
// a fault of the hub's own: it is logged, and told as a server error.
func (h *Hub) refuse(id iot.Identity, op string, err error) Verdict {
	var e *iot.Error
	if !errors.As(err, &e) {
		h.log.Error().Err(err).Str("device", id.String()).Str("op", op).Msg("internal error")
		e = iot.ErrServer
	}
	return Verdict{Action: Refuse, Err: e}
}

// judge asks whoever set the hub up for a verdict before an operation is done.
func (h *Hub) judge(op Operation, id iot.Identity) Verdict {
	if h.verdicts == nil {
		return Verdict{}
	}
	v := h.verdicts(op, id)
	refused := v.Action == Refuse || op == OpConnect && v.Action != Accept
	if refused && v.Err == nil {
		v.Err = iot.ErrServiceUnavailable
	}
	return v
}
