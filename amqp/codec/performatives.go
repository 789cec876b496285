package codec

import "math"

// The composites of connections, sessions and links, field by field as the
// standard's tables have them. OASIS: amqp-core-transport 2.7, 2.8.14.

// Open begins a connection.
type Open struct {
	ContainerID         string
	Hostname            Opt[string]
	MaxFrameSize        uint32
	ChannelMax          uint16
	IdleTimeout         Opt[uint32] // milliseconds
	OutgoingLocales     []Symbol
	IncomingLocales     []Symbol
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Map
}

func (*Open) code() uint8 { return 0x10 }

func (o *Open) visit(f *fields) {
	mandatory(f, kindString, &o.ContainerID)
	optional(f, kindString, &o.Hostname)
	standard(f, kindUint, &o.MaxFrameSize, math.MaxUint32)
	standard(f, kindUshort, &o.ChannelMax, math.MaxUint16)
	optional(f, kindUint, &o.IdleTimeout)
	f.symbols(&o.OutgoingLocales)
	f.symbols(&o.IncomingLocales)
	f.symbols(&o.OfferedCapabilities)
	f.symbols(&o.DesiredCapabilities)
	f.entries(&o.Properties)
}

// Begin begins a session on a channel.
type Begin struct {
	RemoteChannel       Opt[uint16]
	NextOutgoingID      uint32
	IncomingWindow      uint32
	OutgoingWindow      uint32
	HandleMax           uint32
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Map
}

func (*Begin) code() uint8 { return 0x11 }

func (b *Begin) visit(f *fields) {
	optional(f, kindUshort, &b.RemoteChannel)
	mandatory(f, kindUint, &b.NextOutgoingID)
	mandatory(f, kindUint, &b.IncomingWindow)
	mandatory(f, kindUint, &b.OutgoingWindow)
	standard(f, kindUint, &b.HandleMax, math.MaxUint32)
	f.symbols(&b.OfferedCapabilities)
	f.symbols(&b.DesiredCapabilities)
	f.entries(&b.Properties)
}

// Role says which end of a link somebody is.
type Role = bool

// The roles.
const (
	RoleSender   Role = false
	RoleReceiver Role = true
)

// Values of SndSettleMode and RcvSettleMode.
const (
	SndUnsettled uint8 = 0
	SndSettled   uint8 = 1
	SndMixed     uint8 = 2
	RcvFirst     uint8 = 0
	RcvSecond    uint8 = 1
)

// Attach attaches a link to a session. Source and Target are a *Source and a
// *Target, a Described for what is neither, or nil.
type Attach struct {
	Name                 string
	Handle               uint32
	Role                 Role // of whoever sends this
	SndSettleMode        uint8
	RcvSettleMode        uint8
	Source               any
	Target               any
	Unsettled            Map
	IncompleteUnsettled  bool
	InitialDeliveryCount Opt[uint32]
	MaxMessageSize       Opt[uint64]
	OfferedCapabilities  []Symbol
	DesiredCapabilities  []Symbol
	Properties           Map
}

func (*Attach) code() uint8 { return 0x12 }

func (a *Attach) visit(f *fields) {
	mandatory(f, kindString, &a.Name)
	mandatory(f, kindUint, &a.Handle)
	mandatory(f, kindBool, &a.Role)
	standard(f, kindUbyte, &a.SndSettleMode, SndMixed)
	standard(f, kindUbyte, &a.RcvSettleMode, RcvFirst)
	f.any(&a.Source)
	f.any(&a.Target)
	f.entries(&a.Unsettled)
	standard(f, kindBool, &a.IncompleteUnsettled, false)
	optional(f, kindUint, &a.InitialDeliveryCount)
	optional(f, kindUlong, &a.MaxMessageSize)
	f.symbols(&a.OfferedCapabilities)
	f.symbols(&a.DesiredCapabilities)
	f.entries(&a.Properties)
}

// Flow tells the state of a session and perhaps of one of its links.
type Flow struct {
	NextIncomingID Opt[uint32]
	IncomingWindow uint32
	NextOutgoingID uint32
	OutgoingWindow uint32
	Handle         Opt[uint32]
	DeliveryCount  Opt[uint32]
	LinkCredit     Opt[uint32]
	Available      Opt[uint32]
	Drain          bool
	Echo           bool
	Properties     Map
}

func (*Flow) code() uint8 { return 0x13 }

