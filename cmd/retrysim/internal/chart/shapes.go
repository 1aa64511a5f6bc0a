package chart

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The shapes that the library has no plotter for.

// rectangle is a filled area in the units of the axes. One without a width is
// drawn a point wide.
type rectangle struct {
	x0, x1, y0, y1 float64
	fill           color.RGBA
}

type rectangles []rectangle

var _ plot.Plotter = rectangles(nil)

func (rs rectangles) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, r := range rs {
		left, right := x(r.x0), x(r.x1)
		if right-left < 1.5 {
			right = left + 1.5
		}
		c.FillPolygon(straight(r.fill), c.ClipPolygonXY([]vg.Point{{X: left, Y: y(r.y0)}, {X: right, Y: y(r.y0)}, {X: right, Y: y(r.y1)}, {X: left, Y: y(r.y1)}}))
	}
}

// straight returns a colour given without premultiplied alpha.
func straight(c color.RGBA) color.Color { return color.NRGBA(c) }

// upright is a dashed line at x.
type upright struct{ x, lo, hi float64 }

var _ plot.Plotter = upright{}

func (u upright) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	c.StrokeLine2(draw.LineStyle{Color: purple, Width: 1.5, Dashes: dashes}, x(u.x), y(u.lo), x(u.x), y(u.hi))
}

// patch is a filled square in a legend.
type patch color.RGBA

var _ plot.Thumbnailer = patch{}

func (f patch) Thumbnail(c *draw.Canvas) {
	mid := (c.Min.Y + c.Max.Y) / 2
	c.FillPolygon(straight(color.RGBA(f)), []vg.Point{{X: c.Min.X, Y: mid - 4}, {X: c.Max.X, Y: mid - 4}, {X: c.Max.X, Y: mid + 4}, {X: c.Min.X, Y: mid + 4}})
}

// stroke is a line in a legend.
type stroke struct{ draw.LineStyle }

var _ plot.Thumbnailer = stroke{}

func (s stroke) Thumbnail(c *draw.Canvas) {
	mid := (c.Min.Y + c.Max.Y) / 2
	c.StrokeLine2(s.LineStyle, c.Min.X, mid, c.Max.X, mid)
}
