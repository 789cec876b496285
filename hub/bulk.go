package hub

import (
	"errors"
	"strings"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// MaxBulk is how many identities one bulk request may name, and one that asks for
// new keys [unsourced].
// IoT Hub: contract.md §13.4.
const MaxBulk = 100

// ImportMode is what a bulk request wants done with an identity.
// IoT Hub: contract.md §13.4, iot-hub-bulk-identity-mgmt.
type ImportMode string

// The import modes. Those that end in IfMatchETag ask for an ETag, without which
// nothing fits.
const (
	ImportCreate            ImportMode = "create"
	ImportUpdate            ImportMode = "update"
	ImportUpdateIfMatch     ImportMode = "updateIfMatchETag"
	ImportCreateOrUpdate    ImportMode = "createOrUpdate"
	ImportCreateOrIfMatch   ImportMode = "createOrUpdateIfMatchETag"
	ImportDelete            ImportMode = "delete"
	ImportDeleteIfMatch     ImportMode = "deleteIfMatchETag"
	ImportUpdateTwin        ImportMode = "updateTwin"
	ImportUpdateTwinIfMatch ImportMode = "updateTwinIfMatchETag"
)

// ParseImportMode is the mode of that name, in any case: azure-iothub writes some
// with a capital. A name of no mode is returned as it is, and none as
// ImportCreateOrUpdate.
func ParseImportMode(name string) ImportMode {
	for _, mode := range []ImportMode{
		ImportCreate, ImportUpdate, ImportUpdateIfMatch, ImportCreateOrUpdate, ImportCreateOrIfMatch,
		ImportDelete, ImportDeleteIfMatch, ImportUpdateTwin, ImportUpdateTwinIfMatch,
	} {
		if strings.EqualFold(name, string(mode)) {
			return mode
		}
	}
	if name == "" {
		return ImportCreateOrUpdate
	}
	return ImportMode(name)
}

// BulkItem is one identity of a bulk request. Device is what is to become of it
// but for its ID; of a module only the Authentication counts. ETag and TwinETag
// count in the modes that ask for them.
type BulkItem struct {
	Identity iot.Identity
	Mode     ImportMode
	Device   registry.Device
	ETag     string
	TwinETag string
	Twin     twin.Update
}

// Bulk carries the items out, one after another, each wholly or not at all, and
// returns what became of each, nil for success. Errors of the request: 413002,
// 400011 for an identity that is named twice, 400004 for no item.
//
// An identity that exists is changed as by PUT, so that it gets new keys when it
// brings none; its twin is changed as by PATCH, by items that bring tags or
// desired properties [unsourced: whether it is merged].
//
// Differs: a twin that cannot be refuses its item. IoT Hub is documented to warn
// that the device was registered without it.
//
// IoT Hub: contract.md §13.4.
func (h *Hub) Bulk(items []BulkItem) ([]error, error) {
	ids := make([]iot.Identity, len(items))
	for i := range items {
		ids[i] = items[i].Identity
	}
	if err := checkBulk(ids); err != nil {
		return nil, err
	}
	results := make([]error, len(items))
	for i := range items {
		results[i] = h.carryOut(&items[i])
	}
	return results, nil
}

// checkBulk refuses too few and too many identities, and the same one twice.
func checkBulk(ids []iot.Identity) error {
	switch {
	case len(ids) == 0:
		return iot.ErrArgumentInvalid.Because("The request names no device.")
	case len(ids) > MaxBulk:
		return iot.ErrTooManyDevices.Because("The request names more than %d devices.", MaxBulk)
	}
	seen := make(map[iot.Identity]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			return iot.ErrDefinedTwice.Because("%s is defined multiple times.", id)
		}
		seen[id] = true
	}
	return nil
}

