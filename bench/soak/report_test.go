package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// curve is a report of half an hour whose memory does what grow says from the
// reference on.
func curve(grow func(seconds float64) float64) *report {
	r := &report{duration: 30 * time.Minute, tolerance: 0.05}
	for at := 10.; at <= 1800; at += 10 {
		r.Samples = append(r.Samples, sample{
			At: at, Memory: 600 << 20 * grow(max(0, at-600)), Live: 400 << 20, Goroutines: 4000, Files: 2000,
			Appended: 500 * at, Retained: min(500*at, 200_000), Rates: map[string]float64{},
		})
	}
	return r
}

func TestWhatGrowsIsNotGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		grow func(float64) float64
		good bool
	}{
		"it stays":                       {func(float64) float64 { return 1 }, true},
		"it grows by 4 % in 20 minutes":  {func(s float64) float64 { return 1 + 0.04*s/1200 }, true},
		"it grows by 7 % in 20 minutes":  {func(s float64) float64 { return 1 + 0.07*s/1200 }, false},
		"it shrinks by a tenth":          {func(s float64) float64 { return 1 - 0.1*s/1200 }, false},
		"it goes up and down by a tenth": {func(s float64) float64 { return 1 + 0.1*math.Sin(s/5) }, true},
		"it has no figures":              {func(float64) float64 { return math.NaN() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := curve(c.grow)
			r.compare()
			if r.good() != c.good {
				t.Errorf("good is %v: %+v", r.good(), r.Steady)
			}
		})
	}
}

func TestWhatElseIsNotGood(t *testing.T) {
	t.Parallel()
	steady := func(float64) float64 { return 1 }
	for name, spoil := range map[string]func(*report){
		"something is lost":     func(r *report) { r.Lost = 1 },
		"something went wrong":  func(r *report) { r.Errors = 1 },
		"the log was not full":  func(r *report) { r.LogFull = false },
		"goroutines have grown": func(r *report) { r.Steady[2].Good = false },
	} {
		r := curve(steady)
		r.compare()
		if !r.good() {
			t.Fatal("a good run is not good")
		}
		if spoil(r); r.good() {
			t.Errorf("it is good although %s", name)
		}
	}
	r := curve(steady)
	for i := range r.Samples {
		r.Samples[i].Retained = r.Samples[i].Appended
	}
	if r.compare(); r.LogFull {
		t.Error("a log that has dropped nothing was full")
	}
}

func TestThePictureIsXMLAndHasEveryCurve(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "curve.svg")
	if err := curve(func(float64) float64 { return 1 }).draw(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	curves := 0
	for decoder := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
			curves++
		}
	}
	want := 0
	for _, p := range panels {
		want += len(p.lines)
	}
	if curves != want || strings.Contains(string(text), "NaN") {
		t.Errorf("%d of %d curves are drawn", curves, want)
	}
}
