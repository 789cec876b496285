package hub

import (
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// NewKeys is what became of one identity whose keys were to be made anew.
type NewKeys struct {
	Authentication iot.Authentication
	Err            error
}

// RegenerateKeys makes one or both keys of identities anew and returns what
// became of each. Who is connected stays so. Errors of the request: 413002,
// 400011, 400004 for no identity.
//
// IoT Hub: contract.md §13.6.
func (h *Hub) RegenerateKeys(ids []iot.Identity, which registry.Keys) ([]NewKeys, error) {
	if err := checkBulk(ids); err != nil {
		return nil, err
	}
	results := make([]NewKeys, len(ids))
	for i, id := range ids {
		results[i].Authentication, results[i].Err = h.regenerate(id, which)
	}
	return results, nil
}

func (h *Hub) regenerate(id iot.Identity, which registry.Keys) (iot.Authentication, error) {
	defer h.lock(id.DeviceID).Unlock()
	return h.registry.Regenerate(id, which)
}
