package seed

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How much an Error keeps and shows.
const (
	maxProblems = 100 // kept
	maxShown    = 10  // by Error.Error
	maxSource   = 100 // characters of a line
	maxKey      = 200 // bytes of a key
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	Line, Column int    // from 1; 0 when the File was not read from a file
	Key          string // as devices[1].status; empty when it is about the file
	Text         string // what is wrong and what would be right; never a key's value
	Source       string // the line; empty where it may hold a secret
}

// Error is all that is wrong with a file, in the order of the file.
type Error struct {
	Name     string // the file's
	Problems []Problem
}

// Error shows each problem as compilers do, up to ten of them:
//
//	linarite.yaml:12:13: devices[1].status: must be enabled or disabled, not "off"
//	    12 |     status: off
//	       |             ^
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == maxShown {
			fmt.Fprintf(&b, "\nand %d more", len(e.Problems)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.show(e.Name))
	}
	return b.String()
}

// String is the problem in one line, without the file's name.
func (p Problem) String() string {
	s := p.Text
	if p.Key != "" {
		s = p.Key + ": " + s
	}
	if p.Line > 0 {
		s = fmt.Sprintf("%d:%d: %s", p.Line, p.Column, s)
	}
	return s
}

func (p Problem) show(name string) string {
	s := p.String()
	if name != "" && p.Line > 0 {
		s = name + ":" + s
	} else if name != "" {
		s = name + ": " + s
	}
	if p.Source == "" {
		return s
	}
	source, caret := excerpt(p.Source, p.Column)
	return fmt.Sprintf("%s\n%6d | %s\n       | %s^", s, p.Line, source, strings.Repeat(" ", caret))
}

// excerpt is the part of a line around a column, and how far in that is.
func excerpt(line string, column int) (part string, caret int) {
	runes := []rune(strings.Map(blank, line))
	caret = min(max(column-1, 0), len(runes))
	if len(runes) <= maxSource {
		return string(runes), caret
	}
	start := min(max(caret-maxSource/2, 0), len(runes)-maxSource)
	return string(runes[start : start+maxSource]), caret - start
}

// blank is a space in the place of what would move the caret, or the terminal's.
func blank(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// problems gathers what is wrong with a file.
type problems struct {
	lines []string // of the file; nil when there is none
	all   []Problem
	seen  map[string]bool // the keys that have a problem
}

// add notes a problem. A key is told one thing only: what comes later may come
// from what came first.
func (ps *problems) add(at position, key *path, format string, args ...any) {
	name := key.String()
	if len(name) > maxKey {
		name = strings.ToValidUTF8(name[:maxKey], "") + "…"
	}
	if len(ps.all) >= maxProblems || name != "" && ps.seen[name] {
		return
	}
	if ps.seen == nil {
		ps.seen = map[string]bool{}
	}
	ps.seen[name] = true
	ps.all = append(ps.all, Problem{
		Line: at.line, Column: at.column, Key: name, Text: fmt.Sprintf(format, args...), Source: ps.source(at.line),
	})
}

// told says whether a problem was noted with a key, or one of its members.
func (ps *problems) told(key *path) bool {
	name := key.String()
	for seen := range ps.seen {
		rest, ok := strings.CutPrefix(seen, name)
		if ok && (rest == "" || rest[0] == '.' && !strings.ContainsAny(rest[1:], ".[")) {
			return true
		}
	}
	return false
}

// source is a line, unless it may hold a secret, or the one before tells that it
// does.
func (ps *problems) source(line int) string {
	if line < 1 || line > len(ps.lines) {
		return ""
	}
	if slices.ContainsFunc(ps.lines[max(line-2, 0):line], revealing) {
		return ""
	}
	return strings.TrimRight(ps.lines[line-1], "\r")
}

// err is what was gathered, in the order of the file; nil when it is nothing.
func (ps *problems) err(name string) error {
	if len(ps.all) == 0 {
		return nil
	}
	slices.SortStableFunc(ps.all, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &Error{Name: name, Problems: ps.all}
}

// secretive is what a line with a secret looks like: a telling word, or base64
// of 16 bytes and more.
var secretive = regexp.MustCompile(`(?i)key|secret|password|token|signature|[0-9a-z+/]{22}`)

func revealing(s string) bool { return secretive.MatchString(s) }

// quoted is a value for an error's text, shortened.
func quoted(s string) string {
	most := 40
	if revealing(s) {
		most = 4
	}
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}
