package mqtt

import (
	"strings"
	"unicode/utf8"

	"github.com/linarite/linarite/iot"
)

// parseBag takes the property bag of a device's message apart:
//
//	bag   = [ pair *( "&" pair ) ]
//	pair  = key [ "=" value ]             ; both percent-encoded
//	key   = ( "$" | "%24" ) "." short     ; system property, see systemName
//	      | name                          ; application property
//
// A "+" is a plus. A pair without "=" is a property with no value; a system
// property without a value is dropped, and so is a pair without a key. An
// unknown `$.` key is an application property under its whole name. Text whose
// escapes are malformed or are no UTF-8 is kept as it stands. Of several
// properties with one name the last survives. Names that only the hub may stamp
// are dropped, in any case: a device cannot pass for another.
//
// Names and values share the bag's memory where nothing had to be decoded.
//
// IoT Hub: contract.md §7.1, §7.2, §7.3 (anti-spoofing).
func parseBag(bag string) (system, application iot.Properties) {
	if bag == "" {
		return nil, nil
	}
	size := min(strings.Count(bag, "&")+1, crowd)
	room := make(iot.Properties, 2*size)
	sys, app := propertyList{list: room[:0:size]}, propertyList{list: room[size:size]}
	for bag != "" {
		var pair string
		pair, bag, _ = strings.Cut(bag, "&")
		key, value, valued := strings.Cut(pair, "=")
		if key == "" {
			continue
		}
		short, system := strings.CutPrefix(key, "%24.") // as the SDKs write it
		if _, known := systemName(short); !system || !known {
			key = unescape(key)
			short, system = strings.CutPrefix(key, "$.")
		}
		if name, known := systemName(short); system && known {
			if valued && name != "" {
				sys.set(iot.Property{Name: name, Value: unescape(value)})
			}
			continue
		}
		if iot.Reserved(key) {
			continue
		}
		app.set(iot.Property{Name: key, Value: unescape(value), Null: !valued})
	}
	return sys.some(), app.some()
}

// systemName is the name of the system property that a bag calls `$.{short}`. It
// is empty for those that a device may not set.
//
// IoT Hub: contract.md §7.2, SystemProperties.cs.
func systemName(short string) (name string, known bool) {
	switch short {
	case "mid":
		return iot.MessageID, true
	case "cid":
		return iot.CorrelationID, true
	case "uid":
		return iot.UserID, true
	case "to":
		return iot.To, true
	case "exp":
		return iot.ExpiryTime, true
	case "ct":
		return iot.ContentType, true
	case "ce":
		return iot.ContentEncoding, true
	case "on":
		return iot.OutputName, true
	case "schema":
		return iot.MessageSchema, true
	case "ctime":
		return iot.CreationTime, true
	case "ifid":
		return iot.InterfaceID, true
	case "sub":
		return iot.Subject, true
	case "cdid", "cmid":
		return "", true
	}
	return "", false
}

// crowd is how many properties a list has before it keeps an index of names.
const crowd = 32

// propertyList is a list in which each name stands once.
type propertyList struct {
	list  iot.Properties
	index map[string]int // nil until the list is long
}

// some is the list, nil when there is nothing in it.
func (l *propertyList) some() iot.Properties {
	if len(l.list) == 0 {
		return nil
	}
	return l.list
}

// set puts p at the place of the property with its name, or at the end.
func (l *propertyList) set(p iot.Property) {
	if i, ok := l.find(p.Name); ok {
		l.list[i] = p
		return
	}
	l.list = append(l.list, p)
	if l.index != nil {
		l.index[p.Name] = len(l.list) - 1
	}
}

func (l *propertyList) find(name string) (int, bool) {
	if l.index == nil && len(l.list) >= crowd {
		l.index = make(map[string]int, 2*crowd)
		for i := range l.list {
			l.index[l.list[i].Name] = i
		}
	}
	if l.index != nil {
		i, ok := l.index[name]
		return i, ok
	}
	for i := range l.list {
		if l.list[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// unescape decodes %XX. Text with a malformed escape, or that would not be
// UTF-8, is returned as it is.
func unescape(s string) string {
	first := strings.IndexByte(s, '%')
	if first < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:first])
	for i := first; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return s
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high|low > 15 {
			return s
		}
		b.WriteByte(high<<4 | low)
		i += 2
	}
	if decoded := b.String(); utf8.ValidString(decoded) {
		return decoded
	}
	return s
}

// unhex is the value of a hexadecimal digit, and 255 for anything else.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
