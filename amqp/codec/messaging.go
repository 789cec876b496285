package codec

import "time"

// The composites of messaging: outcomes, ends of links, and two sections of
// messages. OASIS: amqp-core-messaging 3.2, 3.4, 3.5.

// Received says how much of a delivery has arrived.
type Received struct {
	SectionNumber uint32
	SectionOffset uint64
}

func (*Received) code() uint8 { return 0x23 }

func (r *Received) visit(f *fields) {
	mandatory(f, kindUint, &r.SectionNumber)
	mandatory(f, kindUlong, &r.SectionOffset)
}

// Accepted says that a delivery was dealt with.
type Accepted struct{}

func (*Accepted) code() uint8 { return 0x24 }

func (*Accepted) visit(*fields) {}

// Rejected says that a delivery is invalid, and why.
type Rejected struct{ Error *Error }

func (*Rejected) code() uint8 { return 0x25 }

func (r *Rejected) visit(f *fields) { f.failure(&r.Error) }

// Released gives a delivery back.
type Released struct{}

func (*Released) code() uint8 { return 0x26 }

func (*Released) visit(*fields) {}

// Modified gives a delivery back and says how to change it.
type Modified struct {
	DeliveryFailed     bool
	UndeliverableHere  bool
	MessageAnnotations Map
}

func (*Modified) code() uint8 { return 0x27 }

func (m *Modified) visit(f *fields) {
	standard(f, kindBool, &m.DeliveryFailed, false)
	standard(f, kindBool, &m.UndeliverableHere, false)
	f.entries(&m.MessageAnnotations)
}

// sessionEnd is the default expiry policy of a terminus.
const sessionEnd Symbol = "session-end"

// Source is where a link's messages come from.
type Source struct {
	Address               any // a string, or nil
	Durable               uint32
	ExpiryPolicy          Symbol
	Timeout               uint32
	Dynamic               bool
	DynamicNodeProperties Map
	DistributionMode      Opt[Symbol]
	Filter                Map
	DefaultOutcome        any
	Outcomes              []Symbol
	Capabilities          []Symbol
}

func (*Source) code() uint8 { return 0x28 }

func (s *Source) visit(f *fields) {
	f.any(&s.Address)
	standard(f, kindUint, &s.Durable, 0)
	f.name(&s.ExpiryPolicy, sessionEnd)
	standard(f, kindUint, &s.Timeout, 0)
	standard(f, kindBool, &s.Dynamic, false)
	f.entries(&s.DynamicNodeProperties)
	optional(f, kindSymbol, &s.DistributionMode)
	f.entries(&s.Filter)
	f.any(&s.DefaultOutcome)
	f.symbols(&s.Outcomes)
	f.symbols(&s.Capabilities)
}

// Target is where a link's messages go.
type Target struct {
	Address               any // a string, or nil
	Durable               uint32
	ExpiryPolicy          Symbol
	Timeout               uint32
	Dynamic               bool
	DynamicNodeProperties Map
	Capabilities          []Symbol
}

func (*Target) code() uint8 { return 0x29 }

func (t *Target) visit(f *fields) {
	f.any(&t.Address)
	standard(f, kindUint, &t.Durable, 0)
	f.name(&t.ExpiryPolicy, sessionEnd)
	standard(f, kindUint, &t.Timeout, 0)
	standard(f, kindBool, &t.Dynamic, false)
	f.entries(&t.DynamicNodeProperties)
	f.symbols(&t.Capabilities)
}

// Header is the section of a message that is about its delivery.
type Header struct {
	Durable       bool
	Priority      uint8
	TTL           Opt[uint32] // milliseconds
	FirstAcquirer bool
	DeliveryCount uint32
}

func (*Header) code() uint8 { return 0x70 }

func (h *Header) visit(f *fields) {
	standard(f, kindBool, &h.Durable, false)
	standard(f, kindUbyte, &h.Priority, 4)
	optional(f, kindUint, &h.TTL)
	standard(f, kindBool, &h.FirstAcquirer, false)
	standard(f, kindUint, &h.DeliveryCount, 0)
}

// Properties is the section of a message with its immutable properties.
// MessageID and CorrelationID are a string, a uint64, a UUID, a []byte, or nil.
type Properties struct {
	MessageID          any
	UserID             []byte
	To                 any // a string, or nil
	Subject            Opt[string]
	ReplyTo            any // a string, or nil
	CorrelationID      any
	ContentType        Opt[Symbol]
	ContentEncoding    Opt[Symbol]
	AbsoluteExpiryTime Opt[time.Time]
	CreationTime       Opt[time.Time]
	GroupID            Opt[string]
	GroupSequence      Opt[uint32]
	ReplyToGroupID     Opt[string]
}

func (*Properties) code() uint8 { return 0x73 }

func (p *Properties) visit(f *fields) {
	f.any(&p.MessageID)
	f.binary(&p.UserID)
	f.any(&p.To)
	optional(f, kindString, &p.Subject)
	f.any(&p.ReplyTo)
	f.any(&p.CorrelationID)
	optional(f, kindSymbol, &p.ContentType)
	optional(f, kindSymbol, &p.ContentEncoding)
	optional(f, kindTime, &p.AbsoluteExpiryTime)
	optional(f, kindTime, &p.CreationTime)
	optional(f, kindString, &p.GroupID)
	optional(f, kindUint, &p.GroupSequence)
	optional(f, kindString, &p.ReplyToGroupID)
}
