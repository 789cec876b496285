package transport_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
)

// sends is a house whose links send the messages given, as credit comes.
func sends(settled func(ref, outcome any), messages ...transport.Outgoing) *house {
	return &house{attach: func(l *transport.Link) (transport.Node, *codec.Error) {
		for _, m := range messages {
			l.Send(m)
		}
		return transport.Node{Settled: settled}, nil
	}}
}

// takes is a house whose links take messages and hand them to a channel.
func takes(credit uint32, deliveries chan *transport.Delivery) *house {
	return &house{attach: func(*transport.Link) (transport.Node, *codec.Error) {
		return transport.Node{Receive: func(d *transport.Delivery) { deliveries <- d }, Credit: credit, MaxMessage: 512 << 10}, nil
	}}
}

func TestMessagesWaitForCredit(t *testing.T) {
	t.Parallel()
	c := enter(t, sends(nil, transport.Outgoing{Message: []byte("one")}, transport.Outgoing{Message: []byte("two")}))
	c.receiver(0, 1)
	body, payload := c.read()
	require.IsType(t, &codec.Transfer{}, body)
	assert.Equal(t, "one", string(payload))
	c.send(0, &codec.Flow{IncomingWindow: 1000, OutgoingWindow: 1000, Echo: true})
	expect[*codec.Flow](c) // and no transfer before it
	c.credit(0, 2, false)
	_, payload = c.read()
	assert.Equal(t, "two", string(payload))
}

func TestALongMessageIsSentInFramesAsLongAsThePeerTakes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	h := sends(nil, transport.Outgoing{Message: []byte(long)})
	h.trust = true
	c := dial(t, h, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 512, ChannelMax: 1})
	c.begin(0, 1000)
	c.receiver(0, 1)
	var whole string
	for more := true; more; {
		body, payload := c.read()
		tr := body.(*codec.Transfer)
		assert.Equal(t, whole == "", tr.DeliveryID.OK, "only the first has an id")
		assert.LessOrEqual(t, len(payload), 512)
		whole += string(payload)
		more = tr.More
	}
	assert.Equal(t, long, whole)
}

func TestTransfersStayWithinTheSessionsWindow(t *testing.T) {
	t.Parallel()
	h := sends(nil, transport.Outgoing{Message: []byte("1")}, transport.Outgoing{Message: []byte("2")}, transport.Outgoing{Message: []byte("3")})
	h.trust = true
	c := dial(t, h, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 512, ChannelMax: 1})
	c.begin(0, 2)
	c.send(0, &codec.Attach{Name: "r", Role: codec.RoleReceiver, Source: &codec.Source{Address: "q"}, Target: &codec.Target{}})
	expect[*codec.Attach](c)
	flow := &codec.Flow{
		NextIncomingID: codec.Some(uint32(1)), IncomingWindow: 2, OutgoingWindow: 1, Handle: codec.Some(uint32(0)),
		DeliveryCount: codec.Some(uint32(0)), LinkCredit: codec.Some(uint32(10)), Echo: true,
	}
	c.send(0, flow)
	expect[*codec.Transfer](c)
	expect[*codec.Transfer](c)
	assert.Equal(t, uint32(3), expect[*codec.Flow](c).NextOutgoingID, "the third waits")
	flow.NextIncomingID = codec.Some(uint32(3))
	c.send(0, flow)
	_, payload := c.read()
	assert.Equal(t, "3", string(payload))
}

// widen opens the session's window.
func (c *client) widen() {
	c.t.Helper()
	c.send(0, &codec.Flow{NextIncomingID: codec.Some(uint32(1)), IncomingWindow: 1 << 16, OutgoingWindow: 1000})
}

