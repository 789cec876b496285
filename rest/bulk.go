package rest

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// bulkBody is ExportImportDevice of the Swagger: an item of a bulk request.
// IoT Hub: contract.md §13.4.
type bulkBody struct {
	ID       string `json:"id"`
	ModuleID string `json:"moduleId"`
	ETag     string `json:"eTag"`
	Mode     string `json:"importMode"`
	TwinETag string `json:"twinETag"`
	deviceSettings
	twinBody
}

// bulkResult is BulkRegistryOperationResult of the Swagger. There are never
// warnings: an item whose twin cannot be is an error.
type bulkResult struct {
	IsSuccessful bool        `json:"isSuccessful"`
	Errors       []bulkError `json:"errors"`
	Warnings     []struct{}  `json:"warnings"`
}

// bulkError is DeviceRegistryOperationError of the Swagger: what became of one
// item. The operation is its import mode [unsourced].
type bulkError struct {
	DeviceID  string         `json:"deviceId"`
	Code      string         `json:"errorCode"`
	Status    string         `json:"errorStatus"`
	ModuleID  string         `json:"moduleId,omitempty"`
	Operation hub.ImportMode `json:"operation"`
}

// bulk creates, changes and deletes up to a hundred identities and twins. It
// answers 400 with the same document when one of them could not be done.
// IoT Hub: contract.md §13.4.
func (a *api) bulk(c *call) (reply, error) {
	var items []hub.BulkItem
	tooMany := iot.ErrTooManyDevices.Because("The request names more than %d devices.", hub.MaxBulk)
	err := c.decodeList(maxBulk, hub.MaxBulk, tooMany, func(d *json.Decoder) error {
		var body bulkBody
		if err := d.Decode(&body); err != nil {
			return err
		}
		if err := body.twinBody.check(); err != nil {
			return err
		}
		items = append(items, body.item())
		return nil
	})
	if err != nil {
		return reply{}, err
	}
	results, err := a.hub.Bulk(items)
	if err != nil {
		return reply{}, err
	}
	return a.bulkReply(c, items, results)
}

func (b bulkBody) item() hub.BulkItem {
	return hub.BulkItem{
		Identity: iot.Identity{DeviceID: b.ID, ModuleID: b.ModuleID}, Mode: hub.ParseImportMode(b.Mode), Device: b.device(),
		ETag: b.ETag, TwinETag: b.TwinETag, Twin: b.update(),
	}
}

func (a *api) bulkReply(c *call, items []hub.BulkItem, results []error) (reply, error) {
	result := bulkResult{Errors: []bulkError{}, Warnings: []struct{}{}}
	for i, err := range results {
		if err == nil {
			continue
		}
		told := a.tell(c, err)
		result.Errors = append(result.Errors, bulkError{
			DeviceID: items[i].Identity.DeviceID, ModuleID: items[i].Identity.ModuleID,
			Code: told.Name, Status: told.Message, Operation: items[i].Mode,
		})
	}
	result.IsSuccessful = len(result.Errors) == 0
	r, err := document(result)
	if !result.IsSuccessful {
		r.status = http.StatusBadRequest
		r.header = map[string]string{"iothub-errorcode": iot.ErrBulkFailed.Name}
	}
	return r, err
}

// tell logs why one item of a request was refused and returns what its caller is
// told: what is not in the catalogue is a fault of our own.
func (a *api) tell(c *call, err error) *iot.Error {
	told := iot.ErrServer
	line := a.log.Info()
	if !errors.As(err, &told) {
		line = a.log.Error()
	}
	c.describe(line).Int("code", told.Code).Msg("refused an item: " + iot.Masked(err.Error()))
	return told
}
