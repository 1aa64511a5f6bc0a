package sdks

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/retrykit/retrykit/propertytest/explore"
)

// Row is a peer and what was found.
type Row struct {
	Peer
	Version string
	Report  *explore.Report
}

// observed is when the rows were last read over: change it with the versions
// in go.mod.
const observed = "2026-11-26"

const preface = `# Scoreboard

What retrying clients do in bad weather, as observed on %s with the versions named. Each was put through
the scripts of ` + "`propertytest.RunHTTP`" + ` in the wire format of its provider, or in plain HTTP, in a bubble of virtual
time; what is judged is what the server saw. Nothing is changed in any of them but what the column *set* says.

A **violation** breaks what anybody would expect of a client: the rules and why they matter are those of
` + "`retrysim explain`" + `. A **deviation** is a choice that the client states, in the place of its source that stands beside
it below, or one of which only our own decorator promises otherwise; it is no fault. A verdict says nothing about any other version, or about how good the library
is at what it is made for. Rows of clients without streams end in a plain 200.

A client's policy is known from outside only in part, so waits that are longer than it says are held against nobody,
our own rows included: what is drained before a retry, and a date that is whole seconds, lengthen them.

Written by ` + "`make scoreboard`" + `; a test holds it equal to what the pinned versions do.

| client | version | set | attempts | first waits after a bare 503 | violations | deviations |
| --- | --- | --- | --- | --- | --- | --- |
`

// WriteScoreboard writes the scoreboard as Markdown. The same verdicts give the
// same bytes, whatever the jitter was.
func WriteScoreboard(w io.Writer, rows []Row) {
	fmt.Fprintf(w, preface, observed)
	for _, r := range rows {
		attempts := "until the context ends"
		if r.Schedule.Attempts > 0 {
			attempts = fmt.Sprint(r.Schedule.Attempts)
		} else if strings.HasPrefix(r.Name, "cenkalti") {
			attempts = "for 15 minutes"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", r.Name, r.Version, r.Set, attempts, windows(r.Waits), names(r.Report, explore.Failed), names(r.Report, explore.Deviates))
	}
	fmt.Fprint(w, "\n## The scripts that show the violations\n")
	for _, r := range rows {
		if r.Report.OK() && r.Policy == "" {
			continue
		}
		fmt.Fprintf(w, "\n### %s %s\n\n", r.Name, r.Version)
		if r.Policy != "" {
			fmt.Fprintf(w, "Stated: %s (`%s`).\n\n", r.Policy, strings.Join(r.Source, "`, `"))
		}
		for _, x := range r.Report.Results {
			if x.Status == explore.Failed {
				fmt.Fprintf(w, "- **%s** (%s): %s\n\n  ```\n  %s\n  ```\n", x.Rule.Name, x.Rule.ID, x.Rule.Says+" — not here", explore.OneLine(x.Failure.Script))
			}
		}
	}
}

func windows(all []Window) string {
	var out []string
	for _, w := range all {
		if w.Least == w.Most {
			out = append(out, w.Least.String())
		} else {
			out = append(out, fmt.Sprintf("%v–%v", w.Least, w.Most))
		}
	}
	return strings.Join(out, ", ")
}

func names(r *explore.Report, s explore.Status) string {
	var out []string
	for _, x := range r.Results {
		if x.Status == s {
			out = append(out, x.Rule.Name)
		}
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, ", ")
}

// Versions returns the version that go.mod pins of each module.
func Versions(gomod string) (map[string]string, error) {
	text, err := os.ReadFile(gomod)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for _, m := range required.FindAllStringSubmatch(string(text), -1) {
		out[m[1]] = m[2]
	}
	out["github.com/retrykit/retrykit"] = "this one"
	return out, nil
}

var required = regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+/\S+) (v\S+)`)
