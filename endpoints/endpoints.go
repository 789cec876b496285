// Package endpoints is where routes can lead besides the built-in endpoint: a file
// and a webhook. Each type is a hub.Sink in a file of its own; the hub keeps the
// messages, tries again and watches over health.
//
// A further type needs nothing but its sink in a file here, a line in Opener.Open
// and its settings in the seed file; a client library has its line in
// internal/arch's table.
package endpoints

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// Types of endpoints.
const (
	TypeFile    = "file"
	TypeWebhook = "webhook"
)

// Opener makes the sinks of a hub's endpoints.
type Opener struct {
	// Folder holds the files whose paths are relative; empty: there can be none.
	Folder string
	// Files are the absolute paths that file endpoints may have: those of the
	// operator's own config file. Whoever reaches the control API is not to write
	// anywhere else.
	Files []string
	// Validations are webhooks that somebody else may confirm; nil: they have to do
	// it themselves, at once.
	Validations *Validations
}

// Open makes the sink of an endpoint. It is a hub.OpenSink. Error: 400004, which
// says what is wrong with the type or the settings.
func (o Opener) Open(e routing.Endpoint, s hub.SinkOptions) (hub.Sink, error) {
	switch e.Type {
	case TypeFile:
		return o.openFile(e.Settings)
	case TypeWebhook:
		return o.openWebhook(e, s)
	}
	return nil, iot.ErrArgumentInvalid.Because("there are no endpoints of type %q", e.Type)
}

// read reads an endpoint's settings, strictly. Error: 400004.
func read(settings json.RawMessage, into any) error {
	if len(settings) == 0 {
		settings = json.RawMessage("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(settings))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return iot.ErrArgumentInvalid.Because("settings: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// invalid is what is wrong with a setting. Error: 400004.
func invalid(setting, format string, args ...any) error {
	return iot.ErrArgumentInvalid.Because("%s: %s", setting, fmt.Sprintf(format, args...))
}
