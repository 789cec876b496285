package iot_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/linarite/linarite/iot"
)

func TestTextsFromOutsideInALog(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 `""`,
		"a\nb":                             `"a\nb"`,
		"\xff":                             `"\xff"`,
		strings.Repeat("x", 100):           `"` + strings.Repeat("x", 100) + `"`,
		strings.Repeat("x", 101):           `"` + strings.Repeat("x", 100) + `"…`,
		"SharedAccessSignature sr=a&sig=b": iot.TokenMask,
		"a?SIG=b":                          iot.TokenMask,
		"a%3Fsig%3Db":                      iot.TokenMask,
		"SharedAccessSignature sr=a":       `"SharedAccessSignature sr=a"`,
		"a signature":                      `"a signature"`,
	} {
		assert.Equal(t, want, iot.Printable(text), "%q", text)
		assert.Equal(t, want == iot.TokenMask, iot.Masked(text) == iot.TokenMask, "%q", text)
	}
	assert.Equal(t, "a\nb", iot.Masked("a\nb"))
	assert.Equal(t, strings.Repeat("x", 8192), iot.Masked(strings.Repeat("x", 8192)))
	assert.Equal(t, strings.Repeat("é", 4096)+"…", iot.Masked(strings.Repeat("é", 5000)))
	assert.Equal(t, "x"+strings.Repeat("é", 4095)+"…", iot.Masked("x"+strings.Repeat("é", 5000)))
}
