package methods

import (
	"strings"

	"github.com/linarite/linarite/iot"
)

// MaxName is the longest name of a method, in characters.
// IoT Hub: contract.md §11.1.
const MaxName = 100

// ValidName says what is wrong with the name of a method, if anything:
//
//	name = 1*100( printable ASCII without space and $ ( ) < > @ , ; : \ " / [ ] ? = { } )
//
// Error: 400004. IoT Hub: contract.md §11.1, iot-hub-devguide-direct-methods.
func ValidName(s string) error {
	if s == "" {
		return iot.ErrArgumentInvalid.Because("the method has no name")
	}
	if len(s) > MaxName {
		return iot.ErrArgumentInvalid.Because("the method's name has %d characters, %d are allowed", len(s), MaxName)
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`$()<>@,;:\"/[]?={}`, c) >= 0 {
			return iot.ErrArgumentInvalid.Because("the method's name may not contain %q", c)
		}
	}
	return nil
}
