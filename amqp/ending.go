package amqp

import (
	"errors"

	"github.com/gorilla/websocket"

	"github.com/linarite/linarite/amqp/codec"
	"github.com/linarite/linarite/amqp/transport"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// ending is why a device's last link is over, in the words of the hub; nil when
// the peer has said goodbye, with a detach, an end or a close.
//
// IoT Hub: contract.md §5.3. The code of a peer that breaks the protocol is
// [unsourced]; it is the one that MQTT has for it here.
func (p *peer) ending(l *transport.Link) error {
	if failure := l.Failure(); failure != nil {
		return broken(failure)
	}
	reason, over := l.Conn().Ended()
	var known *iot.Error
	var failure *codec.Error
	var webSocket *websocket.CloseError
	switch {
	case !over || reason == nil:
		return nil
	case p.srv.closing.Err() != nil:
		return hub.ErrGoingDown
	case errors.As(reason, &known):
		return known
	case errors.As(reason, &failure):
		return broken(failure)
	case errors.As(reason, &webSocket):
		return iot.ErrClosedRemotely.Because("the client closed the WebSocket (code %d) without close", webSocket.Code)
	case gone(reason):
		return iot.ErrClosedRemotely.Because("the client closed the connection without close")
	case errors.Is(reason, transport.ErrSilent), errors.Is(reason, transport.ErrUnread):
		return iot.ErrClosedRemotely.Because("%s", reason)
	}
	return iot.ErrFormat.Because("%s", reason)
}

// broken is the error of a peer that broke the protocol, or its bounds.
func broken(failure *codec.Error) *iot.Error {
	if failure.Condition == conditionTooLarge {
		return iot.ErrMessageTooLarge.Because("%s", failure)
	}
	return iot.ErrFormat.Because("%s", failure)
}
