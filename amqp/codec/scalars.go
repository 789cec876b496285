package codec

import (
	"encoding/binary"
	"fmt"
	"time"
)

// scalar reads a constructor out of a few and the bytes after it.
func (d *decoder) scalar(codes ...byte) (c byte, b []byte, err error) {
	if c, err = d.code(); err != nil {
		return c, nil, err
	}
	for _, want := range codes {
		if c == want {
			b, err = d.take(width(c))
			return c, b, err
		}
	}
	return c, nil, fmt.Errorf("unexpected constructor %#x", c)
}

func (d *decoder) boolean() (bool, error) {
	c, b, err := d.scalar(codeTrue, codeFalse, codeBool)
	return err == nil && (c == codeTrue || c == codeBool && b[0] == 1), err
}

func (d *decoder) ubyte() (uint8, error) {
	_, b, err := d.scalar(codeUbyte)
	return uint8(bigEndian(b)), err
}

func (d *decoder) ushort() (uint16, error) {
	_, b, err := d.scalar(codeUshort)
	return uint16(bigEndian(b)), err
}

func (d *decoder) uint() (uint32, error) {
	_, b, err := d.scalar(codeUint0, codeUint8, codeUint)
	return uint32(bigEndian(b)), err
}

func (d *decoder) ulong() (uint64, error) {
	_, b, err := d.scalar(codeUlong0, codeUlong8, codeUlong)
	return bigEndian(b), err
}

func (d *decoder) time() (time.Time, error) {
	_, b, err := d.scalar(codeTime)
	return time.UnixMilli(int64(bigEndian(b))).UTC(), err
}

// bigEndian is the number that up to eight bytes are.
func bigEndian(b []byte) uint64 {
	var full [8]byte
	copy(full[8-len(b):], b)
	return binary.BigEndian.Uint64(full[:])
}

// text reads a string. A symbol is taken too: clients mix them up.
func (d *decoder) text() (string, error) {
	v, err := d.value()
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case Symbol:
		return string(v), nil
	}
	return "", fmt.Errorf("unexpected %T", v)
}

// symbol reads a symbol. A string is taken too.
func (d *decoder) symbol() (Symbol, error) {
	s, err := d.text()
	return Symbol(s), err
}
