package chart

import (
	"image/color"
	"strings"
	"time"

	"gonum.org/v1/plot/vg"
)

// Bands shows when each attempt of a schedule begins: from the earliest to the
// latest, with the middle nine tenths and the median.
type Bands struct {
	Title    string
	Rows     []Band
	Deadline time.Duration // 0: none
}

// Band is the distribution of one moment.
type Band struct {
	Label                  string
	Min, P5, P50, P95, Max time.Duration
}

var _ Chart = Bands{}

// Caption returns the title.
func (b Bands) Caption() string { return b.Title }

func (b Bands) height() vg.Length { return rowsHeight(len(b.Rows)) }

func (b Bands) end() time.Duration {
	end := b.Deadline
	for _, r := range b.Rows {
		end = max(end, r.Max)
	}
	return end
}

// Axis returns the head of the column of [Bands.Cell].
func (b Bands) Axis(width int) string { return axis(b.end(), width) }

// Cell returns one row in so many columns: dots between the bounds, a bar from
// P5 to P95, a block at the median, a line at the deadline.
func (b Bands) Cell(row, width int) string {
	r := b.Rows[row]
	line := blank(width)
	fill := func(from, to time.Duration, mark rune) {
		for i := column(from, b.end(), width); i <= column(to, b.end(), width); i++ {
			line[i] = mark
		}
	}
	fill(r.Min, r.Max, '·')
	fill(r.P5, r.P95, '━')
	fill(r.P50, r.P50, '█')
	if b.Deadline > 0 {
		if i := column(b.Deadline, b.end(), width); line[i] != '█' {
			line[i] = '│'
		}
	}
	return strings.TrimRight(string(line), " ")
}

func (b Bands) plot(width vg.Length) picture {
	p := newPicture(b)
	labels := make([]string, len(b.Rows))
	var rects rectangles
	pale := color.RGBA{0x3a, 0x8d, 0xbd, 0x50}
	for i, r := range b.Rows {
		y := float64(len(b.Rows) - 1 - i)
		labels[len(b.Rows)-1-i] = r.Label
		thin := max(seconds(b.end())/400, 1e-12)
		rects = append(rects,
			rectangle{seconds(r.Min), seconds(r.Max), y - .14, y + .14, pale},
			rectangle{seconds(r.P5), seconds(r.P95), y - .26, y + .26, blue},
			rectangle{seconds(r.P50) - thin, seconds(r.P50) + thin, y - .38, y + .38, orange},
		)
	}
	p.Add(rects)
	mark(&p, b.Deadline, "deadline", len(b.Rows))
	rowAxes(p.Plot, labels, b.end(), width)
	p.explain("min to max", patch(pale))
	p.explain("p5 to p95", patch(blue))
	p.explain("median", patch(orange))
	return p
}
