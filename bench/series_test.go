package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestARatioIsTheMedianOfTheRounds(t *testing.T) {
	t.Parallel()
	r := newRow("load", "msg/s", map[string]series{
		nameLinarite:  {100, 300, 90},
		nameMosquitto: {100, 100, 100},
	}, bound{must: 1.5, goal: 2})
	if r.Ratio.Median != 1 || r.Ratio.Low != 0.9 || r.Ratio.High != 3 {
		t.Errorf("the ratio is %+v", *r.Ratio)
	}
	if r.Good || r.verdict() != "MISSED" {
		t.Errorf("a ratio of 1 is good enough for 1.5: %s", r.verdict())
	}
}

func TestBoundsAreKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		b       bound
		value   float64
		verdict string
	}{
		"nothing is demanded":        {bound{}, 1, ""},
		"above a floor":              {bound{must: 1, goal: 3, absolute: true}, 2, "ok"},
		"above the goal":             {bound{must: 1, goal: 3, absolute: true}, 3, "goal"},
		"under a floor":              {bound{must: 1, absolute: true}, 0.9, "MISSED"},
		"under a ceiling":            {bound{must: 2, goal: 1, absolute: true, ceiling: true}, 2, "ok"},
		"above a ceiling":            {bound{must: 2, absolute: true, ceiling: true}, 2.1, "MISSED"},
		"a goal alone is not missed": {bound{goal: 1, absolute: true, ceiling: true}, 2, "ok"},
	} {
		r := newRow("figure", "ms", map[string]series{nameLinarite: {c.value}}, c.b)
		if r.verdict() != c.verdict {
			t.Errorf("%s: the verdict is %q, not %q", name, r.verdict(), c.verdict)
		}
	}
}

func TestAReportIsATableAndADrawing(t *testing.T) {
	t.Parallel()
	r := newReport()
	r.add("a load", "msg/s", map[string]series{nameLinarite: {200, 220}, nameMosquitto: {100, 100}}, bound{must: 1})
	r.addOwn("a wait", "ms", series{7}, bound{must: 5, ceiling: true})
	var table bytes.Buffer
	if err := r.print(&table); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a load", "220 (200–220)", "2.20", "≥ 1×", "MISSED", "≤ 5.00 ms"} {
		if !strings.Contains(table.String(), text) {
			t.Errorf("%q is not in\n%s", text, table.String())
		}
	}
	if r.good() {
		t.Error("a report with a missed figure is good")
	}
	path := filepath.Join(t.TempDir(), "bench.svg")
	if err := r.draw(path); err != nil {
		t.Fatal(err)
	}
	drawing, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(drawing), "2.20× (220 against 100 msg/s)") || strings.Contains(string(drawing), "a wait") {
		t.Errorf("the drawing is\n%s", drawing)
	}
}
