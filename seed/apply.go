package seed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/twin"
)

// Apply brings the devices, modules and CA certificates of the file into a hub. It is made for
// hub.Options.Seed, and for a hub at work: an identity that exists already is
// brought to what the file says of it and keeps what the file does not say; tags
// and desired properties the file has are, each as a whole, the twin's
// afterwards. Identities the file does not name stay. What is as the file says
// is not touched, so that ETags and versions stand still when a file is applied
// again, and a connected device hears of what changed only. Routes, endpoints and
// enrichments come last, so that a hub that starts tells nobody of the devices it
// starts with.
//
// Everything is checked before anything is done. An error after that can only
// be due to somebody else who changes the hub at the same time; it names the
// identity, those before which are done. Errors: *Error, and those of the hub.
func (f File) Apply(h *hub.Hub) error {
	if err := f.Check(); err != nil {
		return err
	}
	if err := f.certificatesFit(h); err != nil {
		return err
	}
	for _, d := range f.Devices {
		if err := d.fits(h); err != nil {
			return fmt.Errorf("device %s: %w", d.ID, err)
		}
	}
	if err := f.applyCertificates(h); err != nil {
		return err
	}
	for _, d := range f.Devices {
		if err := d.apply(h); err != nil {
			return fmt.Errorf("device %s: %w", d.ID, err)
		}
		for _, m := range d.Modules {
			if err := m.apply(h, d.ID); err != nil {
				return fmt.Errorf("module %s of device %s: %w", m.ID, d.ID, err)
			}
		}
	}
	return f.applyRouting(h)
}

// fits says whether a device has room for the modules that are new.
func (d Device) fits(h *hub.Hub) error {
	there, err := h.Modules(d.ID)
	if errors.Is(err, iot.ErrDeviceNotFound) {
		return nil // it will have the file's modules only
	}
	if err != nil {
		return err
	}
	there = slices.DeleteFunc(there, func(v hub.ModuleView) bool { return v.IsSystem() }) // they take no room
	count := len(there)
	for _, m := range d.Modules {
		if !slices.ContainsFunc(there, func(v hub.ModuleView) bool { return v.ID == m.ID }) {
			count++
		}
	}
	if count > registry.MaxModules {
		return iot.ErrTooManyModules.Because("it has %d modules and would have %d; %d are allowed", len(there), count, registry.MaxModules)
	}
	return nil
}

func (d Device) apply(h *hub.Hub) error {
	_, err := h.CreateDeviceWithTwin(d.over(d.fresh()), d.initial())
	if !errors.Is(err, iot.ErrDeviceExists) {
		return err
	}
	if err := d.update(h); err != nil {
		return err
	}
	return d.applyTwin(h, iot.Device(d.ID))
}

func (d Device) update(h *hub.Hub) error {
	had, err := h.Device(d.ID)
	if err != nil {
		return err
	}
	want := d.over(had.Device)
	if reflect.DeepEqual(want, had.Device) {
		return nil
	}
	_, err = h.UpdateDevice(want, "*")
	return err
}

func (m Module) apply(h *hub.Hub, device string) error {
	_, err := h.CreateModuleWithTwin(m.over(m.fresh(device)), m.initial())
	if !errors.Is(err, iot.ErrModuleExists) {
		return err
	}
	if err := m.update(h, device); err != nil {
		return err
	}
	return m.applyTwin(h, iot.Module(device, m.ID))
}

func (m Module) update(h *hub.Hub, device string) error {
	had, err := h.Module(device, m.ID)
	if err != nil {
		return err
	}
	want := m.over(had.Module)
	if want == had.Module {
		return nil
	}
	_, err = h.UpdateModule(want, "*")
	return err
}

// initial is the twin that a new identity starts with.
func (i Identity) initial() twin.Initial { return twin.Initial{Tags: i.Tags, Desired: i.Desired} }

// applyTwin brings the sections of the twin that the file has to what it says.
func (i Identity) applyTwin(h *hub.Hub, id iot.Identity) error {
	if i.Tags == nil && i.Desired == nil {
		return nil
	}
	had, err := h.Twin(id)
	if err != nil {
		return err
	}
	var u twin.Update
	if u.Tags, err = difference(had.Tags, i.Tags); err != nil {
		return err
	}
	if u.Desired, err = difference(had.Properties.Desired, i.Desired); err != nil {
		return err
	}
	if u.Tags == nil && u.Desired == nil {
		return nil
	}
	_, err = h.PatchTwin(id, u, "")
	return err
}

// difference is the patch that makes want of a section of a twin; nil when that
// is what it is, or nothing is wanted. A section without members is given want
// as it is, whose members have an order.
func difference(had, want json.RawMessage) (json.RawMessage, error) {
	if want == nil {
		return nil, nil
	}
	from, err := members(had)
	if err != nil {
		return nil, err
	}
	to, err := members(want)
	if err != nil {
		return nil, err
	}
	for _, readOnly := range []string{"$metadata", "$version"} {
		delete(from, readOnly)
		delete(to, readOnly)
	}
	patch := subtract(to, from)
	switch {
	case len(patch) == 0:
		return nil, nil
	case len(from) == 0:
		return want, nil
	}
	return json.Marshal(patch)
}

// subtract is the merge patch that makes to of from. It is empty when they are
// the same.
func subtract(to, from map[string]any) map[string]any {
	patch := map[string]any{}
	for key := range from {
		if _, stays := to[key]; !stays {
			patch[key] = nil
		}
	}
	for key, want := range to {
		had, there := from[key]
		inner, isObject := want.(map[string]any)
		outer, wasObject := had.(map[string]any)
		switch {
		case there && reflect.DeepEqual(had, want):
		case isObject && wasObject:
			patch[key] = subtract(inner, outer)
		default:
			patch[key] = want
		}
	}
	return patch
}

// members reads an object, whose numbers keep their text.
func members(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 {
		return map[string]any{}, nil
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("read a section of the twin: %w", err)
	}
	return m, nil
}
