package seed

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder fills Go values from a tree, strictly: a key must be known, a value
// of the type that its field has and as its rule wants it.
type decoder struct {
	*problems
	fields map[reflect.Type][]field
}

// object fills a struct. A group of keys without any may be left empty.
func (d *decoder) object(n *node, at *path, v reflect.Value) {
	if n.kind == null {
		return
	}
	if n.kind != object {
		d.mistaken(n, at, object)
		return
	}
	fields, ok := d.fields[v.Type()]
	if !ok {
		fields = fieldsOf(v.Type())
		d.fields[v.Type()] = fields
	}
	for _, m := range n.members {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == m.key })
		if i < 0 {
			d.add(m.at, at.member(m.key), "%s", unknown(m.key, fields))
			continue
		}
		d.value(m.value, m.at, at.member(m.key), fields[i].rule, v.FieldByIndex(fields[i].index))
	}
	for _, f := range fields {
		if f.required && n.member(f.key) == nil {
			d.add(n.at, at.member(f.key), "is missing")
		}
	}
}

// value fills one value; key is where its key stands.
func (d *decoder) value(n *node, key position, at *path, rule string, v reflect.Value) {
	switch {
	case v.Type() == propertiesType:
		d.properties(n, at, v)
		return
	case v.Kind() == reflect.Struct:
		d.object(n, at, v)
		return
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.New(v.Type().Elem()))
		d.object(n, at, v.Elem())
		return
	case v.Kind() == reflect.Slice:
		d.list(n, at, rule, v)
		return
	case n.kind == null:
		d.add(key, at, "has no value")
		return
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if !d.scalar(n, at, v) {
		return
	}
	if breach := rules[rule].breach(v); breach != "" {
		d.add(n.at, at, "%s", breach)
	}
}

// list fills a slice. A list without elements may be left empty.
func (d *decoder) list(n *node, at *path, rule string, v reflect.Value) {
	if n.kind == null || n.kind == list && len(n.elements) == 0 {
		return
	}
	if n.kind != list {
		d.mistaken(n, at, list)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.elements), len(n.elements)))
	for i, e := range n.elements {
		place := at.element(i)
		if e.kind == null {
			d.add(e.at, place, "has no value")
			continue
		}
		d.value(e, e.at, place, rule, v.Index(i))
	}
}

// properties fills a section of a twin.
func (d *decoder) properties(n *node, at *path, v reflect.Value) {
	switch {
	case n.kind == null:
	case n.kind != object:
		d.mistaken(n, at, object)
	case !d.nulls(n, at):
		v.SetBytes(n.json())
	}
}

// nulls notes the values that are missing in a section of a twin, where there
// can be none: to a patch null means that a property goes.
func (d *decoder) nulls(n *node, at *path) (found bool) {
	for _, m := range n.members {
		if m.value.kind == null {
			d.add(m.at, at.member(m.key), "has no value: twins keep none, leave the key out")
			found = true
		} else if d.nulls(m.value, at.member(m.key)) {
			found = true
		}
	}
	for i, e := range n.elements {
		if e.kind == null {
			d.add(e.at, at.element(i), "has no value: twins keep none")
			found = true
		} else if d.nulls(e, at.element(i)) {
			found = true
		}
	}
	return found
}

// scalar fills a value without parts and says whether it could.
func (d *decoder) scalar(n *node, at *path, v reflect.Value) bool {
	switch {
	case v.Type() == durationType:
		return d.duration(n, at, v)
	case v.Kind() == reflect.Bool:
		if n.kind != boolean {
			return d.mistaken(n, at, boolean)
		}
		v.SetBool(n.text == "true")
	case v.Kind() == reflect.Int:
		if n.kind != number {
			return d.mistaken(n, at, number)
		}
		i, err := strconv.Atoi(n.text)
		if err != nil {
			d.add(n.at, at, "must be a whole number, not %s", quoted(n.text))
			return false
		}
		v.SetInt(int64(i))
	case v.Kind() == reflect.String:
		if n.kind != text {
			return d.mistaken(n, at, text)
		}
		v.SetString(n.text)
	}
	return true
}

func (d *decoder) duration(n *node, at *path, v reflect.Value) bool {
	period, err := time.ParseDuration(n.text)
	if n.kind != text || err != nil || !durationPattern.MatchString(n.text) {
		d.add(n.at, at, "must be a duration such as 90s, 5m or 1h30m, with its unit")
		return false
	}
	v.SetInt(int64(period))
	return true
}

// mistaken notes that a value is not what it should be. Values are not shown:
// this may be a key's place.
func (d *decoder) mistaken(n *node, at *path, want kind) bool {
	if want == text && (n.kind == number || n.kind == boolean) {
		d.add(n.at, at, "must be text, not %s: put it in quotes", n.kind)
	} else {
		d.add(n.at, at, "must be %s, not %s", want, n.kind)
	}
	return false
}

// unknown says that a key is not known, and which there are.
func unknown(key string, fields []field) string {
	keys := make([]string, len(fields))
	meant := ""
	for i, f := range fields {
		keys[i] = f.key
		if near(key, f.key) {
			meant = f.key
		}
	}
	if meant != "" {
		return "is not a key: did you mean " + meant + "?"
	}
	return "is not a key: there are " + strings.Join(keys, ", ")
}

// near says whether a key looks like another one.
func near(a, b string) bool {
	a, b = strings.ToLower(strings.ReplaceAll(a, "-", "")), strings.ToLower(b)
	return distance(a, b) <= 2 && len(a) > 3
}

// distance counts the letters to add, drop or change to make b of a, up to 3.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return 3
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], 3)
}
