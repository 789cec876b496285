package codec_test

import (
	"slices"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/linarite/linarite/amqp/codec"
)

// perhaps is an optional field.
func perhaps[T any](t *rapid.T, g *rapid.Generator[T], label string) codec.Opt[T] {
	if !rapid.Bool().Draw(t, "has "+label) {
		return codec.Opt[T]{}
	}
	return codec.Some(g.Draw(t, label))
}

// anything is one of the generators' values, or nil.
func anything(t *rapid.T, label string, of ...*rapid.Generator[any]) any {
	return rapid.OneOf(append(of, rapid.Just(any(nil)))...).Draw(t, label)
}

func header() *rapid.Generator[*codec.Header] {
	return rapid.Custom(func(t *rapid.T) *codec.Header {
		return &codec.Header{
			Durable: rapid.Bool().Draw(t, "durable"), Priority: rapid.Byte().Draw(t, "priority"),
			TTL:           perhaps(t, rapid.Uint32Min(1), "ttl"), // to go-amqp 0 is none
			FirstAcquirer: rapid.Bool().Draw(t, "first acquirer"), DeliveryCount: rapid.Uint32().Draw(t, "delivery count"),
		}
	})
}

func properties() *rapid.Generator[*codec.Properties] {
	return rapid.Custom(func(t *rapid.T) *codec.Properties {
		id := func(label string) any {
			return anything(t, label, text().AsAny(), rapid.Uint64().AsAny(), uuid().AsAny(), bytes().AsAny())
		}
		return &codec.Properties{
			MessageID: id("message id"), UserID: rapid.SliceOf(rapid.Byte()).Draw(t, "user id"), To: anything(t, "to", text().AsAny()),
			Subject: perhaps(t, text(), "subject"), ReplyTo: anything(t, "reply to", text().AsAny()), CorrelationID: id("correlation id"),
			ContentType: perhaps(t, symbol(), "content type"), ContentEncoding: perhaps(t, symbol(), "content encoding"),
			AbsoluteExpiryTime: perhaps(t, moment(), "expiry"), CreationTime: perhaps(t, moment(), "creation time"),
			GroupID: perhaps(t, text(), "group id"), GroupSequence: perhaps(t, rapid.Uint32(), "group sequence"),
			ReplyToGroupID: perhaps(t, text(), "reply to group id"),
		}
	})
}

// section is a map of annotations or properties.
func section(t *rapid.T, label string, key *rapid.Generator[any]) codec.Map {
	if !rapid.Bool().Draw(t, "has "+label) {
		return nil
	}
	return table(key, value(2)).Draw(t, label)
}

func message() *rapid.Generator[*codec.Message] {
	return rapid.Custom(func(t *rapid.T) *codec.Message {
		m := &codec.Message{
			DeliveryAnnotations: section(t, "delivery annotations", symbol().AsAny()),
			Annotations:         section(t, "annotations", symbol().AsAny()),
			Application:         section(t, "application properties", text().AsAny()),
			Footer:              section(t, "footer", symbol().AsAny()),
		}
		if rapid.Bool().Draw(t, "has header") {
			m.Header = header().Draw(t, "header")
		}
		if rapid.Bool().Draw(t, "has properties") {
			m.Properties = properties().Draw(t, "properties")
		}
		switch rapid.IntRange(0, 3).Draw(t, "body") {
		case 0:
			m.Data = rapid.SliceOfN(bytes(), 1, 4).Draw(t, "data")
		case 1:
			m.Value, m.HasValue = rapid.Uint64().Draw(t, "value"), true
		case 2:
			for range rapid.IntRange(1, 3).Draw(t, "sequences") {
				m.Sequence = append(m.Sequence, rapid.SliceOfN(scalar(), 0, 5).Draw(t, "sequence"))
			}
		}
		return m
	})
}

