package hub

import (
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/routing"
	"github.com/linarite/linarite/twin"
)

// TwinRequest says what is to become of a device's request for its twin.
func (s *Session) TwinRequest() Verdict {
	v := s.hub.judge(OpTwinRead, s.Identity())
	if v.Action != Refuse {
		s.touch(s.hub.clock.Now())
		return v
	}
	s.hub.counts.deviceReadsFailed.Add(1)
	s.ofTwin("read", 0, v.Err)
	return v
}

// Twin hands the device's own view of its twin to answer: desired and reported
// properties with their versions, no metadata, no tags. The bytes must not be
// modified. No change of the twin is told while answer runs, so that it must not
// wait; what it sends must go the way of Link.Desired, or the device may hear of
// a change first and then be given a twin that lacks it.
//
// IoT Hub: contract.md §9.1.
func (s *Session) Twin(answer func(view []byte)) Verdict {
	h := s.hub
	defer h.lock(s.Identity().DeviceID).Unlock()
	view, err := h.twins.DeviceView(s.Identity())
	outcome(err, &h.counts.deviceReads, &h.counts.deviceReadsFailed)
	if err != nil {
		v := h.refuse(s.Identity(), "twin", err)
		s.ofTwin("read", 0, v.Err)
		return v
	}
	answer(view)
	s.ofTwin("read", 0, nil)
	return Verdict{}
}

// Report merges a patch into the reported properties and returns their new
// version. ifVersion, when not 0, must be the version there is, else 412001.
// IoT Hub: contract.md §9.2.
func (s *Session) Report(patch []byte, ifVersion int64) (version int64, v Verdict) {
	version, v = s.update(patch, ifVersion)
	if err := v.failure(); err != nil {
		s.hub.counts.deviceUpdatesFailed.Add(1)
		s.ofTwin("update", len(patch), err)
	} else {
		s.hub.counts.deviceUpdates.Add(1)
		s.ofTwin("update", len(patch), nil)
	}
	return version, v
}

func (s *Session) update(patch []byte, ifVersion int64) (version int64, v Verdict) {
	h := s.hub
	v = h.judge(OpTwinUpdate, s.Identity())
	if v.Action == Refuse {
		return 0, v
	}
	defer h.lock(s.Identity().DeviceID).Unlock() // changes are told in the order of their versions
	s.inbound.Lock()
	defer s.inbound.Unlock()
	if s.gone {
		return 0, h.refuse(s.Identity(), "report", iot.ErrDeviceNotFound)
	}
	s.touch(h.clock.Now())
	version, err := h.report(s.Identity(), patch, ifVersion)
	if err != nil {
		return 0, h.refuse(s.Identity(), "report", err)
	}
	return version, v
}

// report merges a patch into the reported properties and tells of it, if anybody
// wants to know.
func (h *Hub) report(id iot.Identity, patch []byte, ifVersion int64) (version int64, err error) {
	before := h.digitalTwin(id)
	var change []byte
	if h.notifies(routing.TwinChangeEvents) {
		version, change, err = h.twins.Report(id, patch, ifVersion)
	} else {
		version, err = h.twins.PatchReported(id, patch, ifVersion)
	}
	if err != nil {
		return 0, err
	}
	if change != nil {
		h.tellTwin(id, "updateTwin", change)
	}
	h.digitalTwinChanged(id, before)
	return version, nil
}

// Twin is the twin document of a device or module. Errors: 404001, 404010.
func (h *Hub) Twin(id iot.Identity) (TwinDocument, error) {
	t, err := h.twins.Twin(id)
	outcome(err, &h.counts.twinReads, &h.counts.twinReadsFailed)
	if err != nil {
		return TwinDocument{}, err
	}
	return h.document(id, t)
}

// PatchTwin merges tags and desired properties, and tells the device. ifMatch
// is an etag or empty. Errors: 404001, 404010, 412001, 400004, 413000.
// IoT Hub: contract.md §10.2.
func (h *Hub) PatchTwin(id iot.Identity, u twin.Update, ifMatch string) (TwinDocument, error) {
	return h.changeTwin(id, u, ifMatch, h.twins.Patch)
}

// ReplaceTwin puts tags and desired properties in the place of those there are,
// and tells the device. A section that is absent is emptied.
// IoT Hub: contract.md §10.2.
func (h *Hub) ReplaceTwin(id iot.Identity, u twin.Update, ifMatch string) (TwinDocument, error) {
	return h.changeTwin(id, u, ifMatch, h.twins.Replace)
}

type twinChange func(iot.Identity, twin.Update, string) (twin.Change, error)

func (h *Hub) changeTwin(id iot.Identity, u twin.Update, ifMatch string, change twinChange) (TwinDocument, error) {
	defer h.lock(id.DeviceID).Unlock()
	doc, err := h.changeLocked(id, u, ifMatch, change)
	outcome(err, &h.counts.twinUpdates, &h.counts.twinUpdatesFailed)
	return doc, err
}

// changeLocked is changeTwin for a caller that holds the device's lock, so that
// the device and the back ends hear of its versions in order.
func (h *Hub) changeLocked(id iot.Identity, u twin.Update, ifMatch string, change twinChange) (TwinDocument, error) {
	before := h.digitalTwin(id)
	c, err := change(id, u, ifMatch)
	if err != nil {
		return TwinDocument{}, err
	}
	if c.Notification != nil {
		h.notify(id, c.DesiredVersion, c.Notification)
	}
	if h.notifies(routing.TwinChangeEvents) {
		h.twinChanged(id, c)
	}
	h.digitalTwinChanged(id, before)
	return h.document(id, c.Twin)
}

// notify tells a connected device that its desired properties changed. One that
// is not there is told nothing, later either. IoT Hub: contract.md §9.3.
func (h *Hub) notify(id iot.Identity, version int64, body []byte) {
	s := h.connections.session(id)
	if s == nil || !s.isListening().Desired {
		return
	}
	s.touch(h.clock.Now())
	s.link.Desired(version, body)
}

// document joins a twin with what the registry and the connections know.
func (h *Hub) document(id iot.Identity, t twin.Twin) (TwinDocument, error) {
	device, err := h.Device(id.DeviceID)
	if err != nil {
		return TwinDocument{}, err
	}
	if !id.IsModule() {
		return deviceTwin(device, t), nil
	}
	module, err := h.Module(id.DeviceID, id.ModuleID)
	if err != nil {
		return TwinDocument{}, err
	}
	return moduleTwin(device.Status, module, t), nil
}

func deviceTwin(d DeviceView, t twin.Twin) TwinDocument {
	doc := twinDocument(iot.Device(d.ID), d.Authentication, d.Presence, t)
	doc.DeviceETag = d.ETag
	doc.Status = string(d.Status)
	doc.StatusReason = d.StatusReason
	doc.StatusUpdateTime = Time(d.StatusUpdated)
	doc.MessageCount = d.MessageCount
	doc.Capabilities = &Capabilities{IoTEdge: d.IoTEdge}
	doc.DeviceScope = d.DeviceScope
	doc.ParentScopes = d.ParentScopes
	return doc
}

func moduleTwin(status registry.Status, m ModuleView, t twin.Twin) TwinDocument {
	doc := twinDocument(iot.Module(m.DeviceID, m.ID), m.Authentication, m.Presence, t)
	doc.DeviceETag = m.ETag
	doc.Status = string(status)
	return doc
}
