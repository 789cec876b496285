package codec_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
)

// composites is one of each, with every field set.
func composites() []codec.Composite {
	failure := codec.Failure("amqp:not-found", "gone")
	failure.Info = codec.Map{{Key: codec.Symbol("k"), Value: "v"}}
	some := []codec.Symbol{"a", "b"}
	props := codec.Map{{Key: codec.Symbol("p"), Value: int64(1)}}
	source := &codec.Source{
		Address: "q", Durable: 1, ExpiryPolicy: "never", Timeout: 2, Dynamic: true, DynamicNodeProperties: props,
		DistributionMode: codec.Some(codec.Symbol("move")), Filter: props, DefaultOutcome: &codec.Released{},
		Outcomes: some, Capabilities: some,
	}
	target := &codec.Target{
		Address: "q", Durable: 1, ExpiryPolicy: "never", Timeout: 2, Dynamic: true, DynamicNodeProperties: props,
		Capabilities: some,
	}
	return []codec.Composite{
		&codec.Open{
			ContainerID: "c", Hostname: codec.Some("h"), MaxFrameSize: 512, ChannelMax: 7, IdleTimeout: codec.Some(uint32(9)),
			OutgoingLocales: some, IncomingLocales: some, OfferedCapabilities: some, DesiredCapabilities: some, Properties: props,
		},
		&codec.Begin{
			RemoteChannel: codec.Some(uint16(1)), NextOutgoingID: 2, IncomingWindow: 3, OutgoingWindow: 4, HandleMax: 5,
			OfferedCapabilities: some, DesiredCapabilities: some, Properties: props,
		},
		&codec.Attach{
			Name: "l", Handle: 1, Role: codec.RoleReceiver, SndSettleMode: codec.SndSettled, RcvSettleMode: codec.RcvSecond,
			Source: source, Target: target, Unsettled: props, IncompleteUnsettled: true,
			InitialDeliveryCount: codec.Some(uint32(1)), MaxMessageSize: codec.Some(uint64(1 << 40)),
			OfferedCapabilities: some, DesiredCapabilities: some, Properties: props,
		},
		&codec.Flow{
			NextIncomingID: codec.Some(uint32(1)), IncomingWindow: 2, NextOutgoingID: 3, OutgoingWindow: 4,
			Handle: codec.Some(uint32(5)), DeliveryCount: codec.Some(uint32(6)), LinkCredit: codec.Some(uint32(7)),
			Available: codec.Some(uint32(8)), Drain: true, Echo: true, Properties: props,
		},
		&codec.Transfer{
			Handle: 1, DeliveryID: codec.Some(uint32(2)), DeliveryTag: []byte{3}, MessageFormat: codec.Some(codec.FormatBatch),
			Settled: codec.Some(true), More: true, RcvSettleMode: codec.Some(codec.RcvFirst), State: &codec.Received{SectionNumber: 1, SectionOffset: 2},
			Resume: true, Aborted: true, Batchable: true,
		},
		&codec.Disposition{Role: codec.RoleReceiver, First: 1, Last: codec.Some(uint32(2)), Settled: true, State: &codec.Accepted{}, Batchable: true},
		&codec.Detach{Handle: 1, Closed: true, Error: failure},
		&codec.End{Error: failure},
		&codec.Close{Error: failure},
		failure,
		&codec.Received{SectionNumber: 1, SectionOffset: 2},
		&codec.Accepted{},
		&codec.Rejected{Error: failure},
		&codec.Released{},
		&codec.Modified{DeliveryFailed: true, UndeliverableHere: true, MessageAnnotations: props},
		source,
		target,
		&codec.Header{Durable: true, Priority: 5, TTL: codec.Some(uint32(6)), FirstAcquirer: true, DeliveryCount: 7},
		properties(),
		&codec.Mechanisms{Names: some},
		&codec.Init{Mechanism: "PLAIN", Response: []byte("\x00u\x00p"), Hostname: codec.Some("h")},
		&codec.Response{Response: []byte{1}},
		&codec.Outcome{Code: codec.SASLAuth, AdditionalData: []byte{1}},
	}
}

func properties() *codec.Properties {
	return &codec.Properties{
		MessageID: codec.UUID{1}, UserID: []byte("u"), To: "t", Subject: codec.Some("s"), ReplyTo: "r",
		CorrelationID: uint64(5), ContentType: codec.Some(codec.Symbol("application/json")),
		ContentEncoding: codec.Some(codec.Symbol("utf-8")), AbsoluteExpiryTime: codec.Some(time.UnixMilli(1).UTC()),
		CreationTime: codec.Some(time.UnixMilli(2).UTC()), GroupID: codec.Some("g"), GroupSequence: codec.Some(uint32(3)),
		ReplyToGroupID: codec.Some("rg"),
	}
}

