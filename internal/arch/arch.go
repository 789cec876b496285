// Package arch is the rules of the house: which room may import which, how
// large files and functions may grow, what may not be called where. The test
// checks the whole tree against them; table.go is what to edit when a room is
// added.
package arch

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Problem is a place where a rule is broken.
type Problem struct {
	Path string // slash-separated, from the root of the tree
	Line int    // 0 where the whole file or folder is meant
	Text string // what is wrong and what to do about it
}

// String is `path:line: text`, as compilers print it.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.Path + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text)
}

// File is a parsed Go file of the tree.
type File struct {
	Path  string // slash-separated, from the root of the tree
	Lines int

	set  *token.FileSet
	tree *ast.File
}

// Parse reads one file.
func Parse(name string, source []byte) (*File, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &File{Path: name, Lines: bytes.Count(source, []byte("\n")), set: set, tree: tree}, nil
}

// Load reads all Go files below the root of the tree. What other tools keep
// there (hidden folders, node_modules, testdata) is passed over.
func Load(root fs.FS) ([]*File, error) {
	var files []*File
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped(name):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := Parse(name, source)
		if err != nil {
			return err
		}
		files = append(files, file)
		return nil
	})
	return files, err
}

func skipped(dir string) bool {
	base := path.Base(dir)
	return base == "node_modules" || base == "testdata" || base == "bin" ||
		base != "." && strings.HasPrefix(base, ".")
}

// Check holds the files against every rule and returns what breaks one, in the
// order of the tree.
func Check(files []*File) []Problem {
	var problems []Problem
	for _, f := range files {
		for _, rule := range []func(*File) []Problem{
			checkPlace, checkImports, checkSize, checkCalls, checkDeclarations, checkDocs,
		} {
			problems = append(problems, rule(f)...)
		}
	}
	for _, p := range packages(files) {
		problems = append(problems, checkPackageDoc(p)...)
		problems = append(problems, checkVariables(p)...)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
	})
	return problems
}

// packages groups the files that are not tests by their folder, in order.
func packages(files []*File) [][]*File {
	byDir := map[string][]*File{}
	for _, f := range files {
		if !f.test() {
			byDir[f.dir()] = append(byDir[f.dir()], f)
		}
	}
	var all [][]*File
	for _, p := range byDir {
		all = append(all, p)
	}
	return all
}

// dir is the file's folder: the name of its room.
func (f *File) dir() string { return path.Dir(f.Path) }

// test says whether the file is compiled for tests only.
func (f *File) test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// outside says whether the file belongs to a module of its own, which drives
// the hub from outside as a user does.
func (f *File) outside() bool {
	return strings.HasPrefix(f.Path, "test/") || strings.HasPrefix(f.Path, "bench/")
}

// problem is one about a node of the file.
func (f *File) problem(at ast.Node, format string, args ...any) Problem {
	return Problem{Path: f.Path, Line: f.set.Position(at.Pos()).Line, Text: fmt.Sprintf(format, args...)}
}
