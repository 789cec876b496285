package twin

import "strconv"

// parts are what an update has written of a twin: sections that it did not have
// are nil.
type parts struct {
	tags, desired, reported document
	stamp                   stamp // of the properties
}

// event is the body of a twin change event for an update: what was written, as
// it was asked for with its nulls, and for properties when that was.
//
// IoT Hub: contract.md §20.1, iot-hub-non-telemetry-event-schema. That what was
// taken away has no metadata is [unsourced].
func (r *record) event(p parts) []byte {
	b := append([]byte(`{"version":`), strconv.FormatInt(r.version, 10)...)
	if p.tags != nil {
		b = append(b, `,"tags":`...)
		b = p.tags.append(b, 0)
	}
	if p.desired == nil && p.reported == nil {
		return append(b, '}')
	}
	b = append(b, `,"properties":{`...)
	if p.desired != nil {
		b = appendName(b, "desired")
		b = p.desired.appendWritten(b, p.stamp, r.desired.version)
	}
	if p.reported != nil {
		b = appendName(b, "reported")
		b = p.reported.appendWritten(b, p.stamp, r.reported.version)
	}
	return append(b, "}}"...)
}

// appendWritten writes a patch with the metadata of what it wrote and the
// version it made.
func (d document) appendWritten(b []byte, s stamp, version int64) []byte {
	b = d.appendMembers(append(b, '{'), 0)
	b = appendName(b, "$metadata")
	b = d.appendMetadata(b, 0, s)
	return appendVersion(b, version)
}

// appendMetadata writes the metadata of the value at i, all of which bears the
// same stamp.
func (d document) appendMetadata(b []byte, i int, s stamp) []byte {
	b = appendStamp(b, s)
	if d[i].kind == objectKind {
		for j := i + 1; j < int(d[i].next); j = int(d[j].next) {
			if !d[j].void && d[j].kind != nullKind {
				b = appendName(b, d[j].name)
				b = d.appendMetadata(b, j, s)
			}
		}
	}
	return append(b, '}')
}