func (w *Flow) visit(f *fields) {
	optional(f, kindUint, &w.NextIncomingID)
	mandatory(f, kindUint, &w.IncomingWindow)
	mandatory(f, kindUint, &w.NextOutgoingID)
	mandatory(f, kindUint, &w.OutgoingWindow)
	optional(f, kindUint, &w.Handle)
	optional(f, kindUint, &w.DeliveryCount)
	optional(f, kindUint, &w.LinkCredit)
	optional(f, kindUint, &w.Available)
	standard(f, kindBool, &w.Drain, false)
	standard(f, kindBool, &w.Echo, false)
	f.entries(&w.Properties)
}

// Transfer carries a message, or a part of one, which follows it in the frame.
type Transfer struct {
	Handle        uint32
	DeliveryID    Opt[uint32]
	DeliveryTag   []byte
	MessageFormat Opt[uint32]
	Settled       Opt[bool]
	More          bool
	RcvSettleMode Opt[uint8]
	State         any
	Resume        bool
	Aborted       bool
	Batchable     bool
}

func (*Transfer) code() uint8 { return 0x14 }

func (t *Transfer) visit(f *fields) {
	mandatory(f, kindUint, &t.Handle)
	optional(f, kindUint, &t.DeliveryID)
	f.binary(&t.DeliveryTag)
	optional(f, kindUint, &t.MessageFormat)
	optional(f, kindBool, &t.Settled)
	standard(f, kindBool, &t.More, false)
	optional(f, kindUbyte, &t.RcvSettleMode)
	f.any(&t.State)
	standard(f, kindBool, &t.Resume, false)
	standard(f, kindBool, &t.Aborted, false)
	standard(f, kindBool, &t.Batchable, false)
}

// AppendTransfer encodes a transfer as Append does, in a fraction of the time: one
// goes out with each message and each reader. Its state is not written.
func AppendTransfer(b []byte, t *Transfer) []byte {
	b = AppendDescriptor(b, t.code())
	start := len(b)
	b = AppendUint(beginCompound(b), t.Handle)
	b = appendOpt(b, t.DeliveryID, AppendUint)
	if t.DeliveryTag == nil {
		b = append(b, codeNull)
	} else {
		b = AppendBinary(b, t.DeliveryTag)
	}
	b = appendOpt(b, t.MessageFormat, AppendUint)
	b = appendOpt(b, t.Settled, AppendBool)
	b = AppendBool(b, t.More)
	b = appendOpt(b, t.RcvSettleMode, AppendUbyte)
	b = append(b, codeNull)
	b = AppendBool(b, t.Resume)
	b = AppendBool(b, t.Aborted)
	b = AppendBool(b, t.Batchable)
	return endCompound(b, start, codeList8, codeList, 11)
}

func appendOpt[T any](b []byte, v Opt[T], write func([]byte, T) []byte) []byte {
	if !v.OK {
		return append(b, codeNull)
	}
	return write(b, v.Value)
}

// Disposition tells what became of deliveries.
type Disposition struct {
	Role      Role
	First     uint32
	Last      Opt[uint32]
	Settled   bool
	State     any
	Batchable bool
}

func (*Disposition) code() uint8 { return 0x15 }

func (d *Disposition) visit(f *fields) {
	mandatory(f, kindBool, &d.Role)
	mandatory(f, kindUint, &d.First)
	optional(f, kindUint, &d.Last)
	standard(f, kindBool, &d.Settled, false)
	f.any(&d.State)
	standard(f, kindBool, &d.Batchable, false)
}

// Detach takes a link off its session.
type Detach struct {
	Handle uint32
	Closed bool
	Error  *Error
}

func (*Detach) code() uint8 { return 0x16 }

func (d *Detach) visit(f *fields) {
	mandatory(f, kindUint, &d.Handle)
	standard(f, kindBool, &d.Closed, false)
	f.failure(&d.Error)
}

// End ends a session.
type End struct{ Error *Error }

func (*End) code() uint8 { return 0x17 }

func (e *End) visit(f *fields) { f.failure(&e.Error) }

// Close ends a connection.
type Close struct{ Error *Error }

func (*Close) code() uint8 { return 0x18 }

func (c *Close) visit(f *fields) { f.failure(&c.Error) }

// Error says what went wrong.
type Error struct {
	Condition   Symbol
	Description Opt[string]
	Info        Map
}

func (*Error) code() uint8 { return 0x1d }

func (e *Error) visit(f *fields) {
	mandatory(f, kindSymbol, &e.Condition)
	optional(f, kindString, &e.Description)
	f.entries(&e.Info)
}

// Error is `condition: description`.
func (e *Error) Error() string {
	if !e.Description.OK {
		return string(e.Condition)
	}
	return string(e.Condition) + ": " + e.Description.Value
}

// Failure is an error with a condition and a text for people.
func Failure(condition Symbol, description string) *Error {
	return &Error{Condition: condition, Description: Some(description)}
}
