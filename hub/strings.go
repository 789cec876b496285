package hub

import (
	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/iot"
)

// ConnectionString is what a back end connects with under a policy. Error:
// 404000 when there is no such policy.
func (h *Hub) ConnectionString(policy string) (string, error) {
	p, ok := h.auth.Load().Policy(policy)
	if !ok {
		return "", iot.ErrNotFound.Because("there is no policy %q", policy)
	}
	return auth.ConnectionString{
		HostName: h.hostnames[0], SharedAccessKeyName: p.Name, SharedAccessKey: p.PrimaryKey,
	}.String(), nil
}

// Policies are the names of the shared access policies.
func (h *Hub) Policies() []string {
	names := make([]string, len(h.policies))
	for i, p := range h.policies {
		names[i] = p.Name
	}
	return names
}

// DeviceConnectionString is what a device or module connects with. Errors:
// 404001, 404010.
func (h *Hub) DeviceConnectionString(id iot.Identity) (string, error) {
	var a iot.Authentication
	if id.IsModule() {
		m, err := h.registry.Module(id.DeviceID, id.ModuleID)
		if err != nil {
			return "", err
		}
		a = m.Authentication
	} else {
		d, err := h.registry.Device(id.DeviceID)
		if err != nil {
			return "", err
		}
		a = d.Authentication
	}
	s := auth.ConnectionString{
		HostName: h.hostnames[0], DeviceID: id.DeviceID, ModuleID: id.ModuleID, SharedAccessKey: a.PrimaryKey,
	}
	if a.Type == iot.AuthenticationSelfSigned || a.Type == iot.AuthenticationCA {
		s.X509 = true
	}
	return s.String(), nil
}

// EventsConnectionString is what a reader of the Event-Hubs-compatible endpoint
// connects with. IoT Hub: contract.md §18.
func (h *Hub) EventsConnectionString() string { return h.readersConnectionString(h.name) }

// OperationsConnectionString is what a reader of the operations monitoring endpoint
// connects with.
func (h *Hub) OperationsConnectionString() string {
	return h.readersConnectionString(h.OperationsName())
}

func (h *Hub) readersConnectionString(entity string) string {
	p, ok := h.auth.Load().Policy("service")
	if !ok {
		p = h.policies[0]
	}
	return auth.ConnectionString{
		Endpoint: "sb://" + h.hostnames[0] + "/", SharedAccessKeyName: p.Name, SharedAccessKey: p.PrimaryKey,
		EntityPath: entity,
	}.String()
}
