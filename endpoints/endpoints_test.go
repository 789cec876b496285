package endpoints_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/endpoints"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// moment is when everything in these tests happens.
var moment = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

// open makes a sink, which has to be closed.
func open(t *testing.T, o endpoints.Opener, kind, settings string) (hub.Sink, error) {
	t.Helper()
	sink, err := o.Open(routing.Endpoint{Name: "archive", Type: kind, Settings: json.RawMessage(settings)}, hub.SinkOptions{
		Hub: "plant", Log: "0123456789abcdef", Clock: clock.NewManual(moment), Refused: func(int, string) {},
	})
	if err == nil {
		t.Cleanup(func() { assert.NoError(t, sink.Close()) })
	}
	return sink, err
}

// must is open where nothing can be wrong.
func must(t *testing.T, o endpoints.Opener, kind, settings string) hub.Sink {
	t.Helper()
	sink, err := open(t, o, kind, settings)
	require.NoError(t, err)
	return sink
}

// telemetry is messages as a device sends them.
func telemetry(bodies ...string) []routing.Message {
	var batch []routing.Message
	for i, body := range bodies {
		batch = append(batch, routing.Message{
			Source: routing.DeviceMessages, Enqueued: moment, Sequence: uint64(i),
			Origin: &iot.Origin{Identity: iot.Device("d1"), GenerationID: "637", AuthMethod: `{"scope":"device"}`},
			Message: iot.Message{
				System:     iot.Properties{{Name: iot.ContentType, Value: "application/json"}, {Name: iot.ContentEncoding, Value: "utf-8"}},
				Properties: iot.Properties{{Name: "alert", Value: "<high>"}, {Name: "null", Null: true}},
				Body:       []byte(body),
			},
		})
	}
	return batch
}

// event is one of the hub's own.
func event(source routing.Source, operation, body string) routing.Message {
	return routing.Message{
		Source: source, Enqueued: moment, Origin: &iot.Origin{Identity: iot.Module("d1", "m1")},
		Message: iot.Message{
			System:     iot.Properties{{Name: iot.ContentType, Value: "application/json"}, {Name: iot.ContentEncoding, Value: "utf-8"}},
			Properties: iot.Properties{{Name: "opType", Value: operation}},
			Body:       []byte(body),
		},
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, settings, want string }{
		"a type there is not":              {"kafka", `{}`, `no endpoints of type "kafka"`},
		"a setting there is not":           {"file", `{"path":"a","colour":"red"}`, `unknown field "colour"`},
		"no settings":                      {"file", ``, "path: is missing"},
		"a setting of the wrong kind":      {"file", `{"path":1}`, "settings: "},
		"a path out of the folder":         {"file", `{"path":"../a"}`, "is no file in the data folder"},
		"a path that is the folder":        {"file", `{"path":"a/.."}`, "is no file in the data folder"},
		"a path of a folder":               {"file", `{"path":"a/"}`, "a/ is a folder"},
		"a path with a zero byte":          {"file", `{"path":"a\u0000"}`, "is no file in the data folder"},
		"an absolute path nobody has said": {"file", `{"path":"/etc/passwd"}`, "is absolute"},
		"files without room":               {"file", `{"path":"a","maxSize":-1}`, "maxSize: must be"},
		"no files":                         {"file", `{"path":"a","maxFiles":0}`, "maxFiles: must be"},
		"no URL":                           {"webhook", `{}`, "url: must be"},
		"a URL that is none":               {"webhook", `{"url":"http://[::1"}`, "url: must be"},
		"a URL of another scheme":          {"webhook", `{"url":"file:///etc/passwd"}`, "url: must be"},
		"a schema there is not":            {"webhook", `{"url":"http://a","schema":"custom"}`, "schema: must be"},
		"an empty batch":                   {"webhook", `{"url":"http://a","maxEventsPerBatch":0}`, "maxEventsPerBatch: must be"},
		"a timeout that is none":           {"webhook", `{"url":"http://a","timeout":"soon"}`, "timeout: must be"},
		"an endless timeout":               {"webhook", `{"url":"http://a","timeout":"1h"}`, "timeout: must be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, endpoints.Opener{Folder: t.TempDir()}, c.kind, c.settings)
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
			assert.Contains(t, err.Error(), c.want)
		})
	}
}
