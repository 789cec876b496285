package arch

import (
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
)

// checkPlace is about where a file is and what it and its package are called.
func checkPlace(f *File) []Problem {
	var problems []Problem
	name := f.tree.Name
	switch _, known := rooms[f.dir()]; {
	case f.dir() == ".":
		problems = append(problems, f.problem(name, "no Go files in the root; put it into a room"))
	case !known:
		problems = append(problems, f.problem(name, "the folder %s is not a room of internal/arch/table.go", f.dir()))
	}
	if slices.Contains(badPackages, strings.TrimSuffix(name.Name, "_test")) {
		problems = append(problems, f.problem(name, "the package name %s says nothing; name it after what it holds", name.Name))
	}
	if base := path.Base(f.Path); slices.Contains(badFiles, base) {
		problems = append(problems, f.problem(name, "the file name %s says nothing; name it after what it holds", base))
	}
	inside := name.Name != "main" && path.Base(f.Path) != "export_test.go"
	if f.test() && inside && !strings.HasSuffix(name.Name, "_test") {
		problems = append(problems, f.problem(name, "tests are outside the package they test: package %s_test", name.Name))
	}
	return problems
}

// checkImports holds the imports against the room's line of the table.
func checkImports(f *File) []Problem {
	room, known := rooms[f.dir()]
	if !known {
		return nil // checkPlace has said so
	}
	var problems []Problem
	for _, spec := range f.tree.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if spec.Name != nil && spec.Name.Name == "." {
			problems = append(problems, f.problem(spec, "a dot import hides where names come from"))
		}
		if text := f.refuses(room, imported); text != "" {
			problems = append(problems, f.problem(spec, "%s", text))
		}
	}
	return problems
}

// refuses says why the file may not import a path, or "".
func (f *File) refuses(room Room, imported string) string {
	allowed := slices.Concat(room.Imports, room.Libraries)
	if f.test() {
		allowed = slices.Concat(allowed, room.Tests, testLibraries)
	}
	if other, ours := strings.CutPrefix(imported, module); ours {
		if slices.Contains(allowed, other) || f.test() && other == f.dir() {
			return ""
		}
		return f.dir() + " may not import " + other + ": down only, never sideways; it may import " + list(room.Imports)
	}
	switch first, _, _ := strings.Cut(imported, "/"); {
	case slices.ContainsFunc(allowed, func(library string) bool { return within(imported, library) }):
		return ""
	case imported == "log" || imported == "log/slog":
		return "logs are zerolog's, and only where the table says so"
	case !strings.Contains(first, "."):
		return "" // the standard library
	}
	return f.dir() + " may not import " + imported + ": third-party code has its room; here it may be " + list(room.Libraries)
}

// within says whether a package belongs to a library.
func within(imported, library string) bool {
	return imported == library || strings.HasPrefix(imported, library+"/")
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// checkCalls is about the machine's clock and goroutines.
func checkCalls(f *File) []Problem {
	room := rooms[f.dir()]
	timeName := f.importName("time")
	var problems []Problem
	ast.Inspect(f.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == timeName && x.Obj == nil {
				problems = append(problems, f.checkClock(n, room)...)
			}
		case *ast.GoStmt:
			if !room.Goroutines && !f.test() {
				problems = append(problems, f.problem(n, "%s starts no goroutines; server, hub, the transports and control do", f.dir()))
			}
		}
		return true
	})
	return problems
}

// checkClock is about one use of package time.
func (f *File) checkClock(use *ast.SelectorExpr, room Room) []Problem {
	name := use.Sel.Name
	switch {
	case !slices.Contains(clockCalls, name):
		return nil
	case name == "Sleep" && (f.test() || f.outside()):
		return []Problem{f.problem(use, "time.Sleep: tests wait for what they wait for, not for time")}
	case f.test() || room.Clock && name != "Sleep":
		return nil
	}
	return []Problem{f.problem(use, "time.%s: take the time from internal/clock, so that tests can move it", name)}
}

// importName is what the file calls a package, "" when it does not import it.
func (f *File) importName(imported string) string {
	for _, spec := range f.tree.Imports {
		if spec.Path.Value != strconv.Quote(imported) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}
