package server

import (
	"net/http"
	"strings"
)

// websocketPath is where clients that may use port 443 only come in.
// IoT Hub: contract.md §2, sdk-wire.md §0.5.
const websocketPath = "/$iothub/websocket"

// front is what stands behind port 443: the service API, and MQTT over
// WebSocket beside it. It must not clean paths, so that it is no ServeMux.
type front struct {
	rest http.Handler
	mqtt http.Handler
}

// ServeHTTP tells by path and sub-protocol who is meant. The sub-protocol is
// compared without case: the C SDK asks for "MQTT".
func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.TrimSuffix(r.URL.Path, "/") != websocketPath:
		f.rest.ServeHTTP(w, r)
	case offers(r, "mqtt"):
		f.mqtt.ServeHTTP(w, r)
	default:
		http.Error(w, websocketPath+" is for WebSocket with the sub-protocol mqtt", http.StatusBadRequest)
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
