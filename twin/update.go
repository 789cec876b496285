package twin

import (
	"encoding/json"

	"github.com/linarite/linarite/iot"
)

// Update is what a back end asks to change. A nil member was not in the
// request; neither, by the same token, was a JSON null [unsourced]. Members
// `$metadata` and `$version` of a section are ignored.
type Update struct {
	Tags, Desired json.RawMessage
}

// IsEmpty says whether the update has neither section, so that it changes
// nothing.
func (u Update) IsEmpty() bool { return absent(u.Tags) && absent(u.Desired) }

// absent says whether a section was not in a request.
func absent(section json.RawMessage) bool { return len(section) == 0 || string(section) == "null" }

// Change is a twin after an update. Notification is the body for the device
// with its `$version` last: the patch as issued, nulls kept, or after Replace
// the whole desired section. It is nil when the desired properties were not
// written. After Patch, Event is the body of the twin change event, nil when
// nothing was written; after Replace that is the whole twin.
//
// IoT Hub: contract.md §9.3, §20.1.
type Change struct {
	Twin            Twin
	DesiredVersion  int64
	ReportedVersion int64
	Notification    []byte
	Event           []byte
	Replaced        bool // by Replace
}

// Patch merges the update into the twin: objects are merged, null removes,
// anything else replaces; an object whose last member goes stays as `{}`.
// ifMatch is an If-Match header's value, "" for no condition. Errors:
// ErrArgumentInvalid; ErrDeviceNotFound; ErrPreconditionFailed;
// ErrEntityTooLarge. On error nothing has changed.
//
// One update moves the ETag and the version by one, whichever sections it has;
// one that has none moves nothing [unsourced]. Desired properties that do not
// differ are written, counted and notified all the same.
//
// IoT Hub: contract.md §10.1, §10.2, §10.3.
func (s *Store) Patch(id iot.Identity, u Update, ifMatch string) (Change, error) {
	tags, desired, err := parseSections(u.Tags, u.Desired)
	if err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.matching(id, ifMatch)
	if err != nil {
		return Change{}, err
	}
	if tags == nil && desired == nil {
		return r.change(nil), nil
	}
	written := stamp{ticks(s.clock.Now()), r.desired.version + 1}
	newTags, newDesired, err := r.with(tags, desired, written, &s.scratch)
	if err != nil {
		return Change{}, err
	}
	r.written()
	r.tags, r.desired = newTags, newDesired
	var notification []byte
	if desired != nil {
		notification = desired.notification(written.version)
	}
	c := r.change(notification)
	c.Event = r.event(parts{tags: tags, desired: desired, stamp: written})
	return c, nil
}

// Check says what Patch would say of the update, whatever the twin's ETag, and
// changes nothing.
func (s *Store) Check(id iot.Identity, u Update) error {
	tags, desired, err := parseSections(u.Tags, u.Desired)
	if err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.twins[id]
	if !ok {
		return notFound(id)
	}
	var scratch []byte
	_, _, err = r.with(tags, desired, stamp{}, &scratch)
	return err
}

// with is the tags and desired properties after the documents were merged into
// them. Error: ErrEntityTooLarge.
func (r *record) with(tags, desired document, written stamp, scratch *[]byte) (t, d *section, err error) {
	if t, err = r.tags.with(tags, 0, stamp{}, scratch, "tags", MaxTagsSize); err != nil {
		return nil, nil, err
	}
	d, err = r.desired.with(desired, written.version, written, scratch, "desired properties", MaxPropertiesSize)
	return t, d, err
}

// Replace puts the update's sections in the place of the twin's; one that the
// request does not have is emptied. ifMatch and errors are Patch's.
//
// Desired properties that were not in the request count as written when there
// were any to take away, so that the device hears of it [unsourced].
//
// IoT Hub: contract.md §10.1, §10.2, §10.3.
func (s *Store) Replace(id iot.Identity, u Update, ifMatch string) (Change, error) {
	tags, desired, err := parseSections(u.Tags, u.Desired)
	if err != nil {
		return Change{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.matching(id, ifMatch)
	if err != nil {
		return Change{}, err
	}
	same := desired == nil && r.desired.members == ""
	if desired == nil {
		desired = document{{kind: objectKind, next: 1}}
	}
	nothing := record{tags: &section{}, desired: &section{}}
	written := stamp{ticks(s.clock.Now()), r.desired.version + 1}
	newTags, newDesired, err := nothing.with(tags, desired, written, &s.scratch)
	if err != nil {
		return Change{}, err
	}
	r.written()
	r.tags = newTags
	var notification []byte
	if !same {
		r.desired = newDesired
		notification = newDesired.appendView(nil)
	}
	c := r.change(notification)
	c.Replaced = true
	return c, nil
}

// PatchReported merges a device's patch into its reported properties and
// returns their new version, which is one more even when nothing differs.
// ifVersion is the version the device expects them to have, 0 for any. Errors:
// ErrArgumentInvalid, also for names with a `$`; ErrDeviceNotFound;
// ErrPreconditionFailed; ErrEntityTooLarge. On error nothing has changed.
//
// IoT Hub: contract.md §9.2, §10.2, §10.3.
func (s *Store) PatchReported(id iot.Identity, patch []byte, ifVersion int64) (version int64, err error) {
	version, _, err = s.patchReported(id, patch, ifVersion, false)
	return version, err
}

// Report is PatchReported that also makes the body of the twin change event.
// IoT Hub: contract.md §20.1.
func (s *Store) Report(id iot.Identity, patch []byte, ifVersion int64) (version int64, event []byte, err error) {
	return s.patchReported(id, patch, ifVersion, true)
}

func (s *Store) patchReported(id iot.Identity, patch []byte, ifVersion int64, told bool) (version int64, event []byte, err error) {
	room := s.room()
	d, err := parse(string(patch), (*room)[:0], false)
	if err != nil {
		return 0, nil, err
	}
	*room = d
	defer s.free(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.twins[id]
	if !ok {
		return 0, nil, notFound(id)
	}
	if ifVersion != 0 && ifVersion != r.reported.version {
		return 0, nil, iot.ErrPreconditionFailed.Because(
			"Reported properties have version %d, not %d.", r.reported.version, ifVersion)
	}
	written := stamp{ticks: ticks(s.clock.Now())}
	reported, err := r.reported.with(d, r.reported.version+1, written, &s.scratch, "reported properties", MaxPropertiesSize)
	if err != nil {
		return 0, nil, err
	}
	r.version++
	r.reported = reported
	if told {
		event = r.event(parts{reported: d, stamp: written})
	}
	return r.reported.version, event, nil
}

// room is memory to parse a patch into, which free takes back.
func (s *Store) room() *document {
	if d, ok := s.rooms.Get().(*document); ok {
		return d
	}
	return &document{}
}

// free keeps the room for the next patch, unless it has become large.
func (s *Store) free(room *document) {
	const most = 256
	if cap(*room) <= most {
		clear(*room) // lets go of the patch
		s.rooms.Put(room)
	}
}

// parseSections reads a back end's sections; nil for what is not there.
func parseSections(tags, desired json.RawMessage) (t, d document, err error) {
	if t, err = parseSection(tags); err != nil {
		return nil, nil, err
	}
	d, err = parseSection(desired)
	return t, d, err
}

func parseSection(raw json.RawMessage) (document, error) {
	if absent(raw) {
		return nil, nil
	}
	return parse(string(raw), nil, true)
}
