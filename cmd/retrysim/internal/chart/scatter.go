package chart

import (
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
