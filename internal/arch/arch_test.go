package arch_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/internal/arch"
)

// The tree as it is keeps every rule.
func TestTheTreeKeepsTheRules(t *testing.T) {
	t.Parallel()
	files, err := arch.Load(os.DirFS("../.."))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, problem := range arch.Check(files) {
		t.Error(problem)
	}
}
