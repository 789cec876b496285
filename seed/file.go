package seed

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// File is what a seed file says. What it does not say has the zero value.
type File struct {
	Settings
	Policies     []Policy      `yaml:"policies"`
	Certificates []Certificate `yaml:"certificates"`
	Devices      []Device      `yaml:"devices"`

	Routes        []Route       `yaml:"routes"`
	Endpoints     []Endpoint    `yaml:"endpoints"`
	Enrichments   []Enrichment  `yaml:"enrichments"`
	FallbackRoute FallbackRoute `yaml:"fallbackRoute"`
}

// Policy is a shared access policy. One that is built in is changed in what the
// file says of it; any other needs rights.
type Policy struct {
	Name   string   `yaml:"name,required" is:"policy name"`
	Rights []string `yaml:"rights" is:"right"`

	// Base64, both or none; none means auth.WellKnownKey.
	PrimaryKey   string `yaml:"primaryKey" is:"key"`
	SecondaryKey string `yaml:"secondaryKey" is:"key"`
}

// Certificate is a CA certificate that vouches for devices. It needs no proof of
// possession.
type Certificate struct {
	Name        string `yaml:"name,required" is:"certificate name"`
	Certificate string `yaml:"certificate"` // PEM, or base64 of the certificate
	// File holds it instead; its path is relative to the config file's folder. Only
	// ReadFile reads it, and then has it in Certificate too.
	File string `yaml:"file" is:"text"`
}

// Device is a device with its twin and modules.
type Device struct {
	ID           string  `yaml:"id,required" is:"device id"`
	Status       string  `yaml:"status" is:"status"` // of a new device: enabled
	StatusReason *string `yaml:"statusReason"`
	IoTEdge      *bool   `yaml:"iotEdge"`
	Identity
	Modules []Module `yaml:"modules"`
}

// Module is a module of a device, with its twin.
type Module struct {
	ID        string  `yaml:"id,required" is:"module id"`
	ManagedBy *string `yaml:"managedBy"`
	Identity
}

// Identity is what devices and modules have in common.
type Identity struct {
	// Authentication may be left out: thumbprints are selfSigned, all else is
	// sas.
	Authentication string `yaml:"authentication" is:"authentication"`

	// Base64, both or none. A new sas identity without keys gets DerivedKey.
	PrimaryKey   string `yaml:"primaryKey" is:"key"`
	SecondaryKey string `yaml:"secondaryKey" is:"key"`

	PrimaryThumbprint   string `yaml:"primaryThumbprint" is:"thumbprint"`
	SecondaryThumbprint string `yaml:"secondaryThumbprint" is:"thumbprint"`

	Tags    json.RawMessage `yaml:"tags"`    // a JSON object, nil for none
	Desired json.RawMessage `yaml:"desired"` // a JSON object, nil for none
}

// Parse reads a file and checks all of it. Name is the file's, for errors. Other
// files that it names are not read, which is an error. The error is an *Error.
func Parse(name string, data []byte) (File, error) { return parse(name, data, nil) }

// parse is Parse with what reads the files that the file names, if anything does.
func parse(name string, data []byte, load func(name string) ([]byte, error)) (File, error) {
	if len(data) > MaxSize {
		return File{}, &Error{name, []Problem{{Text: fmt.Sprintf("must have at most %d bytes", MaxSize)}}}
	}
	ps := &problems{lines: strings.Split(string(data), "\n")}
	root := read(data, ps)
	var f File
	if root == nil {
		return f, ps.err(name)
	}
	d := decoder{problems: ps, fields: map[reflect.Type][]field{}}
	d.object(root, nil, reflect.ValueOf(&f).Elem())
	f.include(ps, root, load)
	f.check(ps, root)
	if err := ps.err(name); err != nil {
		return File{}, err
	}
	return f, nil
}

// ReadFile is Parse for a file on disk. What keeps it from being read is an
// *os.PathError.
func ReadFile(name string) (File, error) {
	r, err := os.Open(name)
	if err != nil {
		return File{}, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", name, err)
	}
	folder := filepath.Dir(name)
	f, err := parse(name, data, func(other string) ([]byte, error) {
		if !filepath.IsAbs(other) {
			other = filepath.Join(folder, other)
		}
		return readOther(other)
	})
	if err != nil {
		return File{}, err
	}
	return f, f.locate(folder)
}

// Check says what is wrong with a File that was not read by Parse. The error is
// an *Error whose problems have no lines.
func (f File) Check() error {
	ps := &problems{}
	obey(ps, nil, reflect.ValueOf(f), "")
	f.check(ps, nil)
	return ps.err("")
}

// obey holds what a value has against the rules.
func obey(ps *problems, at *path, v reflect.Value, name string) {
	switch {
	case v.Type() == propertiesType:
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			member := v.FieldByIndex(f.index)
			if f.required && member.IsZero() {
				ps.add(position{}, at.member(f.key), "is missing")
			}
			obey(ps, at.member(f.key), member, f.rule)
		}
	case v.IsZero():
	case v.Kind() == reflect.Pointer:
		obey(ps, at, v.Elem(), name)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			obey(ps, at.element(i), v.Index(i), name)
		}
	default:
		if breach := rules[name].breach(v); breach != "" {
			ps.add(position{}, at, "%s", breach)
		}
	}
}
