package iot_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/linarite/linarite/iot"
)

func TestPropertiesKeepTheOrderTheyWereSentIn(t *testing.T) {
	t.Parallel()
	p := iot.Properties{{Name: "b", Value: "1"}, {Name: "a", Null: true}}

	p = p.Set("c", "3")
	p = p.Set("a", "2")
	assert.Equal(t, iot.Properties{{Name: "b", Value: "1"}, {Name: "a", Value: "2"}, {Name: "c", Value: "3"}}, p)
}

func TestPropertiesAreFoundByTheirExactName(t *testing.T) {
	t.Parallel()
	p := iot.Properties{{Name: "a", Value: "first"}, {Name: "a", Value: "second"}, {Name: "empty"}, {Name: "null", Null: true}}
	for _, c := range []struct {
		name, property, value string
		ok                    bool
	}{
		{"the first of several", "a", "first", true},
		{"an empty value is there", "empty", "", true},
		{"a name without a value is there", "null", "", true},
		{"another case is another name", "A", "", false},
		{"a missing one", "b", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			value, ok := p.Get(c.property)
			assert.Equal(t, c.value, value)
			assert.Equal(t, c.ok, ok)
		})
	}
	value, ok := iot.Properties(nil).Get("a")
	assert.Empty(t, value)
	assert.False(t, ok)
}

func TestSizeCountsWhatTheLimitsCount(t *testing.T) {
	t.Parallel()
	m := iot.Message{
		System:     iot.Properties{{Name: iot.MessageID, Value: "12345"}}, // the value alone: 5
		Properties: iot.Properties{{Name: "abc", Value: "de"}},            // name and value: 5
		Body:       make([]byte, 100),
	}
	assert.Equal(t, 110, m.Size())
	assert.Zero(t, new(iot.Message).Size())
}

func TestReservedNamesAreTheOnesTheHubStamps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		want bool
	}{
		{iot.ConnectionDeviceID, true},
		{iot.ConnectionModuleID, true},
		{iot.ConnectionGenerationID, true},
		{iot.ConnectionAuthMethod, true},
		{iot.EnqueuedTime, true},
		{iot.MessageSource, true},
		{"IoTHub-Connection-Device-Id", true},
		{iot.DataSchema, true},
		{iot.MessageID, false},
		{iot.Ack, false},
		{iot.CreationTime, false},
		{"iothub-app-anything", false},
		{"temperature", false},
		{"", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, iot.Reserved(c.name))
		})
	}
}
