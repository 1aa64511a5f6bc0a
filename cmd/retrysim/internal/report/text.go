package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
)

// texted is a chart that can be drawn as text by itself. The others are drawn
// beside the rows of a table.
type texted interface {
	chart.Chart
	Text(tty.Style) string
}

// symbol returns the mark as text.
func (m Mark) symbol() string {
	switch m {
	case Good:
		return "✓ "
	case Bad:
		return "✗ "
	}
	return ""
}

func (m Mark) tone() tty.Tone {
	switch m {
	case Good:
		return tty.Good
	case Bad:
		return tty.Bad
	}
	return tty.Strong
}

// Text returns the document for a terminal: the verdict, the tables, the
// charts, the checks, the hints, and the line that does it again.
func (d *Document) Text(s tty.Style) string {
	if d.Own != "" {
		return s.Text(d.Own)
	}
	parts := []string{s.Paint(d.Verdict.Mark.tone(), d.Verdict.Mark.symbol()+d.Verdict.Text) + "\n"}
	for _, t := range d.Tables {
		parts = append(parts, t.text(s))
	}
	for _, c := range d.Charts {
		if c, ok := c.(texted); ok {
			parts = append(parts, c.Text(s))
		}
	}
	parts = append(parts, strings.Join(ended(d.Notes), ""))
	parts = append(parts, d.checksText(s), d.hintsText(s))
	if len(d.Command) > 0 {
		parts = append(parts, s.Paint(tty.Dim, "reproduce: "+d.CommandLine())+"\n")
	}
	parts = nonEmpty(parts)
	return s.Text(strings.Join(parts, "\n"))
}

// CommandLine returns what to type to do the same again.
func (d *Document) CommandLine() string {
	return tty.Command(append([]string{"retrysim"}, d.Command...)...)
}

func nonEmpty(parts []string) []string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// ended returns the lines with their line ends.
func ended(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l + "\n"
	}
	return out
}

func (d *Document) checksText(s tty.Style) string {
	var b strings.Builder
	for _, c := range d.Checks {
		mark := Bad
		if c.OK {
			mark = Good
		}
		fmt.Fprintln(&b, s.Paint(mark.tone(), mark.symbol()+c.sentence()))
	}
	return b.String()
}

// sentence says what was to hold and, if it does not, what came instead.
func (c Check) sentence() string {
	text := tty.Safe(c.Expr)
	if !c.OK {
		if c.Got != nil {
			text += ": got " + tty.Safe(*c.Got)
		}
		if c.Where != nil {
			text += " (" + tty.Safe(*c.Where) + ")"
		}
	}
	return text
}

func (d *Document) hintsText(s tty.Style) string {
	var b strings.Builder
	for _, h := range d.Hints {
		fmt.Fprintf(&b, "%s %s\n", s.Paint(tty.Advice, "hint:"), tty.Safe(h.Text))
	}
	return b.String()
}

// text lays the table out with two spaces between the columns and no lines. A
// drawing that finds no room is left out.
func (t Table) text(s tty.Style) string {
	out := t.plain(true)
	if widest(out) > s.Width {
		out = t.plain(false)
	}
	if t.Title != "" {
		out = s.Paint(tty.Strong, t.Title) + "\n" + out
	}
	return out
}

func widest(text string) int {
	most := 0
	for line := range strings.Lines(text) {
		most = max(most, utf8.RuneCountInString(strings.TrimRight(line, "\n")))
	}
	return most
}

func (t Table) plain(drawings bool) string {
	w := t.writer(drawings, true)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header, style.Format.HeaderAlign = text.FormatDefault, text.AlignDefault
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	return strings.TrimRight(w.Render(), " \n") + "\n"
}

// writer fills go-pretty's table, its groups above the heads or within them.
// Drawings are for text of a fixed width only.
func (t Table) writer(drawings, above bool) table.Writer {
	w := table.NewWriter()
	var keep []int
	var configs []table.ColumnConfig
	groups, heads := table.Row{}, table.Row{}
	grouped := false
	for i, c := range t.Columns {
		if c.Wide && !drawings {
			continue
		}
		keep = append(keep, i)
		config := table.ColumnConfig{Number: len(keep)}
		if c.Right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
		groups, heads = append(groups, c.Group), append(heads, c.Head)
		grouped = grouped || c.Group != ""
	}
	if grouped && above {
		w.AppendHeader(groups, table.RowConfig{AutoMerge: true, AutoMergeAlign: text.AlignLeft})
	} else if grouped {
		for i, k := range keep {
			if g := t.Columns[k].Group; g != "" {
				heads[i] = g + " " + t.Columns[k].Head
			}
		}
	}
	w.AppendHeader(heads)
	for _, r := range t.Rows {
		row := table.Row{}
		for _, k := range keep {
			row = append(row, tty.Safe(r[k]))
		}
		w.AppendRow(row)
	}
	w.SetColumnConfigs(configs)
	return w
}
