package routing_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// FuzzRoute: whatever a route, an enrichment and a message are, a configuration
// is refused with an error of the catalogue, or takes the message as it explains.
func FuzzRoute(f *testing.F) {
	f.Add("level = 'high' AND $body.a[0] > 5", "$twin.tags.floor", "level", "high", "application/json; charset=utf-8", "", []byte(`{"a":[6]}`))
	f.Add("", "$iothubname", "", "", "application/json", "utf-16", []byte("{\x00}\x00"))
	f.Add("twin_change_includes(x) ?? true", "$twin.properties.desired.a.b", "$x", "\xff", "a/b;c=", "UTF-32", []byte{})
	known := twins{iot.Device("d"): `{"tags":{"floor":3},"properties":{"desired":{"a":{}},"reported":{}}}`}
	f.Fuzz(func(t *testing.T, condition, value, name, text, contentType, encoding string, body []byte) {
		c := routing.Config{
			Routes:      []routing.Route{route("r", condition)},
			Enrichments: []routing.Enrichment{enrichment("k", value)},
			Fallback:    routing.Fallback{Disabled: true},
		}
		m := message(string(body))
		m.Properties = iot.Properties{{Name: name, Value: text}}
		m.System = iot.Properties{{Name: iot.ContentType, Value: contentType}, {Name: iot.ContentEncoding, Value: encoding}}
		table, err := routing.Compile(c, "plant", known)
		if err != nil {
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
			return
		}
		explained, d := table.Explain(m, nil)
		require.Equal(t, explained[0].Matched, d.Endpoints.Has(0))
		require.Equal(t, explained[0].Condition.Err != nil, d.Err != nil)
		enriched, _ := d.Message(0)
		got, ok := enriched.Properties.Get("k")
		require.True(t, ok)
		require.NotEqual(t, "", got+value)
	})
}
