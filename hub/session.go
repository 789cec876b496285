package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

// Session is one connected device or module. Its transport calls the methods;
// the flows they start are in the file of that flow.
type Session struct {
	hub     *Hub
	link    Link
	origin  *iot.Origin    // on its own, since events outlive the session
	request ConnectRequest // without its secrets
	scope   string         // how it authenticated: "sas", "selfSigned", "certificateAuthority"
	since   time.Time
	expires time.Time // of its token, when it connected; zero: never
	resumed any

	messaging atomic.Bool  // it has sent a message, or asked for messages
	activity  atomic.Int64 // last send or receive, Unix nanoseconds of the hub's clock

	// inbound is held while something the device sent is carried out, so that a
	// device that was expelled leaves nothing behind.
	inbound sync.Mutex
	gone    bool

	delivering sync.Mutex // one delivery of messages at a time, so that they stay in order

	finished sync.Once

	mu        sync.Mutex
	ended     bool
	expiry    *clock.Timer // cuts the connection when its token has run out
	listening Listening
	after     uint64 // messages up to this sequence number are not this session's
	held      map[uint64]lock
}

// lock is a message that the device has and has not settled.
type lock struct {
	token string
	until time.Time
}

// Identity is who is connected.
func (s *Session) Identity() iot.Identity { return s.origin.Identity }

// Resumed is what the identity's last connection kept, or nil.
func (s *Session) Resumed() any { return s.resumed }

// Keep stores the transport's own state for the identity's next connection that
// asks to resume. It lives as long as the identity, and is dropped when nil is
// kept.
func (s *Session) Keep(state any) { s.hub.connections.keep(s, state) }

// Listen says what the device is ready to receive from now on. After the end of
// the session it changes nothing.
func (s *Session) Listen(l Listening) {
	fresh, ok := s.open(l)
	if !ok {
		return
	}
	if fresh {
		s.ofTwin("subscribe", 0, nil)
	}
	if l.Methods {
		s.hub.callers.wake(s.Identity())
	}
	if l.Messages {
		s.UseMessages()
		s.deliver()
	}
}

// UseMessages says that the device sends messages or asks for them. Only from
// then on its connection counts for connection-state events. Listen and Telemetry
// say it by themselves.
//
// IoT Hub: contract.md §20.1, iot-hub-event-grid (in MQTT a PUBLISH or SUBSCRIBE
// on a messaging topic, in AMQP an attach or transfer).
func (s *Session) UseMessages() {
	if s.messaging.CompareAndSwap(false, true) {
		s.hub.connections.tell(s)
	}
}

// open notes what the device is ready for; fresh says that changes of desired
// properties are new among it. It is false after the end of the session.
func (s *Session) open(l Listening) (fresh, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false, false
	}
	if l.Messages && !s.listening.Messages && !s.request.Resume {
		s.after = s.hub.queues.Last(s.Identity())
	}
	fresh = l.Desired && !s.listening.Desired
	s.listening = l
	return fresh, true
}

// End says that the transport's connection is over: reason is nil after a clean
// goodbye. Only the first call counts.
func (s *Session) End(reason error) { s.finish(reason) }

// cut ends the session from the hub's side.
func (s *Session) cut(reason error) {
	s.finish(reason)
	s.link.Close(reason)
}

// expel cuts the session of an identity that is no more: what the device sends
// after this, its will included, is dropped.
func (s *Session) expel(reason error) {
	s.inbound.Lock()
	s.gone = true
	s.inbound.Unlock()
	s.cut(reason)
}

// expire has the connection cut once its token has run out.
func (s *Session) expire(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.expiry = s.hub.clock.AfterFunc(after, func() {
			s.cut(iot.ErrUnauthorized.Because("the token has expired"))
		})
	}
}

// finish takes the session out of the hub: its messages go back to their queue,
// its method calls fail. Whoever calls it second waits for the first, so that a
// successor finds the queue whole and in order.
func (s *Session) finish(reason error) {
	s.finished.Do(func() {
		s.shut()
		for _, l := range s.unsettled() {
			_ = s.hub.queues.Release(s.Identity(), l.token) // a lock that was lost meanwhile needs no release
		}
		s.hub.calls.Drop(s.Identity(), iot.ErrDeviceNotOnline)
		s.hub.disconnected(s, reason)
		s.hub.connections.detach(s, s.hub.clock.Now(), reason)
		s.logEnd(reason)
	})
}

// shut marks the session as ended.
func (s *Session) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.listening = Listening{}
	if s.expiry != nil {
		s.expiry.Stop()
	}
}

func (s *Session) logEnd(reason error) {
	e := s.hub.log.Info().Str("device", s.Identity().String()).Str("op", "disconnect").Str("protocol", s.request.Protocol)
	if reason == nil {
		e.Msg("disconnected by the device")
		return
	}
	e.Int("code", code(reason)).Msg("disconnected: " + reason.Error())
}

// isListening asks what the device is ready for; an ended session is ready for
// nothing.
func (s *Session) isListening() Listening {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listening
}

// touch notes that the device sent or received something.
func (s *Session) touch(now time.Time) { s.activity.Store(now.UnixNano()) }

// Answer is the device's answer to a method call. It says whether anybody still
// waited for it: late and foreign answers are dropped.
func (s *Session) Answer(rid string, r methods.Response) bool {
	s.touch(s.hub.clock.Now())
	return s.hub.calls.Answer(s.Identity(), rid, r)
}

// FailMethod ends a method call that the device answered with something that is
// no answer.
func (s *Session) FailMethod(rid string, err error) bool {
	return s.hub.calls.Fail(s.Identity(), rid, err)
}
