package codec

import (
	"errors"
	"fmt"
)

// The codes of the sections that are no composites.
const (
	sectionDeliveryAnnotations = 0x71
	sectionAnnotations         = 0x72
	sectionApplication         = 0x74
	sectionData                = 0x75
	sectionSequence            = 0x76
	sectionValue               = 0x77
	sectionFooter              = 0x78
)

// FormatBatch is the message-format of a batch: each data section is a whole
// encoded message. Event Hubs' own (amqp.md, trap 6).
const FormatBatch uint32 = 0x80013700

// Message is a message in the AMQP format, section by section. Its body is in
// one of Data, Sequence and Value.
type Message struct {
	Header              *Header
	DeliveryAnnotations Map
	Annotations         Map
	Properties          *Properties
	Application         Map
	Data                [][]byte
	Sequence            []List
	Value               any
	HasValue            bool // Value is the body, even if it is nil
	Footer              Map
}

// DecodeMessage reads a message, whose sections must be in their order. Binary
// values share b's memory.
func DecodeMessage(b []byte) (*Message, error) {
	m := &Message{}
	d := newDecoder(b)
	last := uint64(0)
	for len(d.b) > 0 {
		code, err := d.section(m)
		if err != nil {
			return nil, err
		}
		repeats := code == last && (code == sectionData || code == sectionSequence)
		if code <= last && !repeats {
			return nil, errors.New("amqp: the sections of a message are out of order")
		}
		last = code
	}
	return m, nil
}

// section reads one section into m and returns its code.
func (d *decoder) section(m *Message) (uint64, error) {
	c, err := d.code()
	if err != nil {
		return 0, err
	}
	if c != codeDescribed {
		return 0, errors.New("amqp: a message with something that is no section")
	}
	descriptor, err := d.value()
	if err != nil {
		return 0, err
	}
	code := descriptorCode(descriptor)
	switch code {
	case 0x70:
		m.Header = &Header{}
		return code, d.fill(m.Header)
	case 0x73:
		m.Properties = &Properties{}
		return code, d.fill(m.Properties)
	}
	v, err := d.value()
	if err != nil {
		return 0, err
	}
	if !m.set(code, v) {
		return 0, fmt.Errorf("amqp: a message with a section %#x of type %T", code, v)
	}
	return code, nil
}

// set puts the value of a section in its place, if it has the section's type.
func (m *Message) set(code uint64, v any) (ok bool) {
	switch code {
	case sectionDeliveryAnnotations:
		m.DeliveryAnnotations, ok = v.(Map)
	case sectionAnnotations:
		m.Annotations, ok = v.(Map)
	case sectionApplication:
		m.Application, ok = v.(Map)
	case sectionFooter:
		m.Footer, ok = v.(Map)
	case sectionData:
		var data []byte
		data, ok = v.([]byte)
		m.Data = append(m.Data, data)
	case sectionSequence:
		var items List
		items, ok = v.(List)
		m.Sequence = append(m.Sequence, items)
	case sectionValue:
		m.Value, m.HasValue, ok = v, true, true
	}
	return ok
}

// Append encodes the message. Sections that are nil are left out.
func (m *Message) Append(b []byte) []byte {
	if m.Header != nil {
		b = appendComposite(b, m.Header)
	}
	b = appendSection(b, sectionDeliveryAnnotations, m.DeliveryAnnotations)
	b = appendSection(b, sectionAnnotations, m.Annotations)
	if m.Properties != nil {
		b = appendComposite(b, m.Properties)
	}
	b = appendSection(b, sectionApplication, m.Application)
	for _, data := range m.Data {
		b = AppendBinary(AppendDescriptor(b, sectionData), data)
	}
	for _, items := range m.Sequence {
		b = Append(AppendDescriptor(b, sectionSequence), items)
	}
	if m.HasValue {
		b = Append(AppendDescriptor(b, sectionValue), m.Value)
	}
	return appendSection(b, sectionFooter, m.Footer)
}

func appendSection(b []byte, code uint8, m Map) []byte {
	if m == nil {
		return b
	}
	return Append(AppendDescriptor(b, code), m)
}

// Body is the bytes of the data sections, one after another.
func (m *Message) Body() []byte {
	if len(m.Data) == 1 {
		return m.Data[0]
	}
	var body []byte
	for _, data := range m.Data {
		body = append(body, data...)
	}
	return body
}
