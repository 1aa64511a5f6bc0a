package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/guptarohit/asciigraph"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lines shows numbers over time, or over another number: load and goodput,
// policies overlaid, a staircase up and down.
type Lines struct {
	Title  string  `json:"title"`
	XLabel string  `json:"x_label"` // of a number; "" means time, in seconds
	YLabel string  `json:"y_label"`
	Lines  []Line  `json:"lines"`
	Faults []Fault `json:"faults"` // shaded
	Levels []Level `json:"levels"` // dashed
	// Picture says that it is drawn as a picture only: a terminal has other
	// charts to show.
	Picture bool `json:"-"`
}

// Line is one curve.
type Line struct {
	Name   string    `json:"name"`
	X      []float64 `json:"x"`
	Y      []float64 `json:"y"`      // as many
	Dashed bool      `json:"dashed"` // it has the colour of the line before it
}

// Fault is a stretch of the x axis in which something is wrong.
type Fault struct {
	Name string  `json:"name"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Level is a number on the y axis that means something.
type Level struct {
	Name string  `json:"name"`
	Y    float64 `json:"y"`
}

var _ Chart = Lines{}

// Caption returns the title.
func (l Lines) Caption() string { return l.Title }

func (l Lines) height() vg.Length {
	return 240 + 14*vg.Length(len(l.Lines)+len(l.Faults)+len(l.Levels))
}

// bounds returns the range of x and the largest y.
func (l Lines) bounds() (lo, hi, top float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range l.Lines {
		for i := range s.X {
			lo, hi, top = min(lo, s.X[i]), max(hi, s.X[i]), max(top, s.Y[i])
		}
	}
	for _, v := range l.Levels {
		top = max(top, v.Y)
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	if top == 0 {
		top = 1
	}
	return lo, hi, top
}

// Text draws the lines for a terminal: in each column the largest value, for
// the peaks are what matters.
func (l Lines) Text(s tty.Style) string {
	if l.Picture {
		return ""
	}
	lo, hi, top := l.bounds()
	const margin = 10
	width := max(min(s.Width, 110)-margin-2, 20)
	var data [][]float64
	var names []string
	for _, line := range l.Lines {
		data = append(data, line.columns(lo, hi, width, l.XLabel != ""))
		names = append(names, line.Name)
	}
	for _, v := range l.Levels {
		flat := make([]float64, width)
		for i := range flat {
			flat[i] = v.Y
		}
		data, names = append(data, flat), append(names, v.Name)
	}
	options := []asciigraph.Option{
		asciigraph.Height(12), asciigraph.Width(width), asciigraph.LowerBound(0), asciigraph.UpperBound(top),
		asciigraph.YAxisValueFormatter(func(v float64) string {
			text := tty.Group(int64(math.Round(v)))
			if top < 24 { // whole numbers would stand there twice
				text = strconv.FormatFloat(v, 'f', 1, 64)
			}
			return fmt.Sprintf("%*s", margin-3, text)
		}),
	}
	colours := []asciigraph.AnsiColor{asciigraph.Blue, asciigraph.Red, asciigraph.Green, asciigraph.Yellow, asciigraph.Magenta, asciigraph.Cyan}
	chars := []string{"█", "▒", "·", "░", "─", "╌"}
	var sets []asciigraph.CharSet
	var used []asciigraph.AnsiColor
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", l.Title)
	for i, name := range names {
		char := chars[i%len(chars)]
		if i >= len(l.Lines) {
			char = "╌"
		}
		sets = append(sets, asciigraph.CreateCharSet(char))
		used = append(used, colours[i%len(colours)])
		fmt.Fprintf(&b, "  %s %s", char, tty.Safe(name))
	}
	b.WriteString("\n")
	options = append(options, asciigraph.SeriesChars(sets...))
	if s.Color {
		options = append(options, asciigraph.SeriesColors(used...))
	}
	graph := asciigraph.PlotMany(data, options...)
	for line := range strings.Lines(graph) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	l.writeAxis(&b, lo, hi, width, margin)
	return b.String()
}

// writeAxis writes the x axis: the faults as heavy pieces, both ends and the
// faults' names below.
func (l Lines) writeAxis(b *strings.Builder, lo, hi float64, width, margin int) {
	line := []rune(strings.Repeat("─", width))
	at := func(x float64) int { return max(min(int((x-lo)/(hi-lo)*float64(width)), width-1), 0) }
	var said []string
	for _, f := range l.Faults {
		for i := at(f.From); i <= at(f.To); i++ {
			line[i] = '━'
		}
		said = append(said, fmt.Sprintf("━ %s, %s to %s", tty.Safe(f.Name), l.x(f.From), l.x(f.To)))
	}
	fmt.Fprintf(b, "%*s%s\n", margin, "└", string(line))
	from, to := l.x(lo), l.x(hi)
	fmt.Fprintf(b, "%*s%s%*s\n", margin, "", from, width-len([]rune(from)), to)
	if len(said) > 0 {
		fmt.Fprintf(b, "%*s%s\n", margin, "", strings.Join(said, "   "))
	}
}

// x writes a number of the x axis.
func (l Lines) x(v float64) string {
	if l.XLabel == "" {
		return span{}.text(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// columns samples the line in so many columns, the largest value of each. A
// column that no point falls into continues the one before, as an interval of
// time does, or else lies straight between its neighbours. Beyond its ends there
// is no line.
func (l Line) columns(lo, hi float64, width int, straight bool) []float64 {
	out, after := make([]float64, width), make([]float64, width) // after: how the column ends
	seen := make([]bool, width)
	for i, x := range l.X {
		c := width - 1
		if hi > lo {
			c = min(int((x-lo)/(hi-lo)*float64(width)), width-1)
		}
		if !seen[c] || l.Y[i] > out[c] {
			out[c], seen[c] = l.Y[i], true
		}
		after[c] = l.Y[i]
	}
	last := -1
	for i := range out {
		if !seen[i] {
			continue
		}
		for k := last + 1; k < i; k++ {
			switch {
			case last < 0:
				out[k] = math.NaN()
			case straight:
				out[k] = after[last] + (out[i]-after[last])*float64(k-last)/float64(i-last)
			default:
				out[k] = after[last]
			}
		}
		last = i
	}
	for k := last + 1; k < width; k++ {
		out[k] = math.NaN()
	}
	return out
}

// maxPoints is how many points of a line a picture keeps.
const maxPoints = 2000

// Reduce returns the line with at most so many points: of each of the pieces
// the smallest and the largest value, never a mean, so that no peak is lost.
func (l Line) Reduce(most int) Line {
	n := len(l.X)
	if n <= most || most < 4 {
		return l
	}
	out := Line{Name: l.Name, Dashed: l.Dashed}
	pieces := most / 2
	for k := range pieces {
		from, to := k*n/pieces, (k+1)*n/pieces
		lo, hi := from, from
		for i := from; i < to; i++ {
			if l.Y[i] < l.Y[lo] {
				lo = i
			}
			if l.Y[i] > l.Y[hi] {
				hi = i
			}
		}
		for _, i := range []int{min(lo, hi), max(lo, hi)} {
			out.X, out.Y = append(out.X, l.X[i]), append(out.Y, l.Y[i])
		}
	}
	return out
}

func (l Lines) plot(width vg.Length) picture {
	p := newPicture(l)
	lo, hi, top := l.bounds()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = lo, hi, 0, top*1.05
	p.X.Label.Text, p.Y.Label.Text = l.XLabel, l.YLabel
	if l.XLabel == "" {
		p.X.Tick.Marker = span{most: int(width / 70)}
	}
	p.Y.Tick.Marker = numbers{}
	var shades rectangles
	for _, f := range l.Faults {
		shades = append(shades, rectangle{f.From, f.To, 0, top * 1.05, shade})
	}
	p.Add(shades)
	grid := plotter.NewGrid()
	grid.Vertical.Width, grid.Horizontal.Color = 0, straight(shade)
	p.Add(grid)
	inks := colours(l.Lines)
	for i, line := range l.Lines {
		line = line.Reduce(maxPoints)
		points := make(plotter.XYs, len(line.X))
		for k := range points {
			points[k] = plotter.XY{X: line.X[k], Y: line.Y[k]}
		}
		if len(points) == 0 {
			continue
		}
		style := draw.LineStyle{Color: inks[i], Width: 1.6}
		if line.Dashed {
			style.Dashes = dashes
		}
		p.Add(&plotter.Line{XYs: points, LineStyle: style})
		p.explain(line.Name, stroke{style})
	}
	for _, v := range l.Levels {
		style := draw.LineStyle{Color: grey, Width: 1.2, Dashes: dashes}
		p.Add(&plotter.Line{XYs: plotter.XYs{{X: lo, Y: v.Y}, {X: hi, Y: v.Y}}, LineStyle: style})
		p.explain(v.Name, stroke{style})
	}
	for _, f := range l.Faults {
		p.explain(f.Name, patch(shade))
	}
	return p
}

// numbers labels an axis with whole numbers where the library would write
// exponents.
type numbers struct{}

// Ticks implements [plot.Ticker].
func (numbers) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	for i := range ticks {
		if v := ticks[i].Value; ticks[i].Label != "" && v == math.Trunc(v) {
			ticks[i].Label = tty.Group(int64(v))
		}
	}
	return ticks
}
