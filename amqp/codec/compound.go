package codec

import "errors"

// compound reads a list, a map or an array.
func (d *decoder) compound(c byte) (any, error) {
	whole := d.b
	inner, count, err := d.enter(c)
	if err != nil {
		return nil, err
	}
	var v any
	switch c {
	case codeList8, codeList:
		v, err = inner.list(count)
	case codeMap8, codeMap:
		v, err = inner.entries(count)
	case codeArray8, codeArray:
		v, err = inner.array(count, whole[:len(whole)-len(d.b)], c)
	default:
		err = unknown(c)
	}
	d.budget = inner.budget
	if err == nil && len(inner.b) > 0 {
		err = errors.New("amqp: bytes left over in a compound value")
	}
	return v, err
}

// enter reads the size and the count of a compound value and returns a decoder
// of its inside.
func (d *decoder) enter(c byte) (inner decoder, count int, err error) {
	if d.depth == 0 {
		return inner, 0, ErrDepth
	}
	long := c&0x10 != 0
	b, err := d.sized(long)
	if err != nil {
		return inner, 0, err
	}
	inner = decoder{b: b, depth: d.depth - 1, budget: d.budget}
	count, err = inner.length(long)
	return inner, count, err
}

// room checks a count against what is there, since each value takes a byte at
// least.
func (d *decoder) room(count int) error {
	if count > len(d.b) {
		return ErrShort
	}
	if count > d.budget {
		return ErrBudget
	}
	return nil
}

func (d *decoder) list(count int) (List, error) {
	if err := d.room(count); err != nil {
		return nil, err
	}
	items := make(List, count)
	for i := range items {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return items, nil
}

func (d *decoder) entries(count int) (Map, error) {
	if err := d.room(count); err != nil {
		return nil, err
	}
	if count%2 != 0 {
		return nil, errors.New("amqp: a map with a key and no value")
	}
	m := make(Map, count/2)
	for i := range m {
		key, err := d.value()
		if err != nil {
			return nil, err
		}
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		m[i] = Entry{key, value}
	}
	return m, nil
}

// array reads the elements of an array; encoded is its size, its count and its
// elements as they came, after the constructor c.
func (d *decoder) array(count int, encoded []byte, c byte) (any, error) {
	var descriptor any
	element, err := d.code()
	if err == nil && element == codeDescribed {
		if descriptor, err = d.value(); err == nil {
			element, err = d.code()
		}
	}
	if err != nil {
		return nil, err
	}
	if err := d.roomFor(element, count); err != nil {
		return nil, err
	}
	items := make([]any, count)
	for i := range items {
		if items[i], err = d.element(element, descriptor); err != nil {
			return nil, err
		}
	}
	switch {
	case descriptor != nil:
	case element == codeSymbol8 || element == codeSymbol:
		return typed[Symbol](items), nil
	case element == codeString8 || element == codeString:
		return typed[string](items), nil
	}
	return Array{Items: items, encoded: string([]byte{c}) + string(encoded)}, nil
}

// roomFor is room for elements that share a constructor.
func (d *decoder) roomFor(element byte, count int) error {
	need := 1
	if element>>4 >= 0x4 && element>>4 <= 0x9 {
		need = width(element)
	}
	if need == 0 && count > maxEmpty || need > 0 && count > len(d.b)/need {
		return ErrShort
	}
	if count > d.budget {
		return ErrBudget
	}
	return nil
}

func (d *decoder) element(code byte, descriptor any) (any, error) {
	if code == codeDescribed {
		return nil, errors.New("amqp: an array whose elements are described twice")
	}
	v, err := d.body(code)
	if err != nil || descriptor == nil {
		return v, err
	}
	return Described{descriptor, v}, nil
}

func typed[T any](items []any) []T {
	out := make([]T, len(items))
	for i := range items {
		out[i] = items[i].(T)
	}
	return out
}
