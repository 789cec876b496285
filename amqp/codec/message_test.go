package codec_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
)

func messages() []*codec.Message {
	return []*codec.Message{
		{Data: [][]byte{[]byte("hello")}},
		{
			Header: &codec.Header{Priority: 4}, DeliveryAnnotations: codec.Map{{Key: codec.Symbol("d"), Value: "1"}},
			Annotations: codec.Map{{Key: codec.Symbol("x-opt-offset"), Value: "12"}}, Properties: properties(),
			Application: codec.Map{{Key: "k", Value: "v"}}, Data: [][]byte{{1}, {2, 3}},
			Footer: codec.Map{{Key: codec.Symbol("f"), Value: true}},
		},
		{Value: "text", HasValue: true},
		{HasValue: true},
		{Sequence: []codec.List{{int32(1)}, {"two"}}},
	}
}

func TestMessagesSurviveTheWire(t *testing.T) {
	t.Parallel()
	for _, m := range messages() {
		got, err := codec.DecodeMessage(m.Append(nil))
		require.NoError(t, err)
		assert.Equal(t, m, got)
	}
}

// Trap 6: the data sections of a batch are whole messages.
func TestPitfallABatchHoldsMessages(t *testing.T) {
	t.Parallel()
	one, two := codec.Message{Data: [][]byte{[]byte("1")}}, codec.Message{Data: [][]byte{[]byte("2")}}
	batch := codec.Message{Data: [][]byte{one.Append(nil), two.Append(nil)}}
	got, err := codec.DecodeMessage(batch.Append(nil))
	require.NoError(t, err)
	var bodies []string
	for _, encoded := range got.Data {
		m, err := codec.DecodeMessage(encoded)
		require.NoError(t, err)
		bodies = append(bodies, string(m.Body()))
	}
	assert.Equal(t, []string{"1", "2"}, bodies)
}

func TestMessagesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, encoded string }{
		{"a bare value", "41"},
		{"properties twice", "005373c00100 005373c00100"},
		{"data before properties", "005375a00101 005373c00100"},
		{"data that is text", "005375a10161"},
		{"annotations that are a list", "00537245"},
		{"an unknown section", "005379 41"},
		{"an open", "005310c00401a10163"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := codec.DecodeMessage(unhex(t, c.encoded))
			assert.Error(t, err)
		})
	}
}

func TestABodyIsItsDataSectionsTogether(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []byte{1, 2, 3}, messages()[1].Body())
	assert.Equal(t, "hello", string(messages()[0].Body()))
	assert.Nil(t, (&codec.Message{}).Body())
}
