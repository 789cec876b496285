package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Suites may run beside one another, and the SDKs insist on their ports: no two
// suites name the same loopback address. Only 127.0.0.1 is everybody's.
func TestSuitesShareNoAddress(t *testing.T) {
	t.Parallel()
	const root = ".."
	users := map[string]map[string]bool{} // suites, by address
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains([]string{"node_modules", ".venv", "testdata", "target"}, e.Name()):
			return filepath.SkipDir
		case e.IsDir() || !slices.Contains([]string{".go", ".js", ".py", ".java"}, filepath.Ext(path)):
			return nil
		}
		content, err := os.ReadFile(path)
		for _, address := range loopback.FindAllString(string(content), -1) {
			if users[address] == nil {
				users[address] = map[string]bool{}
			}
			users[address][suiteOf(root, path)] = true
		}
		return err
	}))
	delete(users, "127.0.0.1")
	assert.Greater(t, len(users), 20)
	for address, suites := range users {
		assert.Len(t, suites, 1, address)
	}
}

var loopback = regexp.MustCompile(`127\.0\.0\.\d+`)

// suiteOf is the suite that a file belongs to: its folder below test, or below
// test/sdk.
func suiteOf(root, path string) string {
	inside, _ := filepath.Rel(root, path) // it is inside
	parts := strings.Split(filepath.ToSlash(inside), "/")
	if parts[0] == "sdk" {
		return strings.Join(parts[:2], "/")
	}
	return parts[0]
}
