package codec

// The composites of SASL. OASIS: amqp-core-security 5.3.3.

// Mechanisms is what a server offers.
type Mechanisms struct{ Names []Symbol }

func (*Mechanisms) code() uint8 { return 0x40 }

func (m *Mechanisms) visit(f *fields) { f.symbols(&m.Names) }

// Init is the client's choice.
type Init struct {
	Mechanism Symbol
	Response  []byte
	Hostname  Opt[string]
}

func (*Init) code() uint8 { return 0x41 }

func (i *Init) visit(f *fields) {
	mandatory(f, kindSymbol, &i.Mechanism)
	f.binary(&i.Response)
	optional(f, kindString, &i.Hostname)
}

// Response answers a challenge.
type Response struct{ Response []byte }

func (*Response) code() uint8 { return 0x43 }

func (r *Response) visit(f *fields) { f.binary(&r.Response) }

// The codes of Outcome that are used.
const (
	SASLOK   uint8 = 0
	SASLAuth uint8 = 1 // the credentials are wrong
)

// Outcome is the server's verdict.
type Outcome struct {
	Code           uint8
	AdditionalData []byte
}

func (*Outcome) code() uint8 { return 0x44 }

func (o *Outcome) visit(f *fields) {
	mandatory(f, kindUbyte, &o.Code)
	f.binary(&o.AdditionalData)
}
