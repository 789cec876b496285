package twin

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/linarite/linarite/iot"
)

// Limits of a twin. Sizes are counted as section.fits says, lengths in bytes
// of UTF-8, the depth in objects and arrays below the section.
//
// IoT Hub: contract.md §10.3, iot-hub-devguide-device-twins.md.
const (
	MaxTagsSize       = 8 * 1024  // of the tags
	MaxPropertiesSize = 32 * 1024 // of the desired properties, and of the reported
	MaxNameLength     = 1024
	MaxValueLength    = 4096
	MaxDepth          = 10
	MaxInteger        = 1<<52 - 1
	MinInteger        = -1 << 52
)

// checkName refuses names that are too long or have a control character, white
// space, `.`, `$` or `#`. The empty name is legal.
//
// IoT Hub: contract.md §10.3; `#` and white space beside the space are from
// the IoT Edge hub's ReportedPropertiesValidator.
func checkName(name string) error {
	if len(name) > MaxNameLength {
		return iot.ErrArgumentInvalid.Because(
			"Length of property name %s exceeds maximum length of %d", shortened(name), MaxNameLength)
	}
	for _, r := range name {
		if r == '.' || r == '$' || r == '#' || unicode.IsControl(r) || unicode.IsSpace(r) {
			return iot.ErrArgumentInvalid.Because(
				"Property name %s contains invalid character %q", shortened(name), r)
		}
	}
	return nil
}

// checkString refuses a value that is too long.
func checkString(name, value string) error {
	if len(value) > MaxValueLength {
		return iot.ErrArgumentInvalid.Because(
			"Value associated with property name %s has length %d that exceeds maximum length of %d",
			shortened(name), len(value), MaxValueLength)
	}
	return nil
}

// checkNumber refuses an integer (a number without fraction and exponent) that
// a double could not keep exactly beside its neighbours, and any other number
// that no double can hold. The length of the text is a string's at most.
//
// IoT Hub: contract.md §10.3; the rule for other numbers has no source.
func checkNumber(name, text string) error {
	if err := checkString(name, text); err != nil {
		return err
	}
	if strings.ContainsAny(text, ".eE") {
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return iot.ErrArgumentInvalid.Because("Property %s has an out of bound value.", shortened(name))
		}
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err != nil || n > MaxInteger || n < MinInteger {
		return iot.ErrArgumentInvalid.Because(
			"Property %s has an out of bound value. Valid values are between %d and %d",
			shortened(name), int64(MinInteger), int64(MaxInteger))
	}
	return nil
}

func errNullInArray() error {
	return iot.ErrArgumentInvalid.Because("Arrays cannot contain 'null' as value, nor can the objects in them")
}

func errTooDeep() error {
	return iot.ErrArgumentInvalid.Because("Nested depth of twin property exceeds %d", MaxDepth)
}

// characters is the size of a string: its characters without the control
// characters (segments C0 and C1).
func characters(s string) int32 {
	var n int32
	for _, r := range s {
		if !unicode.IsControl(r) {
			n++
		}
	}
	return n
}

// shortened is a name as an error's text shows it.
func shortened(name string) string {
	const most = 40
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "..."
}
