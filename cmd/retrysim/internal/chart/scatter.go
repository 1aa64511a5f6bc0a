package chart

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Scatter shows policies by two numbers, and a third as the size of the dot:
// success against amplification, and p99.
type Scatter struct {
	Title, XLabel, YLabel string
	Dots                  []Dot
}

// Dot is one policy.
type Dot struct {
	Name       string
	X, Y       float64
	Size       float64 // from 0 to 1
	OnTheFront bool    // no other policy is better in both
}

var _ Chart = Scatter{}

// Caption returns the title.
func (s Scatter) Caption() string { return s.Title }

// The size of the text, in characters.
const (
	scatterRows   = 8
	scatterMargin = 10
)

// Text draws the dots for a terminal: a letter each, explained below.
func (s Scatter) Text(style tty.Style) string {
	if len(s.Dots) == 0 || len(s.Dots) > 26 {
		return ""
	}
	width := max(min(style.Width, 110)-scatterMargin-2, 20)
	xs, ys := make([]float64, len(s.Dots)), make([]float64, len(s.Dots))
	for i, d := range s.Dots {
		xs[i], ys[i] = d.X, d.Y
	}
	loX, hiX := room(xs)
	loY, hiY := room(ys)
	grid := make([][]rune, scatterRows)
	for i := range grid {
		grid[i] = []rune(strings.Repeat(" ", width))
	}
	for i, d := range s.Dots {
		col := min(int((d.X-loX)/(hiX-loX)*float64(width)), width-1)
		row := scatterRows - 1 - min(int((d.Y-loY)/(hiY-loY)*scatterRows), scatterRows-1)
		for col < width-1 && grid[row][col] != ' ' {
			col++ // beside the one that is there
		}
		grid[row][col] = letter(i)
	}
	var b strings.Builder
	title, _, _ := strings.Cut(s.Title, ";") // the sizes of the dots are left out
	fmt.Fprintf(&b, "%s\n", title)
	for i, row := range grid {
		label := ""
		switch i {
		case 0:
			label = number(hiY)
		case scatterRows - 1:
			label = number(loY)
		case scatterRows / 2:
			label = number((loY + hiY) / 2)
		}
		fmt.Fprintf(&b, "%*s %s\n", scatterMargin-2, label, strings.TrimRight("┤"+string(row), " "))
	}
	fmt.Fprintf(&b, "%*s%s\n", scatterMargin, "└", strings.Repeat("─", width))
	from, to := number(loX), number(hiX)
	fmt.Fprintf(&b, "%*s%s%*s\n", scatterMargin, "", from, width-len(from), to)
	fmt.Fprintf(&b, "%*s%s against %s\n", scatterMargin, "", s.YLabel, s.XLabel)
	for i, d := range s.Dots {
		note := ""
		if !d.OnTheFront {
			note = " (another is better)"
		}
		fmt.Fprintf(&b, "%*s%c %s%s\n", scatterMargin, "", letter(i), tty.Safe(d.Name), note)
	}
	return b.String()
}

func letter(i int) rune { return rune('A' + i) }

// room returns bounds with some room beside the numbers.
func room(values []float64) (lo, hi float64) {
	lo, hi = slices.Min(values), slices.Max(values)
	margin := max((hi-lo)*.08, math.Abs(hi)*.01, .01)
	return lo - margin, hi + margin
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func (s Scatter) height() vg.Length { return 300 + 14*vg.Length(len(s.Dots)) }

func (s Scatter) plot(vg.Length) picture {
	p := newPicture(s)
	p.X.Label.Text, p.Y.Label.Text = s.XLabel, s.YLabel
	p.Y.Tick.Marker = numbers{}
	for i, d := range s.Dots {
		style := draw.GlyphStyle{Color: palette[i%len(palette)], Radius: vg.Length(4 + 8*min(max(d.Size, 0), 1)), Shape: draw.CircleGlyph{}}
		name := d.Name
		if !d.OnTheFront {
			style.Shape = draw.RingGlyph{}
			name += " (another is better)"
		}
		dot := &plotter.Scatter{XYs: plotter.XYs{{X: d.X, Y: d.Y}}, GlyphStyle: style}
		p.Add(dot)
		small := style
		small.Radius = 4
		p.explain(name, &plotter.Scatter{GlyphStyle: small})
	}
	// A dot at the edge is seen whole.
	mx, my := max((p.X.Max-p.X.Min)*.08, .05), max((p.Y.Max-p.Y.Min)*.1, .01)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = p.X.Min-mx, p.X.Max+mx, p.Y.Min-my, p.Y.Max+my
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = straight(shade), straight(shade)
	p.Add(grid)
	return p
}
