package control

import (
	"net/http"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// ownerPolicy is the policy of back ends that may do everything.
const ownerPolicy = "iothubowner"

// caPEM answers with the certificate that clients have to trust.
func (a *api) caPEM(w http.ResponseWriter, _ *http.Request) error {
	if len(a.CA) == 0 {
		return iot.ErrNotFound.Because("the server's certificate was brought along without its CA: ask who issued it")
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(a.CA) // the client has gone
	return nil
}

// credentials are the connection strings of everybody, and where the service API
// listens, since a connection string names no port.
type credentials struct {
	HTTPS      string            `json:"https,omitempty"`
	Service    string            `json:"service,omitempty"`
	Policies   map[string]string `json:"policies"`
	Events     string            `json:"events"`
	Operations string            `json:"operations"`
	Devices    map[string]string `json:"devices"`
}

// connectionStrings answers with the connection strings of back ends, of event
// readers, and of the devices and modules that have a key or a certificate.
func (a *api) connectionStrings(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "device")
	if err != nil {
		return err
	}
	doc := credentials{HTTPS: a.HTTPS, Policies: map[string]string{}, Events: a.Hub.EventsConnectionString(), Operations: a.Hub.OperationsConnectionString()}
	for _, name := range a.Hub.Policies() {
		if doc.Policies[name], err = a.Hub.ConnectionString(name); err != nil {
			return err
		}
	}
	doc.Service = doc.Policies[ownerPolicy]
	devices, err := a.devices(q.text("device"))
	if err != nil {
		return err
	}
	doc.Devices = map[string]string{}
	for _, d := range devices {
		a.addDevice(doc.Devices, d)
	}
	return answer(w, http.StatusOK, doc)
}

// devices are the one device that is asked for, or all.
func (a *api) devices(id string) ([]hub.DeviceView, error) {
	if id == "" {
		total, _, _ := a.Hub.Statistics()
		return a.Hub.Devices(total), nil
	}
	d, err := a.Hub.Device(id)
	return []hub.DeviceView{d}, missing(err, iot.Device(id))
}

// addDevice adds the strings of a device and its modules. One that is deleted
// meanwhile is left out.
func (a *api) addDevice(into map[string]string, d hub.DeviceView) {
	a.addIdentity(into, iot.Device(d.ID), d.Authentication)
	modules, err := a.Hub.Modules(d.ID)
	if err != nil {
		return
	}
	for _, m := range modules {
		a.addIdentity(into, iot.Module(m.DeviceID, m.ID), m.Authentication)
	}
}

func (a *api) addIdentity(into map[string]string, id iot.Identity, how iot.Authentication) {
	if how.Type == iot.AuthenticationNone {
		return
	}
	if s, err := a.Hub.DeviceConnectionString(id); err == nil {
		into[id.String()] = s
	}
}
