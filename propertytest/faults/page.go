package faults

import (
	"fmt"
	"strings"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/scripted"
)

// section is a part of an explanation: a paragraph or, with a language, code.
type section struct{ title, text, language string }

// sections returns all that is known of a rule.
func sections(r verdict.Rule) []section {
	out := []section{{"The promise", sentence(r.Says) + " It guards " + r.Guard + " of the contract (go doc ./retry).", ""}}
	f, ok := Of(r.Name)
	if !ok {
		return append(out, section{"In production", sentence(r.Harm), ""})
	}
	out = append(out,
		section{"In production", sentence(r.Harm) + " " + f.Story, ""},
		section{"The fault", f.Code, "go"},
		section{"The same without it", f.Fix, "go"},
	)
	if f.Script == "" {
		return append(out, section{"What shows it", "No one script does: it takes the calls of many clients, and " + f.Policy.String() + ".", ""})
	}
	script, err := scripted.Parse(f.Rule, "policy "+f.Policy.String()+"; "+f.Script)
	if err != nil {
		panic(fmt.Sprintf("faults: the script of %s: %v", f.Rule, err)) // a test parses it
	}
	return append(out, section{"A script that shows it", scripted.Format(script), "retry"})
}

// sentence makes a sentence of a clause.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// Text explains a rule for a terminal.
func Text(r verdict.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s, %s)\n", r.Name, r.ID, r.Area)
	for _, s := range sections(r) {
		fmt.Fprintf(&b, "\n%s\n", s.title)
		text := s.text
		if s.language == "" {
			text = wrap(text, 90)
		}
		for l := range strings.Lines(text) {
			b.WriteString(strings.TrimRight("  "+strings.ReplaceAll(l, "\t", "    "), " \n") + "\n")
		}
	}
	return b.String()
}

// Markdown explains a rule as a page.
func Markdown(r verdict.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s, area %s, since ruleset %d. `retrysim explain %s` prints this page.\n", r.Name, r.ID, r.Area, r.Since, r.Name)
	for _, s := range sections(r) {
		if s.language == "" {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.title, s.text)
		} else {
			fmt.Fprintf(&b, "\n## %s\n\n```%s\n%s\n```\n", s.title, s.language, strings.TrimSpace(s.text))
		}
	}
	return b.String()
}

// wrap breaks a paragraph into lines of at most width bytes.
func wrap(text string, width int) string {
	var b strings.Builder
	n := 0
	for w := range strings.FieldsSeq(text) {
		if n > 0 && n+1+len(w) > width {
			b.WriteString("\n")
			n = 0
		}
		if n > 0 {
			b.WriteString(" ")
			n++
		}
		b.WriteString(w)
		n += len(w)
	}
	return b.String() + "\n"
}
