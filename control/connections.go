package control

import (
	"net/http"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// connection is an identity that is or was connected, as the API shows it.
type connection struct {
	DeviceID       string         `json:"deviceId"`
	ModuleID       string         `json:"moduleId,omitempty"`
	Connected      bool           `json:"connected"`
	Since          string         `json:"since,omitempty"`
	Protocol       string         `json:"protocol,omitempty"`
	Authentication string         `json:"authentication,omitempty"`
	Agent          string         `json:"agent,omitempty"`
	RemoteAddress  string         `json:"remoteAddress,omitempty"`
	Listening      listening      `json:"listening"`
	LastDisconnect *disconnection `json:"lastDisconnect,omitempty"`
}

// listening is what a device is ready to receive.
type listening struct {
	Messages bool `json:"messages"`
	Methods  bool `json:"methods"`
	Desired  bool `json:"desired"`
}

// disconnection is how a connection ended; code 0 without a reason is a device
// that said goodbye.
type disconnection struct {
	Time   string `json:"time"`
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// refusal is a connection that was turned away.
type refusal struct {
	Time          string `json:"time"`
	DeviceID      string `json:"deviceId"`
	ModuleID      string `json:"moduleId,omitempty"`
	Protocol      string `json:"protocol"`
	RemoteAddress string `json:"remoteAddress"`
	Code          int    `json:"code"`
	Reason        string `json:"reason"`
}

// connections answers with who is connected, who was, and who was refused.
func (a *api) connections(w http.ResponseWriter, r *http.Request) error {
	if _, err := parameters(r); err != nil {
		return err
	}
	doc := struct {
		Connections []connection `json:"connections"`
		Refused     []refusal    `json:"refused"`
	}{[]connection{}, []refusal{}}
	for _, c := range a.Hub.Connections() {
		doc.Connections = append(doc.Connections, describeConnection(c))
	}
	for _, f := range a.Hub.Refusals() {
		doc.Refused = append(doc.Refused, refusal{
			Time: stamp(f.Time), DeviceID: f.Identity.DeviceID, ModuleID: f.Identity.ModuleID,
			Protocol: f.Protocol, RemoteAddress: f.RemoteAddr, Code: f.Code, Reason: f.Reason,
		})
	}
	return answer(w, http.StatusOK, doc)
}

func describeConnection(c hub.Connection) connection {
	doc := connection{
		DeviceID: c.Identity.DeviceID, ModuleID: c.Identity.ModuleID, Connected: c.Connected,
		Protocol: c.Protocol, Authentication: c.Authentication, Agent: c.Agent, RemoteAddress: c.RemoteAddr,
		Listening: listening(c.Listening),
	}
	if c.Connected {
		doc.Since = stamp(c.Since)
	}
	if c.Last != nil {
		doc.LastDisconnect = &disconnection{Time: stamp(c.Last.Time), Code: c.Last.Code, Reason: c.Last.Reason}
	}
	return doc
}

// disconnect closes the connection of a device or module.
func (a *api) disconnect(w http.ResponseWriter, r *http.Request) error {
	id := iot.Module(r.PathValue("device"), r.PathValue("module"))
	if !a.Hub.Kick(id) {
		return iot.ErrNotFound.Because("%s is not connected", id)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