// A peer that settles nothing gets no more than a window.
func TestWhatIsUnsettledIsBounded(t *testing.T) {
	t.Parallel()
	const window = 2048
	many := make([]transport.Outgoing, window+5)
	for i := range many {
		many[i] = transport.Outgoing{Message: []byte{byte(i)}, Ref: i}
	}
	settled := make(chan any, len(many))
	h := sends(func(ref, _ any) { settled <- ref }, many...)
	h.trust = true
	c := dial(t, h, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 1 << 16})
	c.begin(0, 1<<16)
	c.receiver(0, 1<<16)
	c.widen()
	first := expect[*codec.Transfer](c).DeliveryID.Value
	for range window - 1 {
		expect[*codec.Transfer](c)
	}
	settle := func(from, to uint32) {
		c.send(0, &codec.Disposition{
			Role: codec.RoleReceiver, First: from, Last: codec.Some(to), Settled: true, State: &codec.Accepted{},
		})
	}
	settle(first+1, first+3)
	for range 3 {
		expect[*codec.Transfer](c)
	}
	c.send(0, &codec.Flow{NextIncomingID: codec.Some(uint32(1 + window + 3)), IncomingWindow: 1 << 16, OutgoingWindow: 1000, Echo: true})
	expect[*codec.Flow](c) // and nothing before it
	settle(first, first+window+2)
	for range 2 {
		expect[*codec.Transfer](c)
	}
	for i := range window + 3 {
		ref := <-settled
		if i < 3 {
			assert.Equal(t, i+1, ref)
		}
	}
}

// Where the node does not want to know what becomes of its messages, they are not
// remembered: there is no end to what a peer may leave unsettled.
func TestWhatNobodyAsksAboutIsNotBounded(t *testing.T) {
	t.Parallel()
	many := make([]transport.Outgoing, 5000)
	for i := range many {
		many[i] = transport.Outgoing{Message: []byte{byte(i)}}
	}
	h := sends(nil, many...)
	h.trust = true
	c := dial(t, h, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 1 << 16})
	c.begin(0, 1<<16)
	c.receiver(0, 1<<16)
	c.widen()
	for range many {
		expect[*codec.Transfer](c)
	}
	c.send(0, &codec.Disposition{Role: codec.RoleReceiver, First: 3, State: &codec.Accepted{}})
	d := expect[*codec.Disposition](c)
	assert.True(t, d.Settled, "one that waits for us to settle is answered")
	assert.Equal(t, uint32(3), d.First)
}

func TestALongNameEndsTheSession(t *testing.T) {
	t.Parallel()
	c := enter(t, sends(nil))
	attach := func(handle uint32, name string) {
		c.send(0, &codec.Attach{Name: name, Handle: handle, Role: codec.RoleReceiver})
	}
	attach(0, strings.Repeat("x", 1024))
	expect[*codec.Attach](c)
	attach(1, strings.Repeat("x", 1025))
	assert.Equal(t, "amqp:invalid-field", string(expect[*codec.End](c).Error.Condition))
}

// A node that waits for its queue is told, though the flow was not for its link.
func TestANodeHearsThatItsQueueIsEmpty(t *testing.T) {
	t.Parallel()
	told := make(chan int, 10)
	h := &house{trust: true, attach: func(l *transport.Link) (transport.Node, *codec.Error) {
		l.Send(transport.Outgoing{Message: []byte("1")})
		l.Send(transport.Outgoing{Message: []byte("2")})
		return transport.Node{Flow: func() {
			waiting, _ := l.Queued()
			told <- waiting
		}}, nil
	}}
	c := dial(t, h, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 512})
	c.begin(0, 1)
	c.send(0, &codec.Attach{Name: "r", Role: codec.RoleReceiver, Source: &codec.Source{Address: "q"}, Target: &codec.Target{}})
	expect[*codec.Attach](c)
	c.send(0, &codec.Flow{
		NextIncomingID: codec.Some(uint32(1)), IncomingWindow: 1, OutgoingWindow: 1, Handle: codec.Some(uint32(0)),
		DeliveryCount: codec.Some(uint32(0)), LinkCredit: codec.Some(uint32(10)),
	})
	expect[*codec.Transfer](c)
	assert.Equal(t, 1, <-told)
	c.send(0, &codec.Flow{NextIncomingID: codec.Some(uint32(2)), IncomingWindow: 1, OutgoingWindow: 1})
	expect[*codec.Transfer](c)
	assert.Zero(t, <-told)
}

