package main

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/spf13/cobra"
)

// saved is the numbers of a saved result, by their names. Of a comparison they
// are those of each policy: "budget: succeeded".
type saved struct {
	kind   string
	order  []string
	values map[string]*float64 // nil: it did not apply
}

// readSaved reads the numbers of a saved result.
func readSaved(c *cobra.Command, file string) (saved, error) {
	name, text, err := readFile(c, file)
	if err != nil {
		return saved{}, err
	}
	doc, err := report.Read([]byte(text))
	if err != nil {
		return saved{}, fmt.Errorf("compare: %s: %w", name, err)
	}
	s := saved{kind: doc.Kind, values: make(map[string]*float64)}
	switch doc.Kind {
	case "fleet":
		var r fleetResult
		err = json.Unmarshal(doc.Result, &r)
		s.addMeasures("", r.Metrics)
	case "compare":
		var r compareResult
		err = json.Unmarshal(doc.Result, &r)
		for _, p := range r.Policies {
			s.addMeasures(p.Name+": ", p.Metrics)
		}
	case "schedule":
		var r scheduleResult
		err = json.Unmarshal(doc.Result, &r)
		s.addSchedule(r)
	case "run":
		var r runResult
		err = json.Unmarshal(doc.Result, &r)
		s.addRun(r)
	default:
		return s, fmt.Errorf("compare: %s: a result of %s has no numbers to compare (of fleet, compare, schedule and run)", name, doc.Kind)
	}
	if err != nil {
		return s, fmt.Errorf("compare: %s: no whole %s: %w", name, report.Schema(doc.Kind), err)
	}
	return s, nil
}

func (s *saved) add(name string, v *float64) {
	s.order = append(s.order, name)
	s.values[name] = v
}

func (s *saved) addMeasures(prefix string, metrics map[string]measured) {
	for _, m := range measures {
		if got, ok := metrics[m.key]; ok {
			s.add(prefix+m.key, got.Mean)
		}
	}
}

func (s *saved) addSchedule(r scheduleResult) {
	number := func(v float64) *float64 { return &v }
	s.add("attempts", number(float64(len(r.Attempts))))
	if n := len(r.Attempts); n > 0 {
		last := r.Attempts[n-1]
		s.add("last_start_p50_ns", number(float64(last.Start.P50)))
		s.add("last_start_p95_ns", number(float64(last.Start.P95)))
		s.add("last_start_max_ns", number(float64(last.Start.Max)))
		s.add("reached", &last.Reached)
		s.add("late", last.Late)
	}
}

func (s *saved) addRun(r runResult) {
	var attempts, elapsed float64
	for _, c := range r.Calls {
		attempts += float64(c.Attempts)
		elapsed += float64(c.Elapsed)
	}
	s.add("attempts", &attempts)
	s.add("elapsed_ns", &elapsed)
}

// unitOf says how a number of that name is written.
func unitOf(name string) unit {
	if _, of, ok := strings.Cut(name, ": "); ok {
		name = of
	}
	if m, ok := measureOf(name); ok {
		return m.unit
	}
	switch {
	case strings.HasSuffix(name, "_ns"):
		return duration
	case name == "reached" || name == "late":
		return share
	}
	return number
}

// rule is a --fail-if: NAME, > or <, and a change.
type rule struct {
	text   string
	name   string
	more   bool    // it fails above the limit, else below
	change float64 // as a factor, in points of a hundred, or in the number's unit
	kind   byte    // '%', 'p' for points, or 0
}

// parseRule reads a --fail-if.
func parseRule(text string) (rule, error) {
	bad := func(why string) (rule, error) {
		return rule{}, fmt.Errorf("--fail-if %q: %s (such as 'attempts_per_call > +5%%', 'succeeded < -1pp' or 'p99 > +20ms')", text, why)
	}
	i := strings.IndexAny(text, "<>")
	if i < 0 {
		return bad("no < or >")
	}
	r := rule{text: text, name: strings.TrimSpace(text[:i]), more: text[i] == '>'}
	limit := strings.TrimSpace(text[i+1:])
	if r.name == "" {
		return bad("no name")
	}
	if limit == "" || limit[0] != '+' && limit[0] != '-' {
		return bad("the change has no sign")
	}
	number := limit
	switch {
	case strings.HasSuffix(limit, "pp"):
		number, r.kind = strings.TrimSuffix(limit, "pp"), 'p'
	case strings.HasSuffix(limit, "%"):
		number, r.kind = strings.TrimSuffix(limit, "%"), '%'
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil && r.kind == 0 {
		var d time.Duration
		if d, err = time.ParseDuration(number); err == nil {
			v = float64(d)
		}
	}
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return bad("no number behind the comparison")
	}
	r.change = v
	return r, nil
}

// matches returns the names that the rule is about: one, or of a comparison the
// same number of every policy.
func (r rule) matches(s saved) []string {
	var out []string
	for _, name := range s.order {
		short := name
		if _, of, ok := strings.Cut(name, ": "); ok {
			short = of
		}
		m, known := measureOf(short)
		if name == r.name || short == r.name || strings.TrimSuffix(short, "_ns") == r.name || known && string(m.subject) == r.name {
			out = append(out, name)
		}
	}
	return out
}

