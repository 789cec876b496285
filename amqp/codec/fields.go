package codec

import (
	"fmt"
	"time"
)

// Composite is a described list whose fields have names. A composite's visit
// lists its fields once, in their order, and that one list both encodes and
// decodes it.
type Composite interface {
	code() uint8
	visit(f *fields)
}

// fields goes through the fields of a composite, to write or to read them.
type fields struct {
	out  []byte   // what was written so far
	in   *decoder // where to read; nil to write
	left int      // how many fields there still are to read
	n    int      // how many fields were visited
	err  error    // the first that went wrong
}

// appendComposite writes a composite with all its fields, absent ones as nulls
// and trailing ones too: pyamqp finds fields by their position and does not pad
// (sdk-wire.md 0.6).
func appendComposite(b []byte, c Composite) []byte {
	b = AppendDescriptor(b, c.code())
	start := len(b)
	f := fields{out: beginCompound(b)}
	c.visit(&f)
	return endCompound(f.out, start, codeList8, codeList, f.n)
}

// fill reads the fields of a composite. Fields that it does not have are left
// unread.
func (d *decoder) fill(c Composite) error {
	constructor, err := d.code()
	if err != nil {
		return err
	}
	var inner decoder
	count := 0
	switch constructor {
	case codeList0:
	case codeList8, codeList:
		if inner, count, err = d.enter(constructor); err != nil {
			return err
		}
	default:
		return fmt.Errorf("amqp: %T is no list", c)
	}
	f := fields{in: &inner, left: count}
	c.visit(&f)
	if f.err != nil {
		return fmt.Errorf("amqp: field %d of %T: %w", f.n, c, f.err)
	}
	if constructor != codeList0 {
		d.budget = inner.budget
	}
	return nil
}

// present goes to the next field to read and says whether it is there.
func (f *fields) present() bool {
	if f.err != nil {
		return false
	}
	f.n++
	if f.left == 0 {
		return false
	}
	f.left--
	if len(f.in.b) == 0 {
		f.err = ErrShort
		return false
	}
	if f.in.b[0] == codeNull {
		f.in.b = f.in.b[1:]
		return false
	}
	if f.in.budget--; f.in.budget < 0 {
		f.err = ErrBudget
		return false
	}
	return true
}

// kind is how values of one AMQP type are read and written.
type kind[T any] struct {
	read  func(*decoder) (T, error)
	write func([]byte, T) []byte
}

// The kinds that fields have.
var (
	kindBool   = kind[bool]{(*decoder).boolean, AppendBool}
	kindUbyte  = kind[uint8]{(*decoder).ubyte, AppendUbyte}
	kindUshort = kind[uint16]{(*decoder).ushort, AppendUshort}
	kindUint   = kind[uint32]{(*decoder).uint, AppendUint}
	kindUlong  = kind[uint64]{(*decoder).ulong, AppendUlong}
	kindTime   = kind[time.Time]{(*decoder).time, AppendTime}
	kindString = kind[string]{(*decoder).text, AppendString}
	kindSymbol = kind[Symbol]{(*decoder).symbol, AppendSymbol}
)

// mandatory visits a field that must be there.
func mandatory[T any](f *fields, k kind[T], p *T) {
	if f.in == nil {
		f.n++
		f.out = k.write(f.out, *p)
		return
	}
	if f.present() {
		*p, f.err = k.read(f.in)
	} else if f.err == nil {
		f.err = fmt.Errorf("it is mandatory")
	}
}

// standard visits a field that has a default, which is what an absent one means.
// It is always written.
func standard[T any](f *fields, k kind[T], p *T, value T) {
	if f.in == nil {
		f.n++
		f.out = k.write(f.out, *p)
		return
	}
	*p = value
	if f.present() {
		*p, f.err = k.read(f.in)
	}
}

// optional visits a field that may be absent.
func optional[T any](f *fields, k kind[T], p *Opt[T]) {
	if f.in == nil {
		f.n++
		if !p.OK {
			f.out = append(f.out, codeNull)
			return
		}
		f.out = k.write(f.out, p.Value)
		return
	}
	if f.present() {
		p.OK = true
		p.Value, f.err = k.read(f.in)
	}
}

// name visits a symbol with a default. One that was not set is the default:
// go-amqp refuses an empty expiry-policy.
func (f *fields) name(p *Symbol, value Symbol) {
	if f.in == nil && *p == "" {
		*p = value
	}
	standard(f, kindSymbol, p, value)
}

// any visits a field of any type.
func (f *fields) any(p *any) {
	if f.in == nil {
		f.n++
		f.out = Append(f.out, *p)
		return
	}
	if f.present() {
		*p, f.err = f.in.value()
	}
}

// binary visits bytes; nil is absent.
func (f *fields) binary(p *[]byte) {
	if f.in == nil && *p != nil {
		f.n++
		f.out = AppendBinary(f.out, *p)
		return
	}
	visit(f, p, *p == nil, func(v any) ([]byte, bool) { b, ok := v.([]byte); return b, ok })
}

// entries visits a map; nil is absent.
func (f *fields) entries(p *Map) {
	visit(f, p, *p == nil, func(v any) (Map, bool) { m, ok := v.(Map); return m, ok })
}

// symbols visits a field of several symbols; none is absent. A single one may
// stand without an array.
func (f *fields) symbols(p *[]Symbol) {
	visit(f, p, len(*p) == 0, func(v any) ([]Symbol, bool) {
		switch v := v.(type) {
		case Symbol:
			return []Symbol{v}, true
		case []Symbol:
			return v, true
		}
		return nil, false
	})
}

// failure visits an error; nil is absent.
func (f *fields) failure(p **Error) {
	visit(f, p, *p == nil, func(v any) (*Error, bool) { e, ok := v.(*Error); return e, ok })
}

// visit visits a field whose type is told from the decoded value.
func visit[T any](f *fields, p *T, absent bool, as func(any) (T, bool)) {
	if f.in == nil && absent {
		f.n++
		f.out = append(f.out, codeNull)
		return
	}
	if f.in == nil {
		f.n++
		f.out = Append(f.out, *p)
		return
	}
	if !f.present() {
		return
	}
	v, err := f.in.value()
	if err != nil {
		f.err = err
		return
	}
	var ok bool
	if *p, ok = as(v); !ok {
		f.err = fmt.Errorf("unexpected %T", v)
	}
}
