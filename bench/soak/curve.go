package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// The picture: panels one below the other, in pixels.
const (
	pictureWidth = 860
	panelHeight  = 170
	plotLeft     = 70
	plotWidth    = 620
	plotTop      = 26
	plotHeight   = 110
)

// line is one curve of a panel.
type line struct {
	name, colour string
	of           func(*sample) float64
}

// panel is curves that share an axis.
type panel struct {
	title string
	lines []line
}

// The colours of lines, first, second, third.
const (
	blue   = "#1f4e9c"
	orange = "#d07a1b"
	green  = "#3a8a4d"
)

// panels are what is drawn.
var panels = []panel{
	{"memory, MB", []line{
		{"resident", blue, func(s *sample) float64 { return s.Memory / (1 << 20) }},
		{"live heap", orange, func(s *sample) float64 { return s.Live / (1 << 20) }},
	}},
	{"goroutines and connections", []line{
		{"goroutines", blue, func(s *sample) float64 { return s.Goroutines }},
		{"descriptors", orange, func(s *sample) float64 { return s.Files }},
		{"devices connected", green, func(s *sample) float64 { return s.Connected }},
	}},
	{"a second", []line{
		{"telemetry", blue, func(s *sample) float64 {
			return s.Rates[countNames[sentQoS0]] + s.Rates[countNames[sentQoS1]]
		}},
		{"read over AMQP", orange, func(s *sample) float64 { return s.Rates[countNames[readAMQP]] }},
		{"read over HTTP", green, func(s *sample) float64 { return s.Rates[countNames[readHTTP]] }},
	}},
	{"a second", []line{
		{"messages received", blue, func(s *sample) float64 { return s.Rates[countNames[messagesReceived]] }},
		{"methods answered", orange, func(s *sample) float64 { return s.Rates[countNames[calls]] }},
		{"connections", green, func(s *sample) float64 { return s.Rates[countNames[connects]] }},
	}},
	{"cores", []line{
		{"hub", blue, func(s *sample) float64 { return s.HubCores }},
		{"generator", orange, func(s *sample) float64 { return s.OwnCores }},
		{"others", green, func(s *sample) float64 { return s.Foreign }},
	}},
}

// draw writes the picture.
func (r *report) draw(path string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		pictureWidth, panelHeight*len(panels)+20)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	for i, p := range panels {
		r.panel(&b, p, i*panelHeight)
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// panel draws one panel, whose axis begins at 0.
func (r *report) panel(b *bytes.Buffer, p panel, top int) {
	most := 0.
	for _, l := range p.lines {
		for i := range r.Samples {
			most = max(most, l.of(&r.Samples[i]))
		}
	}
	most = max(1.1*most, 1e-9)
	x := func(seconds float64) float64 { return plotLeft + plotWidth*seconds/r.duration.Seconds() }
	y := func(v float64) float64 { return float64(top) + plotTop + plotHeight*(1-v/most) }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", plotLeft, top+18, p.title)
	for i := range 5 {
		v := most * float64(i) / 4
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.4g</text>`+"\n",
			plotLeft, plotLeft+plotWidth, y(v), y(v), plotLeft-6, y(v)+4, v)
	}
	for i := range 7 {
		seconds := r.duration.Seconds() * float64(i) / 6
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%.4g min</text>`+"\n", x(seconds), top+plotTop+plotHeight+15, seconds/60)
	}
	at := x(r.duration.Seconds() / referenceShare)
	fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#999" stroke-dasharray="4 3"/>`+"\n", at, at, top+plotTop, top+plotTop+plotHeight)
	for i, l := range p.lines {
		var points strings.Builder
		for j := range r.Samples {
			fmt.Fprintf(&points, "%.1f,%.1f ", x(r.Samples[j].At), y(l.of(&r.Samples[j])))
		}
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.4" points="%s"/>`+"\n", l.colour, strings.TrimSpace(points.String()))
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", plotLeft+plotWidth+12, top+plotTop+14+16*i, l.colour, l.name)
	}
}
