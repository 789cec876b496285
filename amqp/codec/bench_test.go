package codec_test

import (
	"testing"

	"github.com/linarite/linarite/amqp/codec"
)

// BenchmarkAppendTransfer is a transfer by its list of fields, as any composite is
// encoded, and the short way.
func BenchmarkAppendTransfer(b *testing.B) {
	t := &codec.Transfer{
		Handle: 1, DeliveryID: codec.Some(uint32(1000)), DeliveryTag: []byte{1, 2, 3, 4},
		MessageFormat: codec.Some(uint32(0)), Settled: codec.Some(true),
	}
	buf := make([]byte, 0, 256)
	b.Run("by fields", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = codec.Append(buf[:0], t)
		}
	})
	b.Run("short", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = codec.AppendTransfer(buf[:0], t)
		}
	})
}

func BenchmarkDecodeTransfer(b *testing.B) {
	encoded := codec.Append(nil, &codec.Transfer{
		Handle: 1, DeliveryID: codec.Some(uint32(1000)), DeliveryTag: []byte{1, 2, 3, 4},
		MessageFormat: codec.Some(uint32(0)), Settled: codec.Some(false),
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := codec.Decode(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	m := messages()[1]
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	encoded := messages()[1].Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.DecodeMessage(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
