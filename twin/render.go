package twin

import (
	"strconv"
	"time"

	"github.com/linarite/linarite/query"
)

// append writes the value at i of d, without its name, as JSON.
func (d document) append(b []byte, i int) []byte {
	switch d[i].kind {
	case nullKind:
		return append(b, "null"...)
	case objectKind:
		b = d.appendMembers(append(b, '{'), i)
		return append(b, '}')
	case arrayKind:
		b = append(b, '[')
		for j := i + 1; j < int(d[i].next); j = int(d[j].next) {
			if j > i+1 {
				b = append(b, ',')
			}
			b = d.append(b, j)
		}
		return append(b, ']')
	}
	return append(b, d[i].text...)
}

func (d document) appendMembers(b []byte, i int) []byte {
	for j := i + 1; j < int(d[i].next); j = int(d[j].next) {
		if d[j].void {
			continue
		}
		b = appendName(b, d[j].name)
		b = d.append(b, j)
	}
	return b
}

// notification is a desired patch as its device is told of it.
// IoT Hub: contract.md §9.3.
func (d document) notification(version int64) []byte {
	b := d.appendMembers([]byte{'{'}, 0)
	return appendVersion(b, version)
}

// appendMembers writes the members of an object, without its braces.
func appendMembers(b []byte, members string) []byte {
	for i := 0; i < len(members); {
		m := memberAt(members, i, stamp{})
		i = m.next
		b = m.appendValue(appendName(b, m.name))
	}
	return b
}

// appendValue writes the member's value as JSON.
func (m *member) appendValue(b []byte) []byte {
	if m.kind == objectKind {
		return append(appendMembers(append(b, '{'), m.content), '}')
	}
	return append(b, m.content...)
}

// appendMetadata writes `$metadata`: the stamp s, then each member's.
//
// IoT Hub: contract.md §10.1.
func appendMetadata(b []byte, members string, s stamp) []byte {
	from := len(b)
	b = appendStamp(b, s)
	return appendMetadataBelow(b, members, s, from, len(b))
}

// appendMetadataBelow writes what is below a stamp that stands from here to
// there, which is copied for members that have the same: writing times is dear.
func appendMetadataBelow(b []byte, members string, s stamp, from, to int) []byte {
	for i := 0; i < len(members); {
		m := memberAt(members, i, s)
		i = m.next
		b = appendName(b, m.name)
		start := len(b)
		if m.stamp == s {
			b = append(b, b[from:to]...)
		} else {
			b = appendStamp(b, m.stamp)
		}
		b = appendMetadataBelow(b, m.below(), m.stamp, start, len(b))
	}
	return append(b, '}')
}

// appendStamp begins the metadata of a value.
func appendStamp(b []byte, s stamp) []byte {
	b = append(b, `{"$lastUpdated":"`...)
	b = append(appendTime(b, s.ticks), '"')
	if s.version > 0 {
		b = append(b, `,"$lastUpdatedVersion":`...)
		b = strconv.AppendInt(b, s.version, 10)
	}
	return b
}

// appendVersion writes the `$version` that ends an object, and its brace.
func appendVersion(b []byte, version int64) []byte {
	b = appendName(b, "$version")
	b = strconv.AppendInt(b, version, 10)
	return append(b, '}')
}

// appendName writes the name of a member, and the comma that parts it from the
// one before.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(query.AppendQuoted(b, name), ':')
}

const (
	ticksPerSecond = 10_000_000
	unixEpoch      = 62_135_596_800 // seconds from the year 1 to 1970
)

// ticks is t in .NET's count.
func ticks(t time.Time) int64 {
	return (t.Unix()+unixEpoch)*ticksPerSecond + int64(t.Nanosecond()/100)
}

// appendTime writes ticks, up to seven digits of a second without zeros at their
// end. The year 1 stands for "never". IoT Hub: contract.md §10.1 (LIVE).
func appendTime(b []byte, ticks int64) []byte {
	if ticks == 0 {
		return append(b, "0001-01-01T00:00:00Z"...) // as it would be, but fast
	}
	t := time.Unix(ticks/ticksPerSecond-unixEpoch, ticks%ticksPerSecond*100).UTC()
	return t.AppendFormat(b, "2006-01-02T15:04:05.9999999Z")
}