func TestCompositesSurviveTheWire(t *testing.T) {
	t.Parallel()
	for _, c := range composites() {
		got, rest, err := codec.Decode(codec.Append(nil, c))
		require.NoError(t, err, "%T", c)
		assert.Equal(t, c, got)
		assert.Empty(t, rest)
	}
}

// Trap 2 of four: pyamqp finds fields by their position, so that none may be
// missing, and it does not know list0.
func TestPitfallAllFieldsAreWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		composite codec.Composite
		fields    byte
	}{
		{&codec.Open{}, 10},
		{&codec.Begin{}, 8},
		{&codec.Attach{}, 14},
		{&codec.Flow{}, 11},
		{&codec.Transfer{}, 11},
		{&codec.Disposition{}, 6},
		{&codec.Detach{}, 3},
		{&codec.End{}, 1},
		{&codec.Close{}, 1},
		{&codec.Error{}, 3},
		{&codec.Accepted{}, 0},
		{&codec.Source{}, 11},
		{&codec.Target{}, 7},
	} {
		b := codec.Append(nil, c.composite)
		assert.Equal(t, []byte{0x00, 0x53}, b[:2], "%T: the descriptor is a small ulong", c.composite)
		assert.Equal(t, byte(0xc0), b[3], "%T: a list with a count", c.composite)
		assert.Equal(t, c.fields, b[5], "%T: every field", c.composite)
	}
}

// Trap 1: go-amqp refuses an expiry-policy that is empty.
// AppendTransfer writes what the list of fields says.
func TestATransferIsWrittenTheShortWayToo(t *testing.T) {
	t.Parallel()
	for _, transfer := range []codec.Transfer{
		{},
		{Handle: 1, DeliveryID: codec.Some(uint32(300)), DeliveryTag: []byte{1, 2}, MessageFormat: codec.Some(uint32(0)), Settled: codec.Some(true)},
		{Handle: 255, DeliveryTag: []byte{}, Settled: codec.Some(false), More: true, RcvSettleMode: codec.Some(uint8(1))},
		{Handle: 1 << 20, DeliveryTag: make([]byte, 300), MessageFormat: codec.Some(codec.FormatBatch), Resume: true, Aborted: true, Batchable: true},
	} {
		assert.Equal(t, codec.Append(nil, &transfer), codec.AppendTransfer(nil, &transfer), "%+v", transfer)
	}
}

func TestPitfallAPolicyIsNeverEmpty(t *testing.T) {
	t.Parallel()
	for _, c := range []codec.Composite{&codec.Source{Address: "q"}, &codec.Target{Address: "q"}} {
		assert.Contains(t, string(codec.Append(nil, c)), "session-end")
	}
}

func TestAbsentFieldsHaveTheirDefaults(t *testing.T) {
	t.Parallel()
	v, _, err := codec.Decode(unhex(t, "005310c00401a10163"))
	require.NoError(t, err)
	assert.Equal(t, &codec.Open{ContainerID: "c", MaxFrameSize: math.MaxUint32, ChannelMax: math.MaxUint16}, v)

	v, _, err = codec.Decode(unhex(t, "00532845"))
	require.NoError(t, err)
	assert.Equal(t, &codec.Source{ExpiryPolicy: "session-end"}, v)

	v, _, err = codec.Decode(unhex(t, "0053 70 c00302 40 40"))
	require.NoError(t, err)
	assert.Equal(t, &codec.Header{Priority: 4}, v)
}

func TestDescriptorsMayBeSymbols(t *testing.T) {
	t.Parallel()
	b := append([]byte{0}, codec.AppendSymbol(nil, "amqp:accepted:list")...)
	v, _, err := codec.Decode(append(b, 0x45))
	require.NoError(t, err)
	assert.Equal(t, &codec.Accepted{}, v)
}

func TestASymbolMayStandAlone(t *testing.T) {
	t.Parallel()
	v, _, err := codec.Decode(unhex(t, "005340c00601a303616263"))
	require.NoError(t, err)
	assert.Equal(t, &codec.Mechanisms{Names: []codec.Symbol{"abc"}}, v)
}
