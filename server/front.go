package server

import (
	"net/http"
	"strings"

	"github.com/linarite/linarite/amqp"
)

// Where clients that may use port 443 only come in. Event Hubs' path is for AMQP
// alone. IoT Hub: contract.md §2, sdk-wire.md §0.5.
const (
	websocketPath = "/$iothub/websocket"
	eventHubsPath = "/$servicebus/websocket"
	websocketHelp = " is for WebSocket with the sub-protocol mqtt or AMQPWSB10"
	eventHubsHelp = " is for WebSocket with the sub-protocol AMQPWSB10"
)

// front is what stands behind port 443: the service API, and MQTT and AMQP over
// WebSocket beside it. It must not clean paths, so that it is no ServeMux.
type front struct {
	rest http.Handler
	mqtt http.Handler
	amqp http.Handler
}

// ServeHTTP tells by path and sub-protocol who is meant. The sub-protocol is
// compared without case: the C SDK asks for "MQTT". HTTP/1.0 has no WebSocket.
func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path != websocketPath && path != eventHubsPath:
		f.rest.ServeHTTP(w, r)
	case !r.ProtoAtLeast(1, 1):
		http.Error(w, path+websocketHelp, http.StatusBadRequest)
	case offers(r, amqp.Subprotocol):
		f.amqp.ServeHTTP(w, r)
	case path == eventHubsPath && offers(r, amqp.EventHubsSubprotocol):
		f.amqp.ServeHTTP(w, r)
	case path == eventHubsPath:
		http.Error(w, path+eventHubsHelp, http.StatusBadRequest)
	case offers(r, "mqtt"):
		f.mqtt.ServeHTTP(w, r)
	default:
		http.Error(w, path+websocketHelp, http.StatusBadRequest)
	}
}

// offers says whether the client offers a WebSocket sub-protocol.
func offers(r *http.Request, protocol string) bool {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for offer := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(offer), protocol) {
				return true
			}
		}
	}
	return false
}