// fails reports whether the change from a to b is more than the rule allows.
// What stopped or began to apply, such as a recovery, fails in the direction
// that is worse.
func (r rule) fails(name string, a, b *float64) bool {
	switch {
	case a == nil && b == nil:
		return false
	case b == nil:
		return true // it no longer applies: it never recovers
	case a == nil:
		return false
	}
	change := *b - *a
	switch r.kind {
	case '%':
		if *a == 0 {
			if *b == 0 {
				change = 0
			} else {
				change = math.Inf(1)
			}
		} else {
			change = 100 * change / *a
		}
	case 'p':
		change *= 100
	}
	if r.more {
		return change > r.change
	}
	return change < r.change
}

// saved compares two saved results.
func (f *compareFlags) saved(c *cobra.Command, oldFile, newFile string) error {
	if len(f.policies) > 0 {
		return fmt.Errorf("compare: -p is for a scenario, not for two saved results")
	}
	var rules []rule
	for _, text := range f.failIf {
		r, err := parseRule(text)
		if err != nil {
			return err
		}
		rules = append(rules, r)
	}
	a, err := readSaved(c, oldFile)
	if err != nil {
		return err
	}
	b, err := readSaved(c, newFile)
	if err != nil {
		return err
	}
	if a.kind != b.kind {
		return fmt.Errorf("compare: %s is a result of %s and %s one of %s", oldFile, a.kind, newFile, b.kind)
	}
	for _, r := range rules {
		if len(r.matches(a)) == 0 {
			_, err := oneOf(fmt.Sprintf("--fail-if %q", r.text), r.name, shortNames(a))
			return err
		}
	}
	d, failed := savedDocument(oldFile, newFile, a, b, rules)
	if err := f.outputFlags.write(c, d); err != nil {
		return err
	}
	if failed {
		return errFailed
	}
	return nil
}

func shortNames(s saved) []string {
	var out []string
	for _, name := range s.order {
		if _, of, ok := strings.Cut(name, ": "); ok {
			name = of
		}
		if name = strings.TrimSuffix(name, "_ns"); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// The machine's view.
type (
	savedInput struct {
		Old    string   `json:"old"`
		New    string   `json:"new"`
		FailIf []string `json:"fail_if"`
	}
	savedResult struct {
		Kind    string        `json:"kind"`
		Numbers []savedNumber `json:"numbers"`
	}
	savedNumber struct {
		Name string   `json:"name"`
		Old  *float64 `json:"old"`
		New  *float64 `json:"new"`
	}
)

func savedDocument(oldFile, newFile string, a, b saved, rules []rule) (d *report.Document, failed bool) {
	d = &report.Document{
		Kind: "difference", Title: fmt.Sprintf("%s against %s", newFile, oldFile), Command: []string{"compare", oldFile, newFile},
		Input:   savedInput{oldFile, newFile, []string{}},
		Records: report.Records{Header: []string{"name", "old", "new"}},
	}
	in := savedInput{oldFile, newFile, []string{}}
	result := savedResult{Kind: a.kind, Numbers: []savedNumber{}}
	t := report.Table{Columns: []report.Column{{Head: "number"}, {Head: "old", Right: true}, {Head: "new", Right: true}, {Head: "change", Right: true}}}
	changed := 0
	for _, name := range a.order {
		x, y := a.values[name], b.values[name]
		if x == nil && y == nil {
			continue
		}
		result.Numbers = append(result.Numbers, savedNumber{name, x, y})
		d.Records.Rows = append(d.Records.Rows, []string{name, optional(x), optional(y)})
		t.Rows = append(t.Rows, []string{strings.TrimSuffix(name, "_ns"), written(name, x), written(name, y), change(name, x, y)})
		if x == nil || y == nil || *x != *y {
			changed++
		}
	}
	fails := 0
	for _, r := range rules {
		d.Command, in.FailIf = append(d.Command, "--fail-if", r.text), append(in.FailIf, r.text)
		for _, name := range r.matches(a) {
			got := fmt.Sprintf("%s (from %s to %s)", change(name, a.values[name], b.values[name]), written(name, a.values[name]), written(name, b.values[name]))
			check := report.Check{Expr: "not " + strings.Replace(r.text, r.name, strings.TrimSuffix(name, "_ns"), 1), OK: !r.fails(name, a.values[name], b.values[name]), Got: &got}
			d.Checks = append(d.Checks, check)
			if !check.OK {
				fails++
			}
		}
	}
	d.Input, d.Result, d.Tables = in, result, []report.Table{t}
	switch {
	case fails > 0:
		d.Verdict = report.Verdict{Mark: report.Bad, Text: fmt.Sprintf("%d of %s exceeded", fails, count(len(d.Checks), "limit"))}
	case changed == 0:
		d.Verdict = report.Verdict{Mark: report.Good, Text: "no difference in any number"}
	default:
		d.Verdict = report.Verdict{Text: fmt.Sprintf("%d of %s differ", changed, count(len(result.Numbers), "number"))}
	}
	if fails == 0 && len(rules) > 0 {
		d.Verdict.Mark = report.Good
		d.Verdict.Text += "; no limit is exceeded"
	}
	return d, fails > 0
}

func written(name string, v *float64) string {
	if v == nil {
		return "never"
	}
	return unitOf(name).write(*v)
}

// change writes what became of a number: of a share in points, else in per
// cent.
func change(name string, a, b *float64) string {
	switch {
	case a == nil && b == nil || a != nil && b != nil && *a == *b:
		return "="
	case a == nil || b == nil:
		return "!"
	case unitOf(name) == share:
		return fmt.Sprintf("%+.2fpp", 100*(*b-*a))
	case *a == 0:
		return "from 0"
	}
	return fmt.Sprintf("%+.1f%%", 100*(*b-*a) / *a)
}
