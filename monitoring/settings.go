package monitoring

import (
	"fmt"
	"strings"
)

// Level is how much of a category is told of at the operations monitoring
// endpoint.
type Level uint8

// The levels of the portal. Standard is Verbose for Connections, which is what the
// endpoint is mostly read for, and Errors for all others. Verbose adds what did not
// fail, which only Connections and Routes have.
const (
	Standard Level = iota
	None
	Errors
	Verbose
)

// levels are the names of the levels, from None up.
var levels = [...]string{None: "none", Errors: "error", Verbose: "verbose"}

// Settings are the levels of the categories.
type Settings struct {
	Connections, DeviceTelemetry, C2DCommands, DeviceIdentityOperations, FileUploadOperations, Routes Level
}

// of is where the level of a category is; nil where it has none.
func (s *Settings) of(c Category) *Level {
	switch c {
	case Connections:
		return &s.Connections
	case DeviceTelemetry:
		return &s.DeviceTelemetry
	case C2DCommands:
		return &s.C2DCommands
	case DeviceIdentityOperations:
		return &s.DeviceIdentityOperations
	case FileUploadOperations:
		return &s.FileUploadOperations
	case Routes:
		return &s.Routes
	}
	return nil
}

// Want says whether the endpoint is told of a category's failures, or of what did
// not fail.
func (s Settings) Want(c Category, failed bool) bool {
	l := s.of(c)
	switch {
	case l == nil:
		return false
	case *l == Standard:
		return failed || c == Connections
	}
	return *l == Verbose || *l == Errors && failed
}

// Set sets a level as a flag writes it:
//
//	setting  = category "=" level
//	category = "connections" | "deviceTelemetry" | "c2dCommands" | "deviceIdentityOperations"
//	         | "fileUploadOperations" | "routes"
//	level    = "none" | "error" | "verbose"
//
// in any case.
func (s *Settings) Set(setting string) error {
	name, level, ok := strings.Cut(setting, "=")
	var at *Level
	for _, c := range Monitored() {
		if strings.EqualFold(name, string(c)) {
			at = s.of(c)
		}
	}
	if !ok || at == nil {
		return fmt.Errorf("%q: must be category=level, the category one of connections, deviceTelemetry, c2dCommands, deviceIdentityOperations, fileUploadOperations and routes", setting)
	}
	for l := None; l <= Verbose; l++ {
		if strings.EqualFold(level, levels[l]) {
			*at = l
			return nil
		}
	}
	return fmt.Errorf("%q: the level must be none, error or verbose", setting)
}

// Monitored are the categories that have a level.
func Monitored() []Category {
	return []Category{Connections, DeviceTelemetry, C2DCommands, DeviceIdentityOperations, FileUploadOperations, Routes}
}