func TestADrainedLinkUsesItsCreditUp(t *testing.T) {
	t.Parallel()
	c := enter(t, sends(nil, transport.Outgoing{Message: []byte("1")}))
	c.receiver(0, 0)
	c.credit(0, 10, true)
	expect[*codec.Transfer](c)
	f := expect[*codec.Flow](c)
	assert.Equal(t, uint32(10), f.DeliveryCount.Value)
	assert.Zero(t, f.LinkCredit.Value)
	assert.True(t, f.Drain)
}

func TestOutcomesReachTheNode(t *testing.T) {
	t.Parallel()
	got := make(chan any, 10)
	var messages []transport.Outgoing
	for ref := range 4 {
		messages = append(messages, transport.Outgoing{Message: []byte("m"), Ref: ref})
	}
	c := enter(t, sends(func(ref, outcome any) { got <- ref; got <- outcome }, messages...))
	c.receiver(0, 10)
	for range messages {
		tr := expect[*codec.Transfer](c)
		assert.False(t, tr.Settled.Value)
		assert.Len(t, tr.DeliveryTag, 4)
	}
	c.send(0, &codec.Disposition{Role: codec.RoleReceiver, First: 0, Last: codec.Some(uint32(1)), Settled: true, State: &codec.Accepted{}})
	for ref := range 2 {
		assert.Equal(t, ref, <-got)
		assert.Equal(t, &codec.Accepted{}, <-got)
	}
	c.send(0, &codec.Disposition{Role: codec.RoleReceiver, First: 2, State: &codec.Received{}})
	c.send(0, &codec.Disposition{Role: codec.RoleReceiver, First: 2, State: &codec.Released{}})
	assert.True(t, expect[*codec.Disposition](c).Settled, "a peer that does not settle waits for us")
	assert.Equal(t, 2, <-got)
	assert.Equal(t, &codec.Released{}, <-got)
	// A range as wide as there are numbers, which also has what is settled already.
	c.send(0, &codec.Disposition{Role: codec.RoleReceiver, First: 0, Last: codec.Some(^uint32(0)), Settled: true, State: &codec.Accepted{}})
	assert.Equal(t, 3, <-got)
}

func TestAMessageInPartsArrivesWhole(t *testing.T) {
	t.Parallel()
	deliveries := make(chan *transport.Delivery, 10)
	c := enter(t, takes(10, deliveries))
	assert.Equal(t, uint32(10), c.sender(0))
	c.transfer(&codec.Transfer{DeliveryID: codec.Some(uint32(7)), DeliveryTag: []byte{1}, More: true}, "hel")
	c.transfer(&codec.Transfer{More: true}, "")
	c.transfer(&codec.Transfer{}, "lo")
	d := <-deliveries
	assert.Equal(t, "hello", string(d.Message))
	d.Settle(&codec.Accepted{})
	settled := expect[*codec.Disposition](c)
	assert.Equal(t, uint32(7), settled.First)
	assert.Equal(t, &codec.Accepted{}, settled.State)

	c.transfer(&codec.Transfer{DeliveryID: codec.Some(uint32(8)), More: true}, "gone")
	c.transfer(&codec.Transfer{Aborted: true}, "")
	c.transfer(&codec.Transfer{DeliveryID: codec.Some(uint32(9)), Settled: codec.Some(true)}, "next")
	assert.Equal(t, "next", string((<-deliveries).Message))
}

func TestCreditIsGrantedAnewAsMessagesAreSettled(t *testing.T) {
	t.Parallel()
	deliveries := make(chan *transport.Delivery, 10)
	c := enter(t, takes(2, deliveries))
	assert.Equal(t, uint32(2), c.sender(0))
	c.transfer(&codec.Transfer{DeliveryID: codec.Some(uint32(0)), Settled: codec.Some(true)}, "m")
	(<-deliveries).Settle(nil)
	f := expect[*codec.Flow](c)
	assert.Equal(t, uint32(2), f.LinkCredit.Value)
	assert.Equal(t, uint32(1), f.DeliveryCount.Value)
}

func TestWhatALinkMustNotDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, condition string
		do              func(c *client)
	}{
		{"send more than its credit", "amqp:link:transfer-limit-exceeded", func(c *client) {
			for id := range uint32(3) {
				c.transfer(&codec.Transfer{DeliveryID: codec.Some(id)}, "m")
			}
		}},
		{"send a message that is too long", "amqp:link:message-size-exceeded", func(c *client) {
			for range 30 {
				c.transfer(&codec.Transfer{DeliveryID: codec.Some(uint32(0)), More: true}, strings.Repeat("x", 60000))
			}
		}},
		{"send two messages at once", "amqp:not-allowed", func(c *client) {
			for id := range uint32(2) {
				c.transfer(&codec.Transfer{DeliveryID: codec.Some(id), More: true}, "m")
			}
		}},
		{"send without a delivery id", "amqp:invalid-field", func(c *client) { c.transfer(&codec.Transfer{}, "m") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl := enter(t, takes(2, make(chan *transport.Delivery, 10)))
			cl.sender(0)
			c.do(cl)
			d := expect[*codec.Detach](cl)
			require.NotNil(t, d.Error)
			assert.Equal(t, c.condition, string(d.Error.Condition))
			assert.True(t, d.Closed)
			// The session goes on.
			cl.send(0, &codec.Detach{Handle: 0, Closed: true})
			cl.send(0, &codec.End{})
			expect[*codec.End](cl)
		})
	}
}

// Trap 11: go-amqp wants an attach without a terminus before the detach, and until
// its release 1.6 without both.
func TestPitfallARefusalIsAnAttachAndADetach(t *testing.T) {
	t.Parallel()
	for _, role := range []codec.Role{codec.RoleReceiver, codec.RoleSender} {
		c := enter(t, &house{attach: func(*transport.Link) (transport.Node, *codec.Error) {
			return transport.Node{}, codec.Failure("amqp:not-found", "no")
		}})
		c.send(0, &codec.Attach{Name: "l", Role: role, Source: &codec.Source{Address: "q"}, Target: &codec.Target{Address: "q"}})
		a := expect[*codec.Attach](c)
		assert.Equal(t, !role, a.Role)
		assert.Nil(t, a.Source)
		assert.Nil(t, a.Target)
		d := expect[*codec.Detach](c)
		assert.Equal(t, "amqp:not-found", string(d.Error.Condition))
		c.send(0, &codec.Detach{Handle: 0, Closed: true}) // and the handle is free again
		c.send(0, &codec.Attach{Name: "l", Role: role, Source: &codec.Source{}, Target: &codec.Target{}})
		expect[*codec.Attach](c)
	}
}

// pyamqp updates its own properties with ours, and there must be some.
func TestPitfallAttachEchoesProperties(t *testing.T) {
	t.Parallel()
	c := enter(t, sends(nil))
	c.send(0, &codec.Attach{
		Name: "l", Role: codec.RoleReceiver, Source: &codec.Source{Address: "q"}, Target: &codec.Target{},
		Properties: codec.Map{{Key: codec.Symbol("k"), Value: "v"}},
	})
	a := expect[*codec.Attach](c)
	assert.Equal(t, "v", a.Properties.Text("k"))
	assert.True(t, a.InitialDeliveryCount.OK)
	assert.True(t, a.MaxMessageSize.OK)
}

func TestALinkAttachedAnewIsStolen(t *testing.T) {
	t.Parallel()
	c := enter(t, sends(nil))
	c.receiver(0, 1)
	c.send(0, &codec.Attach{Name: "r", Handle: 1, Role: codec.RoleReceiver, Source: &codec.Source{}, Target: &codec.Target{}})
	assert.Equal(t, "amqp:link:stolen", string(expect[*codec.Detach](c).Error.Condition))
	assert.Equal(t, uint32(1), expect[*codec.Attach](c).Handle)
}

