package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
)

// form is how a verb answers: for people on a terminal, in JSON elsewhere.
type form struct {
	json, table bool
}

func (f *form) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.json, "json", false, "answer in JSON, as into a pipe")
	cmd.Flags().BoolVar(&f.table, "table", false, "answer for people, as on a terminal")
	cmd.MarkFlagsMutuallyExclusive("json", "table")
}

// people says whether they are who reads.
func (p *program) people(f form) bool { return f.table || !f.json && terminal(p.out) }

// terminal says whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// document writes a JSON document, indented.
func (p *program) document(doc []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(doc), "", "  "); err != nil {
		return fmt.Errorf("the hub's answer is not JSON: %w", err)
	}
	fmt.Fprintln(p.out, out.String())
	return nil
}

// with is a JSON object with one more member at its end.
func with(object []byte, name string, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	head, closed := bytes.CutSuffix(bytes.TrimSpace(object), []byte("}"))
	if !closed {
		return nil, errors.New("the hub's answer is no JSON object")
	}
	return fmt.Appendf(bytes.Clone(head), ",%q:%s}", name, text), nil
}

// table writes rows in columns.
func table(w io.Writer, rows [][]string) {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // to memory
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// readable is a text from a device on one line of a terminal: what does not
// print is written as an escape, and what is longer than limit is cut.
func readable(text string, limit int) string {
	var out strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > limit {
			fmt.Fprintf(&out, "… (%d bytes)", len(text))
			break
		}
		if unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		out.WriteString(quoted[1 : len(quoted)-1])
	}
	return out.String()
}