// showOurs is what a message of the hub's means, section by section.
func showOurs(m *codec.Message) map[string]string {
	shown := map[string]string{
		"delivery annotations": show(m.DeliveryAnnotations), "annotations": show(m.Annotations),
		"application": show(m.Application), "footer": show(m.Footer), "value": show(m.Value),
	}
	for _, data := range m.Data {
		shown["data"] += show(data) + "; "
	}
	for _, sequence := range m.Sequence {
		shown["sequence"] += show(sequence) + "; "
	}
	if h := m.Header; h != nil {
		shown["header"] = show([]any{h.Durable, h.Priority, h.TTL.Value, h.FirstAcquirer, h.DeliveryCount})
	}
	if p := m.Properties; p != nil {
		shown["properties"] = show([]any{
			p.MessageID, p.UserID, p.To, optional(p.Subject), p.ReplyTo, p.CorrelationID, optional(p.ContentType),
			optional(p.ContentEncoding), optional(p.AbsoluteExpiryTime), optional(p.CreationTime), optional(p.GroupID),
			optional(p.GroupSequence), optional(p.ReplyToGroupID),
		})
	}
	return shown
}

// optional is a field's value, or nil.
func optional[T any](o codec.Opt[T]) any {
	if o.OK {
		return o.Value
	}
	return nil
}

// showTheirs is what a message of go-amqp's means, section by section.
func showTheirs(m *amqp.Message) map[string]string {
	shown := map[string]string{
		"delivery annotations": show(map[any]any(m.DeliveryAnnotations)), "annotations": show(map[any]any(m.Annotations)),
		"application": show(m.ApplicationProperties), "footer": show(map[any]any(m.Footer)), "value": show(m.Value),
	}
	for _, data := range m.Data {
		shown["data"] += show(data) + "; "
	}
	for _, sequence := range m.Sequence {
		shown["sequence"] += show(sequence) + "; "
	}
	if h := m.Header; h != nil {
		shown["header"] = show([]any{h.Durable, h.Priority, uint32(h.TTL / time.Millisecond), h.FirstAcquirer, h.DeliveryCount})
	}
	if p := m.Properties; p != nil {
		shown["properties"] = show([]any{
			p.MessageID, p.UserID, pointed(p.To), pointed(p.Subject), pointed(p.ReplyTo), p.CorrelationID, pointed(p.ContentType),
			pointed(p.ContentEncoding), pointed(p.AbsoluteExpiryTime), pointed(p.CreationTime), pointed(p.GroupID),
			pointed(p.GroupSequence), pointed(p.ReplyToGroupID),
		})
	}
	return shown
}

// pointed is what a field points at, or nil.
func pointed[T any](p *T) any {
	if p != nil {
		return *p
	}
	return nil
}

// What the hub writes means the same to go-amqp, and still does when that has
// written it again; the hub writes both the same.
func TestMessagesMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := message().Draw(t, "message")
		read := theirs(t, m.Append(nil))
		require.Equal(t, showOurs(m), showTheirs(read))
		require.Equal(t, showOurs(m), showOurs(ours(t, encode(t, read))))
	})
}

// Whatever bytes both take for a message mean the same to both.
func TestDamagedMessagesMeanTheSameOrNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		encoded := message().Draw(t, "message").Append(nil)
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			if len(encoded) > 0 {
				encoded[rapid.IntRange(0, len(encoded)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
			encoded = encoded[:rapid.IntRange(0, len(encoded)).Draw(t, "end")]
		}
		requireAgreement(t, encoded)
	})
}

// requireAgreement wants a message to mean the same to both, or to be none to one
// of them: each is strict about other things.
func requireAgreement(t require.TestingT, encoded []byte) {
	read, ok := readByTheirs(encoded)
	if !ok {
		return
	}
	m, err := codec.DecodeMessage(encoded)
	if err != nil {
		return
	}
	require.Equal(t, showOurs(m), showTheirs(read), "%x", encoded)
}

// readByTheirs says whether bytes are a message to go-amqp. It panics where a key
// of a map is a list or a map.
func readByTheirs(encoded []byte) (m *amqp.Message, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	m = &amqp.Message{}
	return m, m.UnmarshalBinary(slices.Clone(encoded)) == nil
}
