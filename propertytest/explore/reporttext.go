package explore

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/retrykit/retrykit/scripted"
)

// String returns the report for a reader: one line that says what came of it,
// each failure in full, and a line for what else is worth knowing.
func (r *Report) String() string {
	var b strings.Builder
	b.WriteString(r.Summary() + "\n")
	for _, err := range r.Problems {
		fmt.Fprintf(&b, "problem: %v\n", err)
	}
	for _, x := range r.Results {
		if x.Status == Failed {
			fmt.Fprintf(&b, "\n%s", x.Failure)
		}
	}
	b.WriteString("\n")
	reasons := make(map[string][]string)
	for _, x := range r.Results {
		switch x.Status {
		case Stale, Waived, Deviates, Notice:
			fmt.Fprintln(&b, x)
		case NotApplicable:
			reasons[x.Reason] = append(reasons[x.Reason], x.Rule.Name)
		}
	}
	for _, reason := range sortedKeys(reasons) {
		fmt.Fprintf(&b, "not applicable: %s (%s)\n", strings.Join(reasons[reason], ", "), reason)
	}
	if words := r.NoWordFor(); words != "" {
		fmt.Fprintln(&b, words)
	}
	if never := r.NeverReached(); len(never) > 0 {
		fmt.Fprintf(&b, "never reached: %s\n", strings.Join(never, ", "))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Summary returns what came of the report in one line.
func (r *Report) Summary() string {
	name := r.Subject
	if name == "" {
		name = "the subject"
	}
	var parts []string
	for _, s := range []struct {
		status Status
		word   string
	}{{Failed, "failed"}, {Stale, "stale"}, {Passed, "passed"}, {Deviates, "by declared policy"}, {Waived, "known"}, {Notice, "newer"}, {NotApplicable, "not applicable"}} {
		if n := r.count(s.status); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.word))
		}
	}
	verdict := "keeps its promises"
	if !r.OK() {
		verdict = "breaks promises"
	}
	if len(r.Problems) > 0 {
		verdict = "was not tried"
	}
	return fmt.Sprintf("%s %s: of %d rules %s; %d scenarios, seed %d", name, verdict, len(r.Results), strings.Join(parts, ", "), r.Played, r.Seed)
}

func (r *Report) count(s Status) (n int) {
	for _, x := range r.Results {
		if x.Status == s {
			n++
		}
	}
	return n
}

// NoWordFor says in one line what policies can say and the subject has no word
// for, "" if nothing.
func (r *Report) NoWordFor() string {
	if len(r.Unknown) == 0 {
		return ""
	}
	return fmt.Sprintf("not applicable: policies with %s (the subject has no word for that, so they were not tried)", strings.Join(r.Unknown, ", "))
}

// NeverReached returns the names of the states that no scenario brought about.
func (r *Report) NeverReached() (names []string) {
	for _, s := range r.Reached {
		if s.Count == 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// Schema names the format of a report as JSON.
const Schema = "retrykit.conformance/v1"

type reportJSON struct {
	Schema  string       `json:"schema"`
	Subject string       `json:"subject"`
	Ruleset int          `json:"ruleset"`
	Seed    uint64       `json:"seed"`
	Played  int          `json:"scenarios"`
	OK      bool         `json:"ok"`
	Rules   []resultJSON `json:"rules"`
	Reached []stateJSON  `json:"reached"`
	Unknown []string     `json:"unknown"`
	Errors  []string     `json:"problems,omitempty"`
}

type resultJSON struct {
	ID     string  `json:"id"`
	Rule   string  `json:"rule"`
	Area   string  `json:"area"`
	Status Status  `json:"status"`
	Level  *string `json:"level"`
	What   *string `json:"what"`
	Reason *string `json:"reason"`
	Script *string `json:"script"`
}

type stateJSON struct {
	State string `json:"state"`
	Count int    `json:"scenarios"`
}

// WriteJSON writes the report as JSON of the format [Schema], keys in a fixed
// order; what is absent is null. The same report gives the same bytes.
func (r *Report) WriteJSON(w io.Writer) error {
	out := reportJSON{Schema: Schema, Subject: r.Subject, Ruleset: r.Ruleset, Seed: r.Seed, Played: r.Played, OK: r.OK(), Rules: []resultJSON{}, Reached: []stateJSON{}, Unknown: append([]string{}, r.Unknown...)}
	for _, x := range r.Results {
		j := resultJSON{ID: x.Rule.ID, Rule: x.Rule.Name, Area: x.Rule.Area, Status: x.Status}
		if x.Reason != "" {
			j.Reason = &x.Reason
		}
		if f := x.Failure; f != nil {
			level := f.Level.String()
			j.Level, j.What = &level, &f.What
			if f.Script != nil {
				text := scripted.Format(f.Script)
				j.Script = &text
			}
		}
		out.Rules = append(out.Rules, j)
	}
	for _, s := range r.Reached {
		out.Reached = append(out.Reached, stateJSON{s.Name, s.Count})
	}
	for _, err := range r.Problems {
		out.Errors = append(out.Errors, err.Error())
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// WriteBadge writes what an endpoint badge of shields.io reads: how many of the
// rules that apply are kept.
func (r *Report) WriteBadge(w io.Writer) error {
	kept, all := 0, 0
	for _, x := range r.Results {
		switch x.Status {
		case NotApplicable, Notice:
		case Failed, Stale, Waived:
			all++
		default:
			kept, all = kept+1, all+1
		}
	}
	badge := struct {
		Version int    `json:"schemaVersion"`
		Label   string `json:"label"`
		Message string `json:"message"`
		Color   string `json:"color"`
	}{1, fmt.Sprintf("retry rules, set %d", r.Ruleset), fmt.Sprintf("%d of %d kept", kept, all), "brightgreen"}
	switch {
	case !r.OK():
		badge.Color = "red"
	case kept < all:
		badge.Color = "yellow"
	}
	return json.NewEncoder(w).Encode(badge)
}
