package codec_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/linarite/linarite/amqp/codec"
)

// patience is how long anything may take.
const patience = 20 * time.Second

// peer is the server's end of a connection: it keeps what a client of go-amqp
// sends, and writes frames with the hub's codec.
type peer struct {
	t      *rapid.T
	conn   net.Conn
	frames chan frame
}

// frame is a performative, and what follows it.
type frame struct {
	body    any
	payload []byte
}

// meet connects a client to a peer. answer is the peer's open.
func meet(t *rapid.T, options *amqp.ConnOptions, answer *codec.Open) (*amqp.Conn, *peer, *codec.Open) {
	client, server := net.Pipe()
	p := &peer{t: t, conn: server, frames: make(chan frame, 64)}
	go p.read()
	type dialled struct {
		conn *amqp.Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		conn, err := amqp.NewConn(soon(t), client, options)
		done <- dialled{conn, err}
	}()
	open := expect[*codec.Open](p)
	p.send(answer, nil)
	d := <-done
	require.NoError(t, d.err)
	t.Cleanup(func() {
		_ = server.Close()
		_ = d.conn.Close()
	})
	return d.conn, p, open
}

// soon is a context in which everything has to happen.
func soon(t *rapid.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// read answers the protocol header and takes frames until the client has gone.
func (p *peer) read() {
	defer close(p.frames)
	header := make([]byte, 8)
	if _, err := io.ReadFull(p.conn, header); err != nil {
		return
	}
	if _, err := p.conn.Write(header); err != nil {
		return
	}
	for {
		if _, err := io.ReadFull(p.conn, header); err != nil {
			return
		}
		text := make([]byte, binary.BigEndian.Uint32(header)-8)
		if _, err := io.ReadFull(p.conn, text); err != nil {
			return
		}
		if len(text) == 0 {
			continue // a heartbeat
		}
		body, rest, err := codec.Decode(text)
		if err != nil {
			body = err // no test expects that
		}
		p.frames <- frame{body, rest}
	}
}

// send writes a frame.
func (p *peer) send(body codec.Composite, payload []byte) {
	encoded := append(codec.Append(nil, body), payload...)
	header := binary.BigEndian.AppendUint32(nil, uint32(8+len(encoded)))
	_, err := p.conn.Write(append(append(header, 2, 0, 0, 0), encoded...))
	require.NoError(p.t, err)
}

// expect is the client's next frame, which has to be of a type.
func expect[T codec.Composite](p *peer) T {
	body, _ := expectWith[T](p)
	return body
}

// expectWith is expect with what follows the performative.
func expectWith[T codec.Composite](p *peer) (T, []byte) {
	select {
	case f := <-p.frames:
		body, ok := f.body.(T)
		require.True(p.t, ok, "%T %v", f.body, f.body)
		return body, f.payload
	case <-time.After(patience):
		p.t.Fatal("the client says nothing")
		panic("not reached")
	}
}

// begin begins a session. answer are the properties of the peer's end.
func (p *peer) begin(conn *amqp.Conn, options *amqp.SessionOptions, properties codec.Map) (*amqp.Session, *codec.Begin) {
	return join(p, func(ctx context.Context) (*amqp.Session, error) { return conn.NewSession(ctx, options) },
		func(*codec.Begin) []codec.Composite {
			return []codec.Composite{&codec.Begin{
				RemoteChannel: codec.Some(uint16(0)), IncomingWindow: 5000, OutgoingWindow: 5000, HandleMax: 100, Properties: properties,
			}}
		})
}

// join lets the client begin something, and answers its first frame.
func join[T any, F codec.Composite](
	p *peer, start func(context.Context) (T, error), answer func(F) []codec.Composite,
) (T, F) {
	type started struct {
		it  T
		err error
	}
	done := make(chan started, 1)
	ctx := soon(p.t)
	go func() {
		it, err := start(ctx)
		done <- started{it, err}
	}()
	first := expect[F](p)
	for _, body := range answer(first) {
		p.send(body, nil)
	}
	s := <-done
	require.NoError(p.t, s.err)
	return s.it, first
}
