package codec

// names are the descriptors' symbols, for peers that send those.
// OASIS: the descriptor lines of each composite's table.
var names = map[Symbol]uint64{
	"amqp:open:list": 0x10, "amqp:begin:list": 0x11, "amqp:attach:list": 0x12, "amqp:flow:list": 0x13,
	"amqp:transfer:list": 0x14, "amqp:disposition:list": 0x15, "amqp:detach:list": 0x16,
	"amqp:end:list": 0x17, "amqp:close:list": 0x18, "amqp:error:list": 0x1d,
	"amqp:received:list": 0x23, "amqp:accepted:list": 0x24, "amqp:rejected:list": 0x25,
	"amqp:released:list": 0x26, "amqp:modified:list": 0x27, "amqp:source:list": 0x28, "amqp:target:list": 0x29,
	"amqp:sasl-mechanisms:list": 0x40, "amqp:sasl-init:list": 0x41, "amqp:sasl-response:list": 0x43,
	"amqp:sasl-outcome:list": 0x44,
	"amqp:header:list":       0x70, "amqp:delivery-annotations:map": 0x71, "amqp:message-annotations:map": 0x72,
	"amqp:properties:list": 0x73, "amqp:application-properties:map": 0x74, "amqp:data:binary": 0x75,
	"amqp:amqp-sequence:list": 0x76, "amqp:amqp-value:*": 0x77, "amqp:footer:map": 0x78,
}

// descriptorCode is a descriptor's code, 0 for one that is not ours.
func descriptorCode(descriptor any) uint64 {
	switch d := descriptor.(type) {
	case uint64:
		return d
	case Symbol:
		return names[d]
	}
	return 0
}

// composite is an empty composite with that descriptor, or nil.
func composite(descriptor any) Composite {
	switch code := descriptorCode(descriptor); {
	case code < 0x20:
		return performative(code)
	case code < 0x40:
		return messaging(code)
	default:
		return other(code)
	}
}

func performative(code uint64) Composite {
	switch code {
	case 0x10:
		return &Open{}
	case 0x11:
		return &Begin{}
	case 0x12:
		return &Attach{}
	case 0x13:
		return &Flow{}
	case 0x14:
		return &Transfer{}
	case 0x15:
		return &Disposition{}
	case 0x16:
		return &Detach{}
	case 0x17:
		return &End{}
	case 0x18:
		return &Close{}
	case 0x1d:
		return &Error{}
	}
	return nil
}

func messaging(code uint64) Composite {
	switch code {
	case 0x23:
		return &Received{}
	case 0x24:
		return &Accepted{}
	case 0x25:
		return &Rejected{}
	case 0x26:
		return &Released{}
	case 0x27:
		return &Modified{}
	case 0x28:
		return &Source{}
	case 0x29:
		return &Target{}
	}
	return nil
}

func other(code uint64) Composite {
	switch code {
	case 0x40:
		return &Mechanisms{}
	case 0x41:
		return &Init{}
	case 0x43:
		return &Response{}
	case 0x44:
		return &Outcome{}
	case 0x70:
		return &Header{}
	case 0x73:
		return &Properties{}
	}
	return nil
}
