package report

import (
	"fmt"
	"html"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
)

// maxMarkdown bounds the Markdown: GitHub drops a whole job summary that is
// larger than 1 MiB.
const maxMarkdown = 1_000_000

// Markdown returns the document for a pull request or a job summary.
func (d *Document) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s**%s**\n", escapeMarkdown(d.Title), d.Verdict.Mark.symbol(), escapeMarkdown(d.Verdict.Text))
	for _, t := range d.Tables {
		b.WriteString("\n")
		if t.Title != "" {
			fmt.Fprintf(&b, "%s\n\n", escapeMarkdown(t.Title))
		}
		escaped := t
		escaped.Rows = nil
		for _, row := range t.Rows {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = escapeMarkdown(cell)
			}
			escaped.Rows = append(escaped.Rows, cells)
		}
		b.WriteString(escaped.writer(false, false).RenderMarkdown() + "\n")
		if b.Len() > maxMarkdown {
			return "### " + escapeMarkdown(d.Title) + "\n\nThe table is too long for Markdown; write it with -f csv.\n"
		}
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "\n%s\n", escapeMarkdown(n))
	}
	if len(d.Checks) > 0 {
		b.WriteString("\n")
	}
	for _, c := range d.Checks {
		mark := Bad
		if c.OK {
			mark = Good
		}
		fmt.Fprintf(&b, "- %s%s\n", mark.symbol(), escapeMarkdown(c.sentence()))
	}
	if len(d.Hints) > 0 {
		b.WriteString("\n")
	}
	for _, h := range d.Hints {
		fmt.Fprintf(&b, "- hint: %s\n", escapeMarkdown(h.Text))
	}
	if len(d.Command) > 0 {
		fmt.Fprintf(&b, "\n```sh\n%s\n```\n", tty.Safe(d.CommandLine()))
	}
	return b.String()
}

// escapeMarkdown writes text that Markdown and the HTML in it would read.
func escapeMarkdown(s string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`, "`", "\\`").Replace(html.EscapeString(tty.Safe(s)))
}