// carryOut does what one item says.
func (h *Hub) carryOut(i *BulkItem) error {
	if id := i.Identity.DeviceID; !iot.ValidID(id) {
		return iot.ErrArgumentInvalid.Because("The device identifier %s is invalid.", id)
	}
	defer h.lock(i.Identity.DeviceID).Unlock()
	switch i.Mode {
	case ImportCreate:
		return h.bulkCreate(i)
	case ImportUpdate:
		return h.bulkUpdate(i, "*")
	case ImportUpdateIfMatch:
		return h.bulkUpdate(i, i.ETag)
	case ImportCreateOrUpdate:
		return h.bulkCreateOr(i, "*")
	case ImportCreateOrIfMatch:
		return h.bulkCreateOr(i, i.ETag)
	case ImportDelete:
		return h.bulkDelete(i.Identity, "*")
	case ImportDeleteIfMatch:
		return h.bulkDelete(i.Identity, i.ETag)
	case ImportUpdateTwin:
		return h.bulkTwin(i, "*")
	case ImportUpdateTwinIfMatch:
		return h.bulkTwin(i, i.TwinETag)
	}
	return iot.ErrArgumentInvalid.Because("'%s' is not an import mode.", i.Mode)
}

func (h *Hub) bulkCreate(i *BulkItem) error {
	initial := twin.Initial{Tags: i.Twin.Tags, Desired: i.Twin.Desired}
	var err error
	if i.Identity.IsModule() {
		_, err = h.createModule(i.module(""), initial)
	} else {
		_, err = h.createDevice(i.device(), initial)
	}
	return err
}

// bulkUpdate changes an identity and its twin. The twin's change is tried first:
// nothing but reported properties can come between, as we hold the device's lock.
func (h *Hub) bulkUpdate(i *BulkItem, ifMatch string) error {
	err := h.twins.Check(i.Identity, i.Twin)
	if err != nil && !errors.Is(err, iot.ErrDeviceNotFound) { // which the registry says better
		return err
	}
	if i.Identity.IsModule() {
		err = h.bulkUpdateModule(i, ifMatch)
	} else {
		_, err = h.updateDevice(i.device(), ifMatch)
	}
	if err != nil || i.Twin.IsEmpty() {
		return err
	}
	return h.bulkTwin(i, "*")
}

// bulkUpdateModule changes a module but for who manages it, which no item says.
func (h *Hub) bulkUpdateModule(i *BulkItem, ifMatch string) error {
	had, err := h.registry.Module(i.Identity.DeviceID, i.Identity.ModuleID)
	if err != nil {
		return err
	}
	_, err = h.updateModule(i.module(had.ManagedBy), ifMatch)
	return err
}

// bulkCreateOr creates what is missing and changes what is there.
func (h *Hub) bulkCreateOr(i *BulkItem, ifMatch string) error {
	err := h.bulkCreate(i)
	if errors.Is(err, iot.ErrDeviceExists) || errors.Is(err, iot.ErrModuleExists) {
		return h.bulkUpdate(i, ifMatch)
	}
	return err
}

func (h *Hub) bulkDelete(id iot.Identity, ifMatch string) error {
	if id.IsModule() {
		return h.deleteModule(id.DeviceID, id.ModuleID, ifMatch)
	}
	return h.deleteDevice(id.DeviceID, ifMatch)
}

// bulkTwin merges tags and desired properties; ifMatch is `*` or an ETag.
func (h *Hub) bulkTwin(i *BulkItem, ifMatch string) error {
	if ifMatch == "" {
		return iot.ErrPreconditionFailed.Because("Etag missing")
	}
	_, err := h.changeLocked(i.Identity, i.Twin, ifMatch, h.twins.Patch)
	return err
}

func (i *BulkItem) device() registry.Device {
	d := i.Device
	d.ID = i.Identity.DeviceID
	return d
}

func (i *BulkItem) module(managedBy string) registry.Module {
	return registry.Module{
		ID: i.Identity.ModuleID, DeviceID: i.Identity.DeviceID, ManagedBy: managedBy, Authentication: i.Device.Authentication,
	}
}
