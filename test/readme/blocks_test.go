package readme_test

import (
	"fmt"
	"strings"
)

// block is a fenced block.
type block struct {
	section  string // the heading above it
	language string
	purpose  string // what stands after the language
	text     string
	line     int // where it begins
}

// blocks are those of a Markdown text that have a purpose, in order.
func blocks(text string) ([]block, error) {
	var found []block
	var section string
	var open *block
	number := 0
	for line := range strings.Lines(text) {
		number++
		fence, isFence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case open != nil && isFence:
			if open.purpose != "" {
				found = append(found, *open)
			}
			open = nil
		case open != nil:
			open.text += line
		case isFence:
			language, purpose, _ := strings.Cut(fence, " ")
			open = &block{section: section, language: language, purpose: purpose, line: number}
		case strings.HasPrefix(line, "#"):
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: a block that does not end", open.line)
	}
	return found, nil
}

// of are the blocks of a section with a purpose; without one, the programs.
func of(all []block, section, purpose string) (found []block) {
	for _, b := range all {
		program := purpose == "" && strings.Contains(b.purpose, ".")
		if b.section == section && (b.purpose == purpose || program) {
			found = append(found, b)
		}
	}
	return found
}
