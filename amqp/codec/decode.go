package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Decode reads the first value of b and returns what follows it. Binary values
// share b's memory.
func Decode(b []byte) (v any, rest []byte, err error) {
	d := newDecoder(b)
	v, err = d.value()
	return v, d.b, err
}

// decoder reads values off the front of b.
type decoder struct {
	b      []byte
	depth  int // how deep the values may still nest
	budget int // how many values there may still be
}

func newDecoder(b []byte) *decoder { return &decoder{b: b, depth: maxDepth, budget: maxValues} }

// take removes n bytes.
func (d *decoder) take(n int) ([]byte, error) {
	if n < 0 || n > len(d.b) {
		return nil, ErrShort
	}
	taken := d.b[:n:n]
	d.b = d.b[n:]
	return taken, nil
}

// code removes a constructor.
func (d *decoder) code() (byte, error) {
	if len(d.b) == 0 {
		return 0, ErrShort
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c, nil
}

// value reads any value.
func (d *decoder) value() (any, error) {
	c, err := d.code()
	if err != nil {
		return nil, err
	}
	return d.body(c)
}

// body reads the value after its constructor.
func (d *decoder) body(c byte) (any, error) {
	if d.budget--; d.budget < 0 {
		return nil, ErrBudget
	}
	switch {
	case c == codeDescribed:
		return d.described()
	case c>>4 >= 0x4 && c>>4 <= 0x9:
		return d.fixed(c)
	case c>>4 == 0xa || c>>4 == 0xb:
		return d.variable(c)
	case c>>4 >= 0xc:
		return d.compound(c)
	}
	return nil, unknown(c)
}

func unknown(c byte) error { return fmt.Errorf("amqp: unknown constructor %#x", c) }

// width is how many bytes values take whose constructor has that upper half.
func width(c byte) int { return [...]int{0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}[c>>4] }

// fixed reads a value of fixed width.
func (d *decoder) fixed(c byte) (any, error) {
	b, err := d.take(width(c))
	if err != nil {
		return nil, err
	}
	switch c {
	case codeNull:
		return nil, nil
	case codeTrue:
		return true, nil
	case codeFalse:
		return false, nil
	case codeUint0:
		return uint32(0), nil
	case codeUlong0:
		return uint64(0), nil
	case codeList0:
		return List{}, nil
	case codeBool:
		return b[0] == 1, nil
	}
	return number(c, b)
}

func number(c byte, b []byte) (any, error) {
	be := binary.BigEndian
	switch c {
	case codeUbyte:
		return b[0], nil
	case codeByte:
		return int8(b[0]), nil
	case codeUint8:
		return uint32(b[0]), nil
	case codeUlong8:
		return uint64(b[0]), nil
	case codeInt8:
		return int32(int8(b[0])), nil
	case codeLong8:
		return int64(int8(b[0])), nil
	case codeUshort:
		return be.Uint16(b), nil
	case codeShort:
		return int16(be.Uint16(b)), nil
	case codeUint:
		return be.Uint32(b), nil
	case codeInt:
		return int32(be.Uint32(b)), nil
	case codeFloat:
		return math.Float32frombits(be.Uint32(b)), nil
	case codeChar:
		return Char(be.Uint32(b)), nil
	case codeUlong:
		return be.Uint64(b), nil
	case codeLong:
		return int64(be.Uint64(b)), nil
	case codeDouble:
		return math.Float64frombits(be.Uint64(b)), nil
	case codeTime:
		return time.UnixMilli(int64(be.Uint64(b))).UTC(), nil
	case codeUUID:
		return UUID(b), nil
	case codeDecimal32, codeDecimal64, codeDecimal:
		return Decimal(b), nil
	}
	return nil, unknown(c)
}

// variable reads bytes, text or a symbol.
func (d *decoder) variable(c byte) (any, error) {
	b, err := d.sized(c&0xf0 == 0xb0)
	if err != nil {
		return nil, err
	}
	switch c {
	case codeBinary8, codeBinary:
		return b, nil
	case codeString8, codeString:
		return text(b)
	case codeSymbol8, codeSymbol:
		return symbol(b)
	}
	return nil, unknown(c)
}

func text(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errors.New("amqp: a string that is not UTF-8")
	}
	return string(b), nil
}

func symbol(b []byte) (Symbol, error) {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return "", errors.New("amqp: a symbol that is not ASCII")
		}
	}
	return Symbol(b), nil
}

// sized reads a length of one or four bytes and what it counts.
func (d *decoder) sized(long bool) ([]byte, error) {
	n, err := d.length(long)
	if err != nil {
		return nil, err
	}
	return d.take(n)
}

func (d *decoder) length(long bool) (int, error) {
	if !long {
		c, err := d.code()
		return int(c), err
	}
	b, err := d.take(4)
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint32(b)), nil
}

// described reads a descriptor and its value; known ones become composites.
func (d *decoder) described() (any, error) {
	if d.depth--; d.depth < 0 {
		return nil, ErrDepth
	}
	defer func() { d.depth++ }()
	descriptor, err := d.value()
	if err != nil {
		return nil, err
	}
	if c := composite(descriptor); c != nil {
		return c, d.fill(c)
	}
	v, err := d.value()
	return Described{descriptor, v}, err
}
