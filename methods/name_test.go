package methods_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/methods"
)

func TestNamesOfMethods(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"reboot", "a", "set-temperature_2", "component*command", "x.y!#%&'+^`|~", strings.Repeat("n", methods.MaxName),
	} {
		require.NoError(t, methods.ValidName(name), name)
	}
	for name, bad := range map[string]string{
		"empty":                "",
		"too long":             strings.Repeat("n", methods.MaxName+1),
		"with a space":         "re boot",
		"with a tab":           "re\tboot",
		"with a line's end":    "reboot\n",
		"with delete":          "reboot\x7f",
		"with a letter beyond": "rébôot",
		"that is not text":     "\xff",
	} {
		require.ErrorIs(t, methods.ValidName(bad), iot.ErrArgumentInvalid, name)
	}
	for _, c := range `$()<>@,;:\"/[]?={}` {
		require.ErrorIs(t, methods.ValidName("a"+string(c)+"b"), iot.ErrArgumentInvalid, "with %q", c)
	}
}

func FuzzValidName(f *testing.F) {
	for _, seed := range []string{"reboot", "", "a/b", "é", "a b", "$iothub"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if methods.ValidName(name) != nil {
			return
		}
		require.NotEmpty(t, name)
		require.LessOrEqual(t, len(name), methods.MaxName)
		require.NotContains(t, name, "/", "it is a level of a topic")
		require.False(t, strings.ContainsAny(name, "?$ "))
	})
}
