package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
)

// The parts of the page. It is readable without scripts and asks for nothing
// from anywhere.
var (
	//go:embed page/page.html
	pageText string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string
	// uPlot is under the MIT licence, which is beside it.
	//
	//go:embed page/uplot/uPlot.iife.min.js
	uPlotScript string
	//go:embed page/uplot/uPlot.min.css
	uPlotStyle string
	//go:embed page/uplot/LICENSE
	uPlotLicence string
)

// page is what the template shows.
type page struct {
	Version, Kind, Title  string
	Mark, Symbol, Verdict string
	Figures               []figure
	Tables                []pageTable
	Notes                 []string
	Checks                []pageCheck
	Hints                 []Hint
	Command               string
	Style                 template.CSS
	Data, Live            template.JS
	UPlot, Script         template.JS
}

// figure is a chart: drawn for a wide and for a narrow screen, and, if it is
// Live, drawn again by the script from the data of that index.
type figure struct {
	Wide, Narrow template.HTML
	Live         bool
	Index        int
}

type pageTable struct {
	Title  string
	Groups []pageGroup
	Heads  []pageCell
	Rows   [][]pageCell
}

type pageGroup struct {
	Name string
	Span int
}

type pageCell struct {
	Text  string
	Right bool
}

type pageCheck struct {
	OK   bool
	Text string
}

// HTML returns the document as one file that needs nothing else: the data are
// in it, and [Read] reads them back.
func (d *Document) HTML() ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	p := page{
		Version: Version(), Kind: d.Kind, Title: d.Title, Verdict: d.Verdict.Text, Symbol: d.Verdict.Mark.symbol(),
		Mark:  []string{None: "none", Good: "good", Bad: "bad", Expected: "none"}[d.Verdict.Mark],
		Notes: d.Notes, Hints: d.Hints, Style: template.CSS(pageStyle), Script: template.JS(pageScript),
	}
	if len(d.Command) > 0 {
		p.Command = d.CommandLine()
	}
	for _, c := range d.Checks {
		p.Checks = append(p.Checks, pageCheck{c.OK, c.sentence()})
	}
	for _, table := range d.Tables {
		p.Tables = append(p.Tables, table.page())
	}
	if err := p.draw(d.Charts); err != nil {
		return nil, err
	}
	data, err := d.JSON()
	if err != nil {
		return nil, err
	}
	p.Data = inScript(bytes.TrimSpace(data))
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// inScript returns JSON that no text in it can end the script of.
func inScript(text []byte) template.JS {
	var b bytes.Buffer
	json.HTMLEscape(&b, text)
	return template.JS(b.String())
}

// liveLine is a line with the colour that the picture has.
type liveLine struct {
	chart.Line
	Color string `json:"color"`
}

// liveChart is what the script draws.
type liveChart struct {
	Title  string        `json:"title"`
	XLabel string        `json:"x_label"`
	YLabel string        `json:"y_label"`
	Lines  []liveLine    `json:"lines"`
	Faults []chart.Fault `json:"faults"`
	Levels []chart.Level `json:"levels"`
}

func liveOf(c chart.Lines) liveChart {
	out := liveChart{Title: c.Title, XLabel: c.XLabel, YLabel: c.YLabel, Faults: orEmpty(c.Faults), Levels: orEmpty(c.Levels)}
	colors := chart.Colors(c.Lines)
	for i, line := range c.Lines {
		line = line.Reduce(maxPoints)
		line.X, line.Y = orEmpty(line.X), orEmpty(line.Y)
		out.Lines = append(out.Lines, liveLine{line, colors[i]})
	}
	return out
}

// maxPoints is how many points of a line the page keeps: about two for each
// column of a large screen.
const maxPoints = 2000

// draw makes the figures.
func (p *page) draw(charts []chart.Chart) error {
	var live []liveChart
	for _, c := range charts {
		var wide, narrow strings.Builder
		if err := chart.SVG(&wide, chart.Wide, c); err != nil {
			return err
		}
		if err := chart.SVG(&narrow, chart.Narrow, c); err != nil {
			return err
		}
		f := figure{Wide: inPage(wide.String()), Narrow: inPage(narrow.String()), Index: len(live)}
		if lines, ok := c.(chart.Lines); ok {
			f.Live = true
			live = append(live, liveOf(lines))
		}
		p.Figures = append(p.Figures, f)
	}
	if len(live) == 0 {
		return nil
	}
	text, err := json.Marshal(live)
	if err != nil {
		return err
	}
	p.Live = inScript(text)
	p.UPlot = template.JS("/*! uPlot, https://github.com/leeoniya/uPlot\n" + uPlotLicence + "*/\n" + uPlotScript)
	p.Style += template.CSS("\n" + uPlotStyle)
	return nil
}

// inPage returns a picture as a part of a page: no XML declaration, and a size
// that the page gives. Its texts were escaped when it was drawn.
func inPage(svg string) template.HTML {
	if i := strings.Index(svg, "<svg "); i >= 0 {
		svg = svg[i:]
	}
	return template.HTML(svg)
}

// page returns the table as the template shows it, without its drawings.
func (t Table) page() pageTable {
	out := pageTable{Title: t.Title}
	grouped := false
	for _, c := range t.Columns {
		if c.Wide {
			continue
		}
		grouped = grouped || c.Group != ""
		if n := len(out.Groups); n > 0 && out.Groups[n-1].Name == c.Group {
			out.Groups[n-1].Span++
		} else {
			out.Groups = append(out.Groups, pageGroup{c.Group, 1})
		}
		out.Heads = append(out.Heads, pageCell{c.Head, c.Right})
	}
	if !grouped {
		out.Groups = nil
	}
	for _, row := range t.Rows {
		var cells []pageCell
		for i, c := range t.Columns {
			if !c.Wide {
				cells = append(cells, pageCell{tty.Safe(row[i]), c.Right})
			}
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

// embedded returns the JSON that a page holds.
func embedded(text []byte) ([]byte, bool) {
	const begin, end = `<script type="application/json" id="data">`, `</script>`
	_, rest, ok := bytes.Cut(text, []byte(begin))
	if !ok {
		return nil, false
	}
	data, _, ok := bytes.Cut(rest, []byte(end))
	return data, ok
}
