package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maven runs Maven with a repository of the suite's own.
func maven(args ...string) []string {
	return append([]string{"mvn", "--batch-mode", "--no-transfer-progress", "--quiet", "--strict-checksums", "-Dstyle.color=never", "-Dmaven.repo.local=.m2"}, args...)
}

const javaSuite = "test/sdk/java"

// installJava fetches what the suite needs. What Maven fetched has to have the
// checksum that maven.sha256 gives it; what that does not have is of another
// release of Maven, which brings plugins of its own.
func (s *session) installJava() error {
	if err := s.install(javaSuite, "maven.sha256", ".m2", [][]string{
		{"rm", "-rf", ".m2"},
		maven("test", "-Dtest=None", "-Dsurefire.failIfNoSpecifiedTests=false"), // a run of no test fetches whatever a run needs
		maven(copyDependencies, "-DoutputDirectory=.m2/lib"),
	}); err != nil {
		return err
	}
	return verify(filepath.Join(s.root, javaSuite), "maven.sha256", ".m2")
}

// java runs the official SDKs for Java.
func java(s *session) (count, error) {
	if err := s.installJava(); err != nil {
		return count{}, err
	}
	reports := filepath.Join(s.root, javaSuite, "target", "surefire-reports")
	if err := os.RemoveAll(reports); err != nil {
		return count{}, err
	}
	run := maven("--offline", "test")
	runErr := s.command(javaSuite, run[0], run[1:]...).Run()
	c, err := readReports(reports)
	return c, errors.Join(runErr, err)
}

// rounds goes the whole round with each pair of SDKs, whose packages are those of
// their suites.
func rounds(s *session) (count, error) {
	if err := errors.Join(s.installNode(), s.installPython(), s.installJava()); err != nil {
		return count{}, err
	}
	compile := maven("--offline", "test-compile")
	if err := s.command(javaSuite, compile[0], compile[1:]...).Run(); err != nil {
		return count{}, err
	}
	return s.goTest("test", "-count=1", "./sdk/rounds/...")
}

// readReports sums up the JUnit reports in a folder.
func readReports(dir string) (count, error) {
	names, err := filepath.Glob(filepath.Join(dir, "TEST-*.xml"))
	if err != nil {
		return count{}, err
	}
	var all count
	for _, name := range names {
		report, err := os.ReadFile(name)
		if err != nil {
			return all, err
		}
		c, err := readJUnit(bytes.NewReader(report))
		if err != nil {
			return all, err
		}
		all.passed += c.passed
		all.failed += c.failed
		all.skipped += c.skipped
	}
	return all, nil
}

// verify holds the archives below a folder against a list as sha256sum writes
// it, with paths from dir on.
func verify(dir, list, folder string) error {
	wanted, err := readChecksums(filepath.Join(dir, list))
	if err != nil {
		return err
	}
	root := os.DirFS(dir)
	return fs.WalkDir(root, folder, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".jar") {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		if want, ok := wanted[name]; ok && want != hex.EncodeToString(sum[:]) {
			return fmt.Errorf("%s is not what %s says", name, list)
		}
		return nil
	})
}

// readChecksums reads a list of checksums, by file.
func readChecksums(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		sum, file, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			return nil, fmt.Errorf("%s: %q is no line of sha256sum", name, lines.Text())
		}
		sums[file] = sum
	}
	return sums, nil
}
