package arch

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// checkVariables wants the variables of a package to be tables and errors: they
// have a value where they are declared, and nothing changes them afterwards.
// What a hub remembers belongs to the hub.
func checkVariables(files []*File) []Problem {
	var problems []Problem
	specs := map[string]*ast.ValueSpec{} // by name
	for _, f := range files {
		for _, d := range f.tree.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, s := range group.Specs {
				spec := s.(*ast.ValueSpec)
				if text := f.mutable(spec, group); text != "" {
					problems = append(problems, f.problem(spec, "%s: %s; keep state in the hub, many share one process", spec.Names[0].Name, text))
				}
				for _, name := range spec.Names {
					specs[name.Name] = spec
				}
			}
		}
	}
	for _, f := range files {
		problems = append(problems, f.checkAssignments(specs)...)
	}
	return problems
}

// mutable says why a variable is no table and no error, or "".
func (f *File) mutable(spec *ast.ValueSpec, group *ast.GenDecl) string {
	if spec.Names[0].Name == "_" || embedded(spec.Doc) || embedded(group.Doc) {
		return ""
	}
	if kind, ok := spec.Type.(*ast.Ident); ok && len(spec.Values) == 0 && kind.Name == "string" {
		return "" // the linker may set it: -X main.version=…
	}
	if len(spec.Values) == 0 {
		return "a package variable without a value is there to be changed"
	}
	for _, value := range spec.Values {
		switch value := value.(type) {
		case *ast.UnaryExpr:
			if value.Op == token.AND {
				return "a package variable that points to a value is there to be changed"
			}
		case *ast.CallExpr:
			if text := f.mutableCall(value); text != "" {
				return text
			}
		}
	}
	return ""
}

// mutableCall is mutable for a value that a call makes.
func (f *File) mutableCall(call *ast.CallExpr) string {
	switch callee := call.Fun.(type) {
	case *ast.Ident:
		if callee.Name == "make" || callee.Name == "new" {
			return "a package variable that is made empty is there to be changed"
		}
	case *ast.SelectorExpr:
		if x, ok := callee.X.(*ast.Ident); ok && x.Obj == nil && f.thirdParty(x.Name) {
			return "a package variable of third-party code holds state"
		}
	}
	return ""
}

// thirdParty says whether name is a package of somebody else's in this file.
func (f *File) thirdParty(name string) bool {
	return slices.ContainsFunc(f.tree.Imports, func(spec *ast.ImportSpec) bool {
		imported, _ := strconv.Unquote(spec.Path.Value)
		first, _, _ := strings.Cut(imported, "/")
		return strings.Contains(first, ".") && !strings.HasPrefix(imported, module) && f.importName(imported) == name
	})
}

// embedded says whether a comment holds a go:embed directive.
func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// checkAssignments finds what changes a package variable, an element or a field
// of it.
func (f *File) checkAssignments(specs map[string]*ast.ValueSpec) []Problem {
	var problems []Problem
	change := func(target ast.Expr) {
		name := root(target)
		if name == nil {
			return
		}
		// A name that the file declares elsewhere is a local variable.
		spec, ok := specs[name.Name]
		if ok && name.Name != "_" && (name.Obj == nil || name.Obj.Decl == spec) {
			problems = append(problems, f.problem(target, "%s is a package variable and must not change; keep state in the hub", name.Name))
		}
	}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, target := range n.Lhs {
					change(target)
				}
			}
		case *ast.IncDecStmt:
			change(n.X)
		case *ast.CallExpr:
			if callee, ok := n.Fun.(*ast.Ident); ok && (callee.Name == "delete" || callee.Name == "clear") && len(n.Args) > 0 {
				change(n.Args[0])
			}
		}
		return true
	})
	return problems
}

// root is the variable that an expression such as a.b[c].d starts with.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}
