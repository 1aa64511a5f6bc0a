package chart

import (
	"image/color"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Gantt shows what a call spent its time on, a row for each attempt.
type Gantt struct {
	Title    string
	Rows     []Row
	Deadline time.Duration // 0: none
}

// Row is one attempt.
type Row struct {
	Label string
	Bars  []Bar
}

// Bar is a piece of time.
type Bar struct {
	From, To time.Duration
	Kind     Kind
}

// Kind says what went on in it.
type Kind int

// The kinds of bars.
const (
	Failed    Kind = iota // an attempt that failed
	Waited                // a wait
	Succeeded             // an attempt that succeeded, its stream included
)

var _ Chart = Gantt{}

// Caption returns the title.
func (g Gantt) Caption() string { return g.Title }

func (g Gantt) height() vg.Length { return rowsHeight(len(g.Rows)) }

func rowsHeight(n int) vg.Length { return 78 + 18*vg.Length(n) }

// end is the time of the last thing shown.
func (g Gantt) end() time.Duration {
	end := g.Deadline
	for _, r := range g.Rows {
		for _, b := range r.Bars {
			end = max(end, b.To)
		}
	}
	return end
}

// Axis returns the head of the column of [Gantt.Cell].
func (g Gantt) Axis(width int) string { return axis(g.end(), width) }

// axis is the line above the bars: it begins at 0s and ends at the end.
func axis(end time.Duration, width int) string {
	from, to := "0s ", " "+tty.Span(end)
	return from + strings.Repeat("─", max(width-len([]rune(from))-len([]rune(to)), 1)) + to
}

// Cell returns one row in so many columns. Whatever lasts at all is seen.
func (g Gantt) Cell(row, width int) string {
	line := blank(width)
	for _, b := range g.Rows[row].Bars {
		mark := '█'
		if b.Kind == Waited {
			mark = '·'
		}
		from, to := column(b.From, g.end(), width), column(b.To, g.end(), width)
		if b.Kind == Waited && from == to && from < width-1 {
			continue
		}
		for i := from; i <= max(to-1, from); i++ {
			if line[i] != '█' {
				line[i] = mark
			}
		}
	}
	if g.Deadline > 0 {
		if i := column(g.Deadline, g.end(), width); line[i] == ' ' {
			line[i] = '│'
		}
	}
	return strings.TrimRight(string(line), " ")
}

func blank(width int) []rune { return []rune(strings.Repeat(" ", width)) }

// column returns the column of a moment.
func column(at, end time.Duration, width int) int {
	if end <= 0 {
		return 0
	}
	return min(int(float64(at)/float64(end)*float64(width)), width-1)
}

func (g Gantt) plot(width vg.Length) picture {
	p := newPicture(g)
	labels := make([]string, len(g.Rows))
	var rects rectangles
	colours := []color.RGBA{Failed: vermillion, Waited: {0x88, 0x88, 0x88, 0x60}, Succeeded: green}
	for i, r := range g.Rows {
		y := float64(len(g.Rows) - 1 - i) // the first is on top
		labels[len(g.Rows)-1-i] = r.Label
		for _, b := range r.Bars {
			half := .32
			if b.Kind == Waited {
				half = .1
			}
			rects = append(rects, rectangle{seconds(b.From), seconds(b.To), y - half, y + half, colours[b.Kind]})
		}
	}
	p.Add(rects)
	mark(&p, g.Deadline, "deadline", len(g.Rows))
	rowAxes(p.Plot, labels, g.end(), width)
	p.explain("failed", patch(vermillion))
	p.explain("waited", patch(colours[Waited]))
	p.explain("succeeded", patch(green))
	return p
}

// rowAxes sets the axes of a picture with a row for each label.
func rowAxes(p *plot.Plot, labels []string, end time.Duration, width vg.Length) {
	p.NominalY(labels...)
	p.Y.Min, p.Y.Max = -.6, float64(len(labels))-.4
	p.Y.Tick.LineStyle.Width = 0
	p.X.Min, p.X.Max = 0, max(seconds(end), 1e-9)*1.02
	p.X.Tick.Marker = span{most: int(width / 70)}
}

// mark draws a line across the rows at a moment, if there is one.
func mark(p *picture, at time.Duration, name string, rows int) {
	if at == 0 {
		return
	}
	x := seconds(at)
	p.Add(upright{x: x, lo: -.6, hi: float64(rows) - .4})
	p.explain(name, stroke{draw.LineStyle{Color: purple, Width: 1.5, Dashes: dashes}})
}

var dashes = []vg.Length{4, 3}
