package rest

import (
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// moduleDocument is a module identity, its members in the order in which a live
// hub writes them. IoT Hub: contract.md §13.2.
type moduleDocument struct {
	ModuleID               string         `json:"moduleId"`
	ManagedBy              *string        `json:"managedBy"`
	DeviceID               string         `json:"deviceId"`
	GenerationID           string         `json:"generationId"`
	ETag                   string         `json:"etag"`
	ConnectionState        string         `json:"connectionState"`
	ConnectionStateUpdated moment         `json:"connectionStateUpdatedTime"`
	LastActivity           moment         `json:"lastActivityTime"`
	MessageCount           int            `json:"cloudToDeviceMessageCount"` // always 0: modules have no queue
	Authentication         authentication `json:"authentication"`
}

func moduleOf(v hub.ModuleView, created bool) moduleDocument {
	return moduleDocument{
		ModuleID: v.ID, ManagedBy: orNull(v.ManagedBy), DeviceID: v.DeviceID,
		GenerationID: v.GenerationID, ETag: v.ETag, ConnectionState: v.Presence.ConnectionState(),
		ConnectionStateUpdated: momentOf(v.Presence.StateUpdated, created),
		LastActivity:           momentOf(v.Presence.LastActivity, created),
		Authentication:         authenticationOf(v.Authentication),
	}
}

// listModules is an array of a device's modules.
func (a *api) listModules(c *call) (reply, error) {
	views, err := a.hub.Modules(c.device)
	if err != nil {
		return reply{}, err
	}
	list := []moduleDocument{}
	for _, v := range views {
		list = append(list, moduleOf(v, false))
	}
	return document(list)
}

func (a *api) readModule(c *call) (reply, error) {
	v, err := a.hub.Module(c.device, c.module)
	if err != nil {
		return reply{}, err
	}
	return document(moduleOf(v, false))
}

// moduleBody is what a request may set of a module; everything else in it is
// ignored.
type moduleBody struct {
	ModuleID       string         `json:"moduleId"`
	DeviceID       string         `json:"deviceId"`
	ManagedBy      string         `json:"managedBy"`
	Authentication authentication `json:"authentication"`
}

// putModule is putDevice for a module; it answers 200 either way.
// IoT Hub: contract.md §13.2.
func (a *api) putModule(c *call) (reply, error) {
	var body moduleBody
	if err := c.decode(&body); err != nil {
		return reply{}, err
	}
	if err := same("deviceId", body.DeviceID, c.device); err != nil {
		return reply{}, err
	}
	if err := same("moduleId", body.ModuleID, c.module); err != nil {
		return reply{}, err
	}
	m := registry.Module{
		ID: c.module, DeviceID: c.device, ManagedBy: body.ManagedBy, Authentication: body.Authentication.value(),
	}
	v, created, err := put(c, iot.ErrModuleNotFound,
		func() (hub.ModuleView, error) { return a.hub.CreateModule(m) },
		func() (hub.ModuleView, error) { return a.hub.UpdateModule(m, c.ifMatch()) })
	if err != nil {
		return reply{}, err
	}
	return document(moduleOf(v, created))
}

func (a *api) deleteModule(c *call) (reply, error) {
	if err := a.hub.DeleteModule(c.device, c.module, c.ifMatch()); err != nil {
		return reply{}, err
	}
	return noContent()
}
