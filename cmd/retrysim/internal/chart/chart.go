// Package chart draws what the command found out: the attempts of a call, the
// bounds of a schedule, load over time, policies against one another. Each
// chart can be drawn as text for a terminal and as a picture.
package chart

import (
	"bytes"
	"image/color"
	"io"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is a picture of numbers.
type Chart interface {
	// Caption says in a few words what is drawn.
	Caption() string
	// plot returns the picture for a paper of some width.
	plot(width vg.Length) picture
	// height is that of the picture.
	height() vg.Length
}

// picture is a plot with its legend, which stands below it: inside it would hide
// what it explains.
type picture struct {
	*plot.Plot
	legend []entry
}

type entry struct {
	name string
	plot.Thumbnailer
}

func (p *picture) explain(name string, t plot.Thumbnailer) {
	p.legend = append(p.legend, entry{name, t})
}

// draw draws the picture. The legend takes as many lines as it needs.
func (p picture) draw(c draw.Canvas) {
	const line, thumb, gap = 15, 16, 14
	style := p.Legend.TextStyle
	style.YAlign = text.YCenter
	width := c.Max.X - c.Min.X - 40
	var lines [][]entry
	room := vg.Length(-1)
	for _, e := range p.legend {
		need := thumb + 5 + legendWidth(style, e.name) + gap
		if need > room {
			lines, room = append(lines, nil), width
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], e)
		room -= need
	}
	below := vg.Length(len(lines))*line + 4
	p.Plot.Draw(draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: c.Min.X, Y: c.Min.Y + below}, Max: c.Max}})
	for i, row := range lines {
		x, y := c.Min.X+20, c.Min.Y+below-line*vg.Length(i)-line/2-4
		for _, e := range row {
			part := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: x, Y: y - 5}, Max: vg.Point{X: x + thumb, Y: y + 5}}}
			e.Thumbnail(&part)
			c.FillText(style, vg.Point{X: x + thumb + 5, Y: y}, e.name)
			x += thumb + 5 + legendWidth(style, e.name) + gap
		}
	}
}

// legendWidth is how much room a name gets: more than the library's font takes,
// for a browser may show the picture in a wider one.
func legendWidth(style text.Style, name string) vg.Length { return style.Width(name) * 1.15 }

// The colours of Okabe and Ito (2008), which people who are colour-blind can
// tell apart.
var (
	blue       = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	vermillion = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	green      = color.RGBA{0x00, 0x9e, 0x73, 0xff}
	orange     = color.RGBA{0xe6, 0x9f, 0x00, 0xff}
	purple     = color.RGBA{0xcc, 0x79, 0xa7, 0xff}
	sky        = color.RGBA{0x56, 0xb4, 0xe9, 0xff}
	grey       = color.RGBA{0x88, 0x88, 0x88, 0xff}
	shade      = color.RGBA{0x88, 0x88, 0x88, 0x38}
)

// palette is what lines are drawn with, in their order.
var palette = []color.RGBA{blue, vermillion, green, orange, purple, sky}

// Colors returns the colour of each line, as CSS has it.
func Colors(lines []Line) []string {
	var out []string
	for _, c := range colours(lines) {
		out = append(out, css(c))
	}
	return out
}

// colours returns the colour of each line: a dashed line belongs to the one
// before it.
func colours(lines []Line) []color.RGBA {
	var out []color.RGBA
	next := 0
	for i, l := range lines {
		if !l.Dashed || i == 0 {
			next++
		}
		out = append(out, palette[(next-1)%len(palette)])
	}
	return out
}

func css(c color.RGBA) string {
	const digits = "0123456789abcdef"
	out := []byte{'#'}
	for _, b := range []uint8{c.R, c.G, c.B} {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

// Wide and Narrow are the widths of a picture, in points.
const (
	Wide   = 760
	Narrow = 360
)

// newPlot returns an empty picture in the house's look. Its background is
// clear: the page behind it is light or dark.
func newPicture(c Chart) picture {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text = c.Caption()
	p.Title.Padding = 6
	sans := func(s *text.Style, size float64) {
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: font.Length(size)}
	}
	sans(&p.Title.TextStyle, 12)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		sans(&a.Label.TextStyle, 10)
		sans(&a.Tick.Label, 10)
		a.LineStyle.Color, a.Tick.LineStyle.Color = grey, grey
	}
	sans(&p.Legend.TextStyle, 10)
	return picture{Plot: p}
}

// onto draws the charts below one another.
func onto(c draw.Canvas, width vg.Length, charts []Chart) {
	top := c.Max.Y
	for _, ch := range charts {
		h := ch.height()
		part := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: c.Min.X + 6, Y: top - h + 4}, Max: vg.Point{X: c.Max.X - 12, Y: top - 6},
		}}
		ch.plot(width).draw(part)
		top -= h
	}
}

func total(charts []Chart) vg.Length {
	var h vg.Length
	for _, c := range charts {
		h += c.height()
	}
	return h
}

// SVG writes the charts below one another as one picture of some width in
// points. Black is drawn as the current colour, so that a page can set it.
func SVG(w io.Writer, width int, charts ...Chart) error {
	wide := vg.Length(width)
	c := vgsvg.New(wide, total(charts))
	onto(draw.New(c), wide, charts)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	_, err := io.WriteString(w, tidy(b.String()))
	return err
}

// tidy replaces what the library writes about fonts and colours that fits no
// page but a white one with its fonts installed.
func tidy(svg string) string {
	svg = strings.NewReplacer(
		"font-family:Liberation Sans;font-variant:Sans;", "font-family:system-ui,'Liberation Sans',sans-serif;",
		"font-family:Liberation Sans;", "font-family:system-ui,'Liberation Sans',sans-serif;",
		"fill:#000000", "fill:currentColor", "stroke:#000000", "stroke:currentColor",
	).Replace(svg)
	// The default fill of a text is black, which is not written at all.
	return strings.Replace(svg, "<svg ", `<svg fill="currentColor" `, 1)
}

// PNG writes the charts below one another on white, at twice the size, for
// sharp screens.
func PNG(w io.Writer, width int, charts ...Chart) error {
	wide := vg.Length(width)
	c := vgimg.NewWith(vgimg.UseWH(wide, total(charts)), vgimg.UseDPI(144), vgimg.UseBackgroundColor(color.White))
	onto(draw.New(c), wide, charts)
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

// span labels an axis with durations. Its ticks are round: 1, 2 or 5 of a unit
// that people count in.
type span struct{ most int }

// text writes a number of seconds.
func (span) text(v float64) string { return label(time.Duration(v*1e9 + .5)) }

// Ticks implements [plot.Ticker] for an axis in seconds.
func (s span) Ticks(lo, hi float64) []plot.Tick {
	step := roundStep((hi - lo) / float64(s.most))
	var ticks []plot.Tick
	for i := 0; float64(i)*step <= hi*1.0001; i++ {
		at := float64(i) * step
		d := time.Duration(at*1e9 + .5)
		ticks = append(ticks, plot.Tick{Value: at, Label: label(d)})
	}
	return ticks
}

// roundStep returns the next round number of seconds.
func roundStep(least float64) float64 {
	for unit := 1e-9; unit < 1; unit *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if n*unit >= least {
				return n * unit
			}
		}
	}
	for _, n := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200} {
		if n >= least {
			return n
		}
	}
	days := 86400.0
	for days < least {
		days *= 2
	}
	return days
}

// label writes a round duration without the zeros of its smaller units: 1m, not
// 1m0s.
func label(d time.Duration) string {
	s := d.Round(time.Nanosecond).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func seconds(d time.Duration) float64 { return d.Seconds() }
