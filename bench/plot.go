package main

import (
	"fmt"
	"html"
	"os"
	"strings"
)

// Measures of the drawing, in pixels.
const (
	barHeight = 22
	labelEnd  = 330
	barWidth  = 300
	unitEnd   = 860
)

// draw writes the ratios to Mosquitto as an SVG: a bar for each figure that is
// better when it is higher, with a line at 1, which is Mosquitto.
func (r *report) draw(path string) error {
	var rows []row
	longest := 1.0
	for _, one := range r.Rows {
		if one.Ratio != nil && strings.HasSuffix(one.Unit, "/s") {
			rows = append(rows, one)
			longest = max(longest, one.Ratio.High)
		}
	}
	height := (len(rows) + 2) * (barHeight + 6)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", unitEnd, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="10" y="18" font-weight="bold">Linarite over Mosquitto, same run, same %d cores</text>`+"\n", r.Cores)
	scale := barWidth / longest
	for i, one := range rows {
		y := (i + 1) * (barHeight + 6)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelEnd-8, y+15, html.EscapeString(one.Name))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.0f" height="%d" fill="#3b5aa6"/>`, labelEnd, y, one.Ratio.Median*scale, barHeight)
		fmt.Fprintf(&b, `<line x1="%[1]d" y1="%[3]d" x2="%[2]d" y2="%[3]d" stroke="#f0a030" stroke-width="2"/>`,
			labelEnd+int(one.Ratio.Low*scale), labelEnd+int(one.Ratio.High*scale), y+barHeight/2)
		fmt.Fprintf(&b, `<text x="%d" y="%d">%.2f× (%s against %s %s)</text>`+"\n", labelEnd+int(one.Ratio.High*scale)+8, y+15, one.Ratio.Median,
			figure(one.Figures[nameLinarite].Median), figure(one.Figures[nameMosquitto].Median), html.EscapeString(one.Unit))
	}
	at := labelEnd + int(scale)
	fmt.Fprintf(&b, `<line x1="%[1]d" y1="24" x2="%[1]d" y2="%[2]d" stroke="#a33" stroke-dasharray="4 3"/><text x="%[1]d" y="%[3]d" text-anchor="middle" fill="#a33">1×</text>`+"\n</svg>\n",
		at, height-24, height-8)
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
