package seed

import (
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Bounds of a file. The library needs about 70 bytes of memory for each of a
// file's, and its parser calls itself for each level and each key of a group.
const (
	MaxSize    = 4 << 20 // bytes of a file
	maxDepth   = 64      // levels of lists and groups in each other
	maxKeys    = 4096    // keys of a group
	maxMissing = 1000    // values that are not there
	maxBlank   = 200     // line breaks without text between them
	maxAliased = 100_000 // values that aliases add to those that are written out
)

// checkText wants UTF-8 without control characters, and not too many empty
// lines, which take the library long.
func checkText(data []byte, ps *problems) bool {
	at, blank := position{1, 1}, 0
	for i := 0; i < len(data); at.column++ {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			ps.add(at, nil, "is not UTF-8")
			return false
		case r == '\n':
			at = position{at.line + 1, 0}
		case r < ' ' && r != '\t' && r != '\r' || r == 0x7F:
			ps.add(at, nil, "the control character %U must be escaped", r)
			return false
		}
		switch r {
		case '\n', '\r':
			blank++
		case ' ', '\t':
		default:
			blank = 0
		}
		if blank > maxBlank {
			ps.add(at, nil, "has more than %d line breaks without text between them", maxBlank)
			return false
		}
		i += n
	}
	return true
}

// level is a list or a group of keys.
type level struct {
	column  int // of its dashes or keys in block style; 0 in flow style
	keys    bool
	entries int
	alone   bool // in flow style: there is a key, and no colon so far
	colon   bool
}

// measure follows the levels of a file through its tokens. Those of block style
// are told by the columns of their keys and dashes.
type measure struct {
	block, flow []level
	before      int          // properties and odd dashes before a value
	open        *token.Token // the dash or colon whose value is next
	missing     int          // values
	explicit    bool         // there is a `? key`
}

// tooMuch is the token with which there is too much of something, and what that
// is; or nothing. The library's parser calls itself for levels, for the keys of
// a group, and for what stands before one value; and a value that is missing, as
// often after `? key`, takes it as long as all that follows.
func tooMuch(tokens token.Tokens) (at *token.Token, excess string) {
	var m measure
	for _, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		m.step(t)
		if excess := m.excess(); excess != "" {
			return t, excess
		}
	}
	return nil, ""
}

func (m *measure) step(t *token.Token) {
	if m.open != nil && m.lacks(t) {
		m.missing++
	}
	m.open = nil
	switch t.Type {
	case token.AnchorType, token.TagType:
		m.before++
		return
	case token.SequenceStartType, token.MappingStartType:
		m.flow = append(m.flow, level{keys: t.Type == token.MappingStartType})
	case token.SequenceEndType, token.MappingEndType:
		m.entryEnds()
		m.flow = m.flow[:max(len(m.flow)-1, 0)]
	case token.CollectEntryType:
		m.entryEnds()
	case token.MappingKeyType:
		m.explicit = true
	case token.SequenceEntryType, token.MappingValueType:
		m.open = t
		if len(m.flow) > 0 {
			m.flow[len(m.flow)-1].colon = true
			m.before++
			return
		}
		m.block = placed(m.block, t)
		m.block[len(m.block)-1].entries++
	default:
		if len(m.flow) > 0 {
			m.flow[len(m.flow)-1].alone = true
		}
		return
	}
	m.before = 0
}

// entryEnds is about an entry in flow style, such as `a: 1` or, without a value,
// `a`.
func (m *measure) entryEnds() {
	if len(m.flow) == 0 {
		return
	}
	last := &m.flow[len(m.flow)-1]
	if last.keys && last.alone && !last.colon {
		m.missing++
	}
	last.entries++
	last.alone, last.colon = false, false
}

// lacks says whether the value before t is missing: t belongs to a level further
// out, or ends it.
func (m *measure) lacks(t *token.Token) bool {
	if len(m.flow) > 0 {
		return t.Type == token.CollectEntryType || t.Type == token.MappingEndType || t.Type == token.SequenceEndType
	}
	last := m.block[len(m.block)-1]
	return t.Position.Column < last.column ||
		t.Position.Column == last.column && !(last.keys && t.Type == token.SequenceEntryType)
}

func (m *measure) excess() string {
	switch {
	case len(m.flow)+len(m.block)+m.before > maxDepth:
		return fmt.Sprintf("more than %d levels in each other", maxDepth)
	case crowded(m.flow) || crowded(m.block):
		return fmt.Sprintf("more than %d keys in a group", maxKeys)
	case m.missing > maxMissing:
		return fmt.Sprintf("more than %d values that are missing", maxMissing)
	case m.explicit:
		return "a key with a question mark, which is not supported"
	}
	return ""
}

// placed is the levels of block style that a dash or a key is in. The dashes of
// a list may stand below its key, and belong to it.
func placed(block []level, t *token.Token) []level {
	keys := t.Type != token.SequenceEntryType
	if t.Type == token.MappingValueType && t.Prev != nil {
		t = t.Prev // the key
	}
	column := t.Position.Column
	for ; len(block) > 0; block = block[:len(block)-1] {
		last := block[len(block)-1]
		if last.column == column && last.keys == keys {
			return block
		}
		if last.column < column || last.column == column && last.keys {
			break
		}
	}
	return append(block, level{column: column, keys: keys})
}

func crowded(levels []level) bool {
	if len(levels) == 0 {
		return false
	}
	last := levels[len(levels)-1]
	return last.keys && last.entries > maxKeys
}
