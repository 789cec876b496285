package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Binary is the path of the hub's binary: what LINARITE_BIN names, or else one
// that is built now, once in a process, as `make build` does.
func Binary() (string, error) { return builtBinary() }

// builtBinary does the work of Binary the first time.
var builtBinary = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("LINARITE_BIN"); named != "" {
		_, err := os.Stat(named)
		return named, err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, "bin", "linarite")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/linarite")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

// moduleRoot walks up from the working directory, which go test sets to the
// package's, to the hub's own module.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.Contains(string(text), "module github.com/linarite/linarite\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside the hub's source tree; set LINARITE_BIN")
		}
		dir = parent
	}
}
