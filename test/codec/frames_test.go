package codec_test

import (
	"context"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/linarite/linarite/amqp/codec"
)

// named are properties whose names are symbols.
func named(t *rapid.T, label string) codec.Map { return table(symbolName(), scalar()).Draw(t, label) }

// symbolName is a symbol that is not empty.
func symbolName() *rapid.Generator[any] {
	return rapid.Map(rapid.StringMatching(`[a-z]{1,9}:[a-z-]{0,9}`), func(s string) any { return codec.Symbol(s) })
}

// nonEmpty is text where go-amqp takes none for a default.
func nonEmpty() *rapid.Generator[string] {
	return rapid.Map(text(), func(s string) string { return "x" + s })
}

// given is a map as go-amqp takes it.
func given(m codec.Map) map[string]any {
	out := map[string]any{}
	for _, e := range m {
		switch v := e.Value.(type) {
		case codec.Symbol:
			out[codec.Text(e.Key)] = amqp.Symbol(v)
		case codec.UUID:
			out[codec.Text(e.Key)] = amqp.UUID(v)
		default:
			out[codec.Text(e.Key)] = v
		}
	}
	return out
}

// names are capabilities.
func names(t *rapid.T, label string) []string {
	return rapid.SliceOfN(rapid.StringMatching(`[a-z:-]{1,9}`), 0, 4).Draw(t, label)
}

func symbols(of []string) []codec.Symbol {
	var all []codec.Symbol
	for _, s := range of {
		all = append(all, codec.Symbol(s))
	}
	return all
}

func TestConnectionsAndSessionsMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mine, yours, sessions := named(t, "client's"), named(t, "peer's"), named(t, "session's")
		options := &amqp.ConnOptions{
			ContainerID: nonEmpty().Draw(t, "container"),
			HostName:    nonEmpty().Draw(t, "host"),
			IdleTimeout: 2 * time.Duration(rapid.Int64Range(60_000, 1<<31).Draw(t, "idle")) * time.Millisecond,
			MaxSessions: rapid.Uint16Min(1).Draw(t, "sessions"), MaxFrameSize: rapid.Uint32Min(513).Draw(t, "frame"), Properties: given(mine),
		}
		conn, p, open := meet(t, options, &codec.Open{ContainerID: "peer", MaxFrameSize: 65536, ChannelMax: 10, Properties: yours})
		require.Equal(t, options.ContainerID, open.ContainerID)
		require.Equal(t, options.HostName, open.Hostname.Value)
		require.Equal(t, options.MaxFrameSize, open.MaxFrameSize)
		require.Equal(t, options.MaxSessions, open.ChannelMax)
		require.Equal(t, options.IdleTimeout.Milliseconds(), int64(open.IdleTimeout.Value)*2) // it tells half of it
		require.Equal(t, show(mine), show(open.Properties))
		require.Equal(t, show(yours), show(conn.Properties()))

		links := rapid.Uint32Min(1).Draw(t, "links")
		session, begin := p.begin(conn, &amqp.SessionOptions{MaxLinks: links}, sessions)
		require.Equal(t, links-1, begin.HandleMax)
		require.Equal(t, show(sessions), show(session.Properties()))
	})
}

// terminus are a link's settings of one end.
type terminus struct {
	capabilities []string
	durability   amqp.Durability
	policy       amqp.ExpiryPolicy
	timeout      uint32
}

func end(t *rapid.T, label string) terminus {
	return terminus{
		capabilities: names(t, label+" capabilities"),
		durability:   rapid.SampledFrom([]amqp.Durability{0, 1, 2}).Draw(t, label+" durability"),
		policy: rapid.SampledFrom([]amqp.ExpiryPolicy{
			amqp.ExpiryPolicyLinkDetach, amqp.ExpiryPolicySessionEnd, amqp.ExpiryPolicyConnectionClose, amqp.ExpiryPolicyNever,
		}).Draw(t, label+" policy"),
		timeout: rapid.Uint32().Draw(t, label+" timeout"),
	}
}

// source and target are the ends as the hub has to read them.
func (e terminus) source(address string) *codec.Source {
	return &codec.Source{
		Address: address, Durable: uint32(e.durability), ExpiryPolicy: codec.Symbol(e.policy), Timeout: e.timeout,
		Capabilities: symbols(e.capabilities),
	}
}

func (e terminus) target(address string) *codec.Target {
	return &codec.Target{
		Address: address, Durable: uint32(e.durability), ExpiryPolicy: codec.Symbol(e.policy), Timeout: e.timeout,
		Capabilities: symbols(e.capabilities),
	}
}

func TestReceiversMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		conn, p, _ := meet(t, nil, &codec.Open{ContainerID: "peer", MaxFrameSize: 65536, ChannelMax: 10})
		session, _ := p.begin(conn, nil, nil)
		source, target, mine, yours := end(t, "source"), end(t, "target"), named(t, "client's"), named(t, "peer's")
		address, filter := nonEmpty().Draw(t, "address"), text().Draw(t, "filter")
		options := &amqp.ReceiverOptions{
			Name: nonEmpty().Draw(t, "name"), Properties: given(mine), Credit: -1,
			Capabilities: target.capabilities, Durability: target.durability, ExpiryPolicy: target.policy, ExpiryTimeout: target.timeout,
			SourceCapabilities: source.capabilities, SourceDurability: source.durability, SourceExpiryPolicy: source.policy,
			SourceExpiryTimeout: source.timeout, DesiredCapabilities: names(t, "desired"),
			TargetAddress: nonEmpty().Draw(t, "target address"), MaxMessageSize: rapid.Uint64Min(1).Draw(t, "size"), Filters: []amqp.LinkFilter{amqp.NewSelectorFilter(filter)},
		}
		receiver, attach := join(p, func(ctx context.Context) (*amqp.Receiver, error) { return session.NewReceiver(ctx, address, options) },
			func(a *codec.Attach) []codec.Composite {
				reply := *a
				reply.Role, reply.Properties, reply.InitialDeliveryCount = codec.RoleSender, yours, codec.Some(uint32(0))
				reply.SndSettleMode, reply.RcvSettleMode = codec.SndMixed, codec.RcvFirst
				return []codec.Composite{&reply}
			})
		require.Equal(t, options.Name, attach.Name)
		require.Equal(t, codec.RoleReceiver, attach.Role)
		require.Equal(t, options.MaxMessageSize, attach.MaxMessageSize.Value)
		require.Equal(t, symbols(options.DesiredCapabilities), attach.DesiredCapabilities)
		require.Equal(t, show(mine), show(attach.Properties))
		want := source.source(address)
		want.Filter = codec.Map{{Key: codec.Symbol("apache.org:selector-filter:string"), Value: codec.Described{
			Descriptor: uint64(0x468C00000004), Value: filter,
		}}}
		require.Equal(t, want, attach.Source)
		require.Equal(t, target.target(options.TargetAddress), attach.Target)

		require.Equal(t, show(yours), show(receiver.Properties()))
		require.Equal(t, filter, receiver.LinkSourceFilterValue("apache.org:selector-filter:string"))
		credit := rapid.Uint32Range(1, 4000).Draw(t, "credit")
		require.NoError(t, receiver.IssueCredit(credit))
		flow := expect[*codec.Flow](p)
		require.Equal(t, attach.Handle, flow.Handle.Value)
		require.Equal(t, credit, flow.LinkCredit.Value)
	})
}

// failure is an error that a peer tells.
func failure() *rapid.Generator[*codec.Error] {
	return rapid.Custom(func(t *rapid.T) *codec.Error {
		return &codec.Error{
			Condition:   rapid.Map(symbol(), func(s codec.Symbol) codec.Symbol { return "c" + s }).Draw(t, "condition"),
			Description: codec.Some(text().Draw(t, "description")), Info: named(t, "info"),
		}
	})
}

// requireError wants an error to mean the same to go-amqp.
func requireError(t require.TestingT, want *codec.Error, got *amqp.Error) {
	require.Equal(t, string(want.Condition), string(got.Condition))
	require.Equal(t, want.Description.Value, got.Description)
	require.Equal(t, show(want.Info), show(got.Info))
}

// attached is a session with a link of the client's, whose termini are echoed.
func attached[T any](t *rapid.T, frame uint32, start func(context.Context, *amqp.Session) (T, error)) (T, *peer) {
	conn, p, _ := meet(t, nil, &codec.Open{ContainerID: "peer", MaxFrameSize: frame, ChannelMax: 10})
	session, _ := p.begin(conn, nil, nil)
	link, _ := join(p, func(ctx context.Context) (T, error) { return start(ctx, session) }, func(a *codec.Attach) []codec.Composite {
		reply := *a
		reply.Role, reply.InitialDeliveryCount, reply.MaxMessageSize = !a.Role, codec.Some(uint32(0)), codec.Some(uint64(1<<20))
		credit := &codec.Flow{
			NextIncomingID: codec.Some(uint32(0)), IncomingWindow: 5000, OutgoingWindow: 5000,
			Handle: codec.Some(uint32(0)), DeliveryCount: codec.Some(uint32(0)), LinkCredit: codec.Some(uint32(10)),
		}
		if a.Role == codec.RoleReceiver {
			return []codec.Composite{&reply}
		}
		return []codec.Composite{&reply, credit}
	})
	return link, p
}

func TestWhatIsSentAndRefusedMeansTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sender, p := attached(t, 512, func(ctx context.Context, s *amqp.Session) (*amqp.Sender, error) { return s.NewSender(ctx, "q", nil) })
		// A message of no bytes would not be sent at all.
		m := message().Filter(func(m *codec.Message) bool { return len(m.Append(nil)) > 0 }).Draw(t, "message")
		why := failure().Draw(t, "error")
		outcome := make(chan error, 1)
		go func() { outcome <- sender.Send(context.Background(), theirs(t, m.Append(nil)), nil) }()
		transfer, encoded := expectWith[*codec.Transfer](p)
		first := transfer
		for transfer.More {
			var more []byte
			transfer, more = expectWith[*codec.Transfer](p)
			encoded = append(encoded, more...)
		}
		require.Equal(t, showOurs(m), showOurs(ours(t, encoded)))
		p.send(&codec.Disposition{
			Role: codec.RoleReceiver, First: first.DeliveryID.Value, Settled: true, State: &codec.Rejected{Error: why},
		}, nil)
		var refusal *amqp.Error
		require.ErrorAs(t, <-outcome, &refusal)
		requireError(t, why, refusal)
	})
}

func TestWhatIsReceivedAndItsOutcomesMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		receiver, p := attached(t, 65536, func(ctx context.Context, s *amqp.Session) (*amqp.Receiver, error) {
			return s.NewReceiver(ctx, "q", nil)
		})
		expect[*codec.Flow](p)
		m, tag := message().Draw(t, "message"), rapid.SliceOfN(rapid.Byte(), 1, 32).Draw(t, "tag")
		encoded := m.Append(nil)
		for rest := encoded; ; {
			piece := rest[:min(len(rest), rapid.IntRange(1, 400).Draw(t, "piece"))]
			rest = rest[len(piece):]
			p.send(&codec.Transfer{
				DeliveryID: codec.Some(uint32(0)), DeliveryTag: tag, MessageFormat: codec.Some(uint32(0)), More: len(rest) > 0,
			}, piece)
			if len(rest) == 0 {
				break
			}
		}
		received, err := receiver.Receive(soon(t), nil)
		require.NoError(t, err)
		require.Equal(t, showOurs(m), showTheirs(received))
		require.Equal(t, tag, received.DeliveryTag)

		why, annotations := failure().Draw(t, "error"), named(t, "annotations")
		failed, here := rapid.Bool().Draw(t, "failed"), rapid.Bool().Draw(t, "undeliverable here")
		want := rapid.SampledFrom([]codec.Composite{
			&codec.Accepted{}, &codec.Released{}, &codec.Rejected{Error: why},
			&codec.Modified{DeliveryFailed: failed, UndeliverableHere: here, MessageAnnotations: annotations},
		}).Draw(t, "outcome")
		go func() { _ = settle(receiver, received, want) }()
		disposition := expect[*codec.Disposition](p)
		require.Equal(t, codec.RoleReceiver, disposition.Role)
		require.IsType(t, want, disposition.State)
		switch state := disposition.State.(type) {
		case *codec.Rejected:
			require.Equal(t, why.Condition, state.Error.Condition)
			require.Equal(t, why.Description.Value, state.Error.Description.Value)
			require.Equal(t, show(why.Info), show(state.Error.Info))
		case *codec.Modified:
			require.Equal(t, []bool{failed, here}, []bool{state.DeliveryFailed, state.UndeliverableHere})
			require.Equal(t, show(annotations), show(state.MessageAnnotations))
		}
	})
}

// settle gives a message the outcome that the peer is to hear of.
func settle(r *amqp.Receiver, m *amqp.Message, outcome codec.Composite) error {
	ctx := context.Background()
	switch o := outcome.(type) {
	case *codec.Accepted:
		return r.AcceptMessage(ctx, m)
	case *codec.Released:
		return r.ReleaseMessage(ctx, m)
	case *codec.Rejected:
		return r.RejectMessage(ctx, m, &amqp.Error{
			Condition: amqp.ErrCond(o.Error.Condition), Description: o.Error.Description.Value, Info: given(o.Error.Info),
		})
	case *codec.Modified:
		annotations := amqp.Annotations{}
		for name, v := range given(o.MessageAnnotations) {
			annotations[name] = v
		}
		return r.ModifyMessage(ctx, m, &amqp.ModifyMessageOptions{
			DeliveryFailed: o.DeliveryFailed, UndeliverableHere: o.UndeliverableHere, Annotations: annotations,
		})
	}
	return nil
}

func TestEndsMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		receiver, p := attached(t, 65536, func(ctx context.Context, s *amqp.Session) (*amqp.Receiver, error) {
			return s.NewReceiver(ctx, "q", nil)
		})
		why := failure().Draw(t, "error")
		switch end := rapid.SampledFrom([]codec.Composite{
			&codec.Detach{Closed: true, Error: why}, &codec.End{Error: why}, &codec.Close{Error: why},
		}).Draw(t, "end"); end.(type) {
		case *codec.Detach:
			p.send(end, nil)
			_, err := receiver.Receive(soon(t), nil)
			var ended *amqp.LinkError
			require.ErrorAs(t, err, &ended)
			requireError(t, why, ended.RemoteErr)
		case *codec.End:
			p.send(end, nil)
			_, err := receiver.Receive(soon(t), nil)
			var ended *amqp.SessionError
			require.ErrorAs(t, err, &ended)
			requireError(t, why, ended.RemoteErr)
		case *codec.Close:
			p.send(end, nil)
			_, err := receiver.Receive(soon(t), nil)
			var ended *amqp.ConnError
			require.ErrorAs(t, err, &ended)
			requireError(t, why, ended.RemoteErr)
		}
	})
}
