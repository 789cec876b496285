package rest

import (
	"net/http"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
)

// keysBody asks for new keys: BulkRegenerateDeviceKey of the Azure CLI's client.
// IoT Hub: contract.md §13.6.
type keysBody struct {
	PolicyKey string `json:"policyKey"` // primaryKey, secondaryKey or both
	Devices   []struct {
		ID       string `json:"id"`
		ModuleID string `json:"moduleId"`
	} `json:"devices"`
}

// keysResult is BulkRegenerateKeyResult of the same client.
type keysResult struct {
	PolicyKey string      `json:"policyKey"`
	Rotated   []keysMade  `json:"rotatedKeys"`
	Errors    []keysError `json:"errors"`
}

// keysMade are the keys of an identity that were made, and no others [unsourced].
type keysMade struct {
	ID        string `json:"id"`
	ModuleID  string `json:"moduleId,omitempty"`
	Primary   string `json:"primaryKey,omitempty"`
	Secondary string `json:"secondaryKey,omitempty"`
}

type keysError struct {
	ID       string `json:"id"`
	ModuleID string `json:"moduleId,omitempty"`
	Code     string `json:"errorCode"`
	Status   string `json:"errorStatus"`
}

// regenerateKeys makes keys of up to a hundred devices and modules anew. It
// answers 200, 207 when some could not be done, 400 when none could.
//
// Differs: it is offered with every api-version; IoT Hub has it since
// 2024-03-31. IoT Hub: contract.md §13.6.
func (a *api) regenerateKeys(c *call) (reply, error) {
	var body keysBody
	if err := c.decode(&body); err != nil {
		return reply{}, err
	}
	which, err := keysNamed(body.PolicyKey)
	if err != nil {
		return reply{}, err
	}
	ids := make([]iot.Identity, len(body.Devices))
	for i, d := range body.Devices {
		ids[i] = iot.Identity{DeviceID: d.ID, ModuleID: d.ModuleID}
	}
	made, err := a.hub.RegenerateKeys(ids, which)
	if err != nil {
		return reply{}, err
	}
	result := keysResult{PolicyKey: body.PolicyKey, Rotated: []keysMade{}, Errors: []keysError{}}
	for i, m := range made {
		result.add(ids[i], which, m, func(err error) *iot.Error { return a.tell(c, err) })
	}
	return result.reply()
}

// keysNamed are the keys that a policyKey means. Error: 400035.
func keysNamed(policyKey string) (registry.Keys, error) {
	switch policyKey {
	case "primaryKey":
		return registry.PrimaryKey, nil
	case "secondaryKey":
		return registry.SecondaryKey, nil
	case "both":
		return registry.PrimaryKey | registry.SecondaryKey, nil
	}
	return 0, iot.ErrPolicyKey.Because("'%.40s' is not a policy key: it must be primaryKey, secondaryKey or both.", policyKey)
}

func (r *keysResult) add(id iot.Identity, which registry.Keys, m hub.NewKeys, tell func(error) *iot.Error) {
	if m.Err != nil {
		told := tell(m.Err)
		r.Errors = append(r.Errors, keysError{ID: id.DeviceID, ModuleID: id.ModuleID, Code: told.Name, Status: told.Message})
		return
	}
	made := keysMade{ID: id.DeviceID, ModuleID: id.ModuleID}
	if which&registry.PrimaryKey != 0 {
		made.Primary = m.Authentication.PrimaryKey
	}
	if which&registry.SecondaryKey != 0 {
		made.Secondary = m.Authentication.SecondaryKey
	}
	r.Rotated = append(r.Rotated, made)
}

func (r *keysResult) reply() (reply, error) {
	answer, err := document(r)
	switch {
	case len(r.Errors) == 0:
	case len(r.Rotated) > 0:
		answer.status = http.StatusMultiStatus
	default:
		answer.status = http.StatusBadRequest
		answer.header = map[string]string{"iothub-errorcode": iot.ErrKeysNotMade.Name}
	}
	return answer, err
}