func TestTheNodeHearsOfTheEndOfItsLinkOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(c *client)
	}{
		{"a detach", func(c *client) { c.send(0, &codec.Detach{Handle: 0, Closed: true}) }},
		{"an end", func(c *client) { c.send(0, &codec.End{}) }},
		{"a close", func(c *client) { c.send(0, &codec.Close{}) }},
		{"a cut", func(c *client) { _ = c.conn.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{}, 2)
			cl := enter(t, &house{attach: func(*transport.Link) (transport.Node, *codec.Error) {
				return transport.Node{Detached: func() { ended <- struct{}{} }}, nil
			}})
			cl.receiver(0, 1)
			c.end(cl)
			<-ended
			_ = cl.conn.Close()
			_ = cl.end()
			assert.Empty(t, ended)
		})
	}
}

// What uses the credit up may be messages: a peer that drains a link waits to hear of
// it all the same.
func TestADrainIsAnsweredWhenMessagesUseTheCreditUp(t *testing.T) {
	t.Parallel()
	m := transport.Outgoing{Message: []byte("m")}
	c := enter(t, sends(nil, m, m, m, m, m))
	c.receiver(0, 0)
	c.credit(0, 2, true)
	expect[*codec.Transfer](c)
	expect[*codec.Transfer](c)
	drained := func(count uint32) {
		t.Helper()
		f := expect[*codec.Flow](c)
		assert.Equal(t, count, f.DeliveryCount.Value)
		assert.Zero(t, f.LinkCredit.Value)
		assert.True(t, f.Drain)
	}
	drained(2)
	c.credit(0, 3, false)
	expect[*codec.Transfer](c)
	c.credit(0, 3, true) // there is none left to use up
	drained(3)
}

func TestAMessageThatIsBrokenOffGivesItsCreditBack(t *testing.T) {
	t.Parallel()
	c := enter(t, takes(2, make(chan *transport.Delivery, 10)))
	assert.Equal(t, uint32(2), c.sender(0))
	c.transfer(&codec.Transfer{DeliveryID: codec.Some(uint32(0)), More: true}, "m")
	c.transfer(&codec.Transfer{Aborted: true}, "")
	f := expect[*codec.Flow](c)
	assert.Equal(t, uint32(2), f.LinkCredit.Value)
	assert.Equal(t, uint32(1), f.DeliveryCount.Value)
}

// A link that is detached leaves room for what others of its session have to send.
func TestADetachedLinkLeavesNothingUnsettled(t *testing.T) {
	t.Parallel()
	const window = 2048
	many := make([]transport.Outgoing, window)
	for i := range many {
		many[i] = transport.Outgoing{Message: []byte{byte(i)}}
	}
	h := sends(func(any, any) {}, many...)
	h.trust = true
	c := dial(t, h, transport.Options{})
	c.open(&codec.Open{ContainerID: "c", MaxFrameSize: 1 << 16})
	c.begin(0, 1<<16)
	for handle, name := range []string{"full", "waiting"} {
		c.send(0, &codec.Attach{Name: name, Handle: uint32(handle), Role: codec.RoleReceiver, Source: &codec.Source{Address: "q"}})
		expect[*codec.Attach](c)
	}
	c.widen()
	c.send(0, &codec.Flow{
		NextIncomingID: codec.Some(uint32(1)), IncomingWindow: 1 << 16, Handle: codec.Some(uint32(0)), LinkCredit: codec.Some(uint32(window)),
	})
	for range window {
		expect[*codec.Transfer](c)
	}
	c.send(0, &codec.Flow{
		NextIncomingID: codec.Some(uint32(1 + window)), IncomingWindow: 1 << 16, Handle: codec.Some(uint32(1)),
		LinkCredit: codec.Some(uint32(1)), Echo: true,
	})
	expect[*codec.Flow](c) // and nothing before it
	c.send(0, &codec.Detach{Handle: 0, Closed: true})
	for {
		body, _ := c.read()
		if tr, ok := body.(*codec.Transfer); ok {
			assert.Equal(t, uint32(1), tr.Handle)
			return
		}
		require.IsType(t, &codec.Detach{}, body)
	}
}
