package arch

import (
	"go/ast"
	"go/token"
	"strings"
)

// checkSize is about the lengths of files and functions.
func checkSize(f *File) []Problem {
	var problems []Problem
	limit := maxFile
	if f.test() {
		limit = maxTestFile
	}
	if f.Lines > limit {
		problems = append(problems, f.problem(f.tree.Name, "%d lines, the limit is %d: divide the file", f.Lines, limit))
	}
	for _, d := range f.tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1; n > maxFunction {
			problems = append(problems, f.problem(fn, "%s has %d lines, the limit is %d: divide the function", fn.Name.Name, n, maxFunction))
		}
	}
	return problems
}

// checkDeclarations is about init functions and about names.
func checkDeclarations(f *File) []Problem {
	var problems []Problem
	for _, d := range f.tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fn.Name.Name == "init" && fn.Recv == nil {
			problems = append(problems, f.problem(fn, "no init functions: many hubs share one process"))
		}
		for _, name := range declared(d) {
			if text := emptyName(name.Name); text != "" {
				problems = append(problems, f.problem(name, "%s: %s", name.Name, text))
			}
		}
	}
	return problems
}

// emptyName says what is wrong with a name, or "".
func emptyName(name string) string {
	switch rest, get := strings.CutPrefix(name, "Get"); {
	case get && rest != "" && ast.IsExported(rest):
		return "no Get… names; name it after what it returns"
	case strings.HasSuffix(name, "Manager"), strings.HasSuffix(name, "Impl"):
		return "no …Manager and …Impl; name it after what it is"
	}
	return ""
}

// checkDocs wants a comment on every exported name. The names of a group share
// the group's.
func checkDocs(f *File) []Problem {
	if f.test() {
		return nil
	}
	var problems []Problem
	undocumented := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		for _, doc := range docs {
			if doc != nil {
				return
			}
		}
		if name.IsExported() {
			problems = append(problems, f.problem(name, "%s has no doc comment", name.Name))
		}
	}
	for _, d := range f.tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if receiverExported(d) {
				undocumented(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					undocumented(spec.Name, spec.Doc, d.Doc)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						undocumented(name, spec.Doc, spec.Comment, d.Doc)
					}
				}
			}
		}
	}
	return problems
}

// receiverExported says whether a function can be seen outside: it has no
// receiver, or one of an exported type.
func receiverExported(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && !exported {
			exported = name.IsExported()
			return false
		}
		return true
	})
	return exported
}

// checkPackageDoc wants one package comment in a folder.
func checkPackageDoc(files []*File) []Problem {
	for _, f := range files {
		if f.tree.Doc != nil {
			return nil
		}
	}
	first := files[0]
	return []Problem{{Path: first.dir(), Text: "the package has no doc comment; say in a sentence what it is"}}
}

// declared lists the names of a declaration.
func declared(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []*ast.Ident{d.Name}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}
		var names []*ast.Ident
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name)
			case *ast.ValueSpec:
				names = append(names, spec.Names...)
			}
		}
		return names
	}
	return nil
}
