package mqtt

import "net"

// socket is the TCP connection below a wire's TLS. TLS reads from it only when
// it has nothing left to decrypt: that, and not when mochi asks for more, is the
// moment at which the wire's reader is about to wait. So messages that have
// arrived in several records, as from a client that sends the next one whenever
// one is acknowledged, are still acknowledged with one write.
type socket struct {
	net.Conn
	wire *wire // nil during the handshake

	ahead []byte // read before TLS asked for it
	lent  *[aheadSize]byte
	more  bool // the last read filled what it was given
}

// Read is TLS's. It parks the wire while it waits.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.ahead) > 0 {
		return s.takeAhead(p), nil
	}
	if s.wire == nil {
		return s.Conn.Read(p)
	}
	if err := s.wire.park(); err != nil {
		return 0, err
	}
	defer s.wire.unpark()
	return s.fetch(p)
}

// fetch reads once: into TLS's own buffer as long as the client sends little, so
// that an idle connection holds no more, and into a larger one as long as it
// sends much.
func (s *socket) fetch(p []byte) (int, error) {
	if !s.more || len(p) > aheadSize {
		n, err := s.Conn.Read(p)
		s.more = n == len(p)
		return n, err
	}
	s.lent = s.wire.lender.aheads.Get().(*[aheadSize]byte)
	n, err := s.Conn.Read(s.lent[:])
	s.more = n > len(p)
	s.ahead = s.lent[:n]
	if n == 0 {
		s.giveBack()
		return 0, err
	}
	return s.takeAhead(p), nil
}

func (s *socket) takeAhead(p []byte) int {
	n := copy(p, s.ahead)
	if s.ahead = s.ahead[n:]; len(s.ahead) == 0 {
		s.giveBack()
	}
	return n
}

func (s *socket) giveBack() {
	s.wire.lender.aheads.Put(s.lent)
	s.ahead, s.lent = nil, nil
}
