package rest

// registryStatistics counts the devices there are.
// IoT Hub: contract.md §13.3, RegistryStatistics of the Swagger.
type registryStatistics struct {
	Total    int `json:"totalDeviceCount"`
	Enabled  int `json:"enabledDeviceCount"`
	Disabled int `json:"disabledDeviceCount"`
}

// serviceStatistics counts the devices that are connected.
// IoT Hub: contract.md §13.3, ServiceStatistics of the Swagger.
type serviceStatistics struct {
	Connected int `json:"connectedDeviceCount"`
}

func (a *api) deviceStatistics(*call) (reply, error) {
	var s registryStatistics
	s.Total, s.Enabled, s.Disabled = a.hub.Statistics()
	return document(s)
}

func (a *api) serviceStatistics(*call) (reply, error) {
	return document(serviceStatistics{Connected: a.hub.ConnectedDevices()})
}
