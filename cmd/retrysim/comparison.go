package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// comparison is policies that met the same weather.
type comparison struct {
	in        compareInput
	script    *scripted.Script
	options   simulate.FleetOptions
	all       []contestant
	reference int
	best      int
	same      bool // no contestant differs from the reference
	// What is said of the best.
	reason, cost, sensitivity string
}

// contestant is a policy and how it fared.
type contestant = simulate.Standing

func newComparison(in compareInput, got *simulate.Comparison) *comparison {
	v := &comparison{in: in, all: slices.Clone(got.Candidates)}
	if in.Sort != nil {
		m, _ := measureOf(*in.Sort)
		sort.SliceStable(v.all, func(a, b int) bool { return m.before(v.all[a].Runs, v.all[b].Runs) })
	}
	v.reference = slices.IndexFunc(v.all, func(c contestant) bool { return c.Name == in.Reference })
	return v
}

// before reports whether the first runs are better by the measure. Runs to
// which it does not apply, such as the recovery of those that never do, are
// last.
func (m measure) before(a, b []*fleet.Result) bool {
	x, y := m.over(a), m.over(b)
	switch {
	case x.N != y.N:
		return x.N > y.N
	case x.Mean == nil:
		return false
	case m.better > 0:
		return *x.Mean > *y.Mean
	}
	return *x.Mean < *y.Mean
}

// dominator returns the name of who dominates, nil if nobody does.
func dominator(c contestant) *string {
	if c.DominatedBy == "" {
		return nil
	}
	return &c.DominatedBy
}

func mustMeasure(name string) measure {
	m, ok := measureOf(name)
	if !ok {
		panic("retrysim: no measure " + name)
	}
	return m
}

var (
	succeeded = mustMeasure("succeeded")
	load      = mustMeasure("attempts_per_call")
	tail      = mustMeasure("p99")
)

// enough is the difference in success below which two policies count as equal,
// and the lighter one is better.
const enough = .001

// settle finds the best contestant: the one with which most calls succeed, and
// of those that are as good as it the one with the lightest load. It says why,
// what it costs, and whether it stays the best at other loads.
func (v *comparison) settle(ctx context.Context) {
	v.best = v.choose(v.all)
	ref, best := v.all[v.reference], v.all[v.best]
	v.same = true
	for _, c := range v.all {
		for _, m := range []measure{succeeded, load} {
			if d, ok := m.differs(c.Runs, ref.Runs); ok && d.clear && (m.unit != share || math.Abs(d.Mean) > enough) {
				v.same = false
			}
		}
	}
	if v.same {
		return
	}
	if v.best == v.reference {
		v.reason = fmt.Sprintf("no other is better: %s of its calls succeed, with %s attempts each", succeeded.mean(best.Runs), load.mean(best.Runs))
	} else {
		v.reason = v.reasonFor(best, ref)
	}
	v.cost = v.costOf(best, ref)
	v.sensitivity = v.sensitivityOf(ctx)
}

func (m measure) mean(runs []*fleet.Result) string {
	s := m.over(runs)
	if s.Mean == nil {
		return "-"
	}
	return m.unit.write(*s.Mean)
}

// choose returns the index of the best.
func (v *comparison) choose(all []contestant) int {
	best := 0
	for i := 1; i < len(all); i++ {
		d, ok := succeeded.differs(all[i].Runs, all[best].Runs)
		if !ok {
			continue
		}
		switch lighter, _ := load.differs(all[i].Runs, all[best].Runs); {
		case d.Mean > enough && (d.clear || d.N == 1):
			best = i
		case math.Abs(d.Mean) <= enough || !d.clear && d.N > 1:
			if lighter.Mean < -1e-9 && (lighter.clear || lighter.N == 1) {
				best = i
			}
		}
	}
	return best
}

// points writes a difference of shares.
func points(d difference95) string {
	s := fmt.Sprintf("%+.1f", 100*d.Mean)
	if d.N > 1 {
		s += fmt.Sprintf(" ± %s", decimals(100*d.Half, 1))
	}
	return s + " points"
}

func (v *comparison) reasonFor(best, ref contestant) string {
	var parts []string
	if d, ok := succeeded.differs(best.Runs, ref.Runs); ok && math.Abs(d.Mean) > enough {
		parts = append(parts, fmt.Sprintf("%s of calls succeed instead of %s (%s)", succeeded.mean(best.Runs), succeeded.mean(ref.Runs), points(d)))
	} else {
		parts = append(parts, "as many calls succeed")
	}
	x, y := load.over(best.Runs), load.over(ref.Runs)
	if x.Mean != nil && y.Mean != nil {
		parts = append(parts, fmt.Sprintf("with %s times the attempts", decimals(*x.Mean / *y.Mean, 2)))
	}
	if n, faulty := best.Recovered.Hits, best.Recovered.Of; faulty > 0 {
		m := ref.Recovered.Hits
		if n != m {
			parts = append(parts, fmt.Sprintf("and %d of %d runs recover instead of %d", n, faulty, m))
		}
	}
	return strings.Join(parts, ", ")
}

// costOf says what is worse with the best one.
func (v *comparison) costOf(best, ref contestant) string {
	if best.Name == ref.Name {
		return ""
	}
	var worse []string
	calm := simulate.DifferBy(func(r *fleet.Result) (int64, bool) {
		d := diagnose(best.Scenario, r)
		return int64(fleet.Ratio(d.before.Succeeded, d.before.Calls)), d.faulty && d.before.Calls > 0
	}, best.Runs, ref.Runs)
	if d, ok := succeeded.scaled(calm, best.Runs); ok && d.clear && d.Mean < -1e-4 {
		worse = append(worse, fmt.Sprintf("before the fault %s of calls fewer succeed", tty.Percent(-d.Mean)))
	}
	for _, m := range []measure{load, tail} {
		if d, ok := m.differs(best.Runs, ref.Runs); ok && d.clear && d.Mean > 0 {
			worse = append(worse, fmt.Sprintf("%s is %s instead of %s", m.label, m.mean(best.Runs), m.mean(ref.Runs)))
		}
	}
	if len(worse) == 0 {
		return "nothing that these runs show"
	}
	return strings.Join(worse, "; ")
}

// sensitivityOf tries the best and the others at a tenth less and more load.
func (v *comparison) sensitivityOf(ctx context.Context) string {
	var holds, fails []string
	for _, percent := range []string{"90%", "110%"} {
		o := v.options
		o.Runs, o.Done = 1, nil
		o.Alter = func(sc *fleet.Scenario) error { return simulate.AtLoad(sc, percent) }
		got, err := simulate.Compare(ctx, v.script, candidates(v.in.Variants), o)
		switch {
		case ctx.Err() != nil:
			return "not tried"
		case err != nil:
			return "the load of this scenario cannot be changed"
		}
		var others []contestant // in the order of all
		for _, c := range v.all {
			others = append(others, got.Candidates[slices.IndexFunc(got.Candidates, func(o contestant) bool { return o.Name == c.Name })])
		}
		at := strings.Replace(percent, "%", " %", 1) + " of the load"
		if best := v.choose(others); best == v.best || equal(others[best], others[v.best]) {
			holds = append(holds, at)
		} else {
			fails = append(fails, fmt.Sprintf("at %s %s is better (%s of calls succeed)", at, others[best].Name, succeeded.mean(others[best].Runs)))
		}
	}
	switch {
	case len(fails) == 0:
		return "it stays the best at " + strings.Join(holds, " and at ") + " (one seed each)"
	case len(holds) == 0:
		return "it depends on the load: " + strings.Join(fails, ", and ")
	}
	return "it stays the best at " + strings.Join(holds, " and at ") + ", but " + strings.Join(fails, ", and ")
}

// equal reports whether two contestants are as good as each other.
func equal(a, b contestant) bool {
	d, ok := succeeded.differs(a.Runs, b.Runs)
	l, _ := load.differs(a.Runs, b.Runs)
	return ok && math.Abs(d.Mean) <= enough && math.Abs(l.Mean) <= .005
}

func (v *comparison) verdict() report.Verdict {
	n := len(v.all[0].Runs)
	seeds := fmt.Sprintf("%d seeds (%d to %d)", n, v.in.Seed, v.in.Seed+uint64(n)-1)
	if n == 1 {
		seeds = fmt.Sprintf("seed %d", v.in.Seed)
	}
	if v.same {
		if n == 1 {
			return report.Verdict{Text: fmt.Sprintf("One run of each shows no difference that could not be chance (%s; try --runs 10).", seeds)}
		}
		return report.Verdict{Text: fmt.Sprintf("No difference: what the policies differ by could be chance (%s, the same arrivals for each).", seeds)}
	}
	text := fmt.Sprintf("Use %s: %s.", v.all[v.best].Name, v.reason)
	if v.best == v.reference {
		text = fmt.Sprintf("Stay with %s: %s.", v.all[v.best].Name, v.reason)
	}
	return report.Verdict{Text: text}
}

// The machine's view.
type (
	compareResult struct {
		Reference   string          `json:"reference"`
		Recommended *string         `json:"recommended"` // null: no difference
		Reason      *string         `json:"reason"`
		Cost        *string         `json:"cost"`
		Sensitivity *string         `json:"sensitivity"`
		Seeds       int             `json:"seeds"` // that all policies finished
		Policies    []comparePolicy `json:"policies"`
	}
	comparePolicy struct {
		Name        string                  `json:"name"`
		Metrics     map[string]measured     `json:"metrics"`
		Differences map[string]difference95 `json:"differences"` // from the reference, paired
		Recovered   int                     `json:"recovered"`
		Faulty      int                     `json:"faulty"`
		Collapsed   proportion              `json:"collapsed"`
		DominatedBy *string                 `json:"dominated_by"` // better in something and worse in nothing; null: nobody is
		Series      []fleetInterval         `json:"series"`       // of the first seed
	}
)

func (v *comparison) json() compareResult {
	out := compareResult{Reference: v.all[v.reference].Name, Seeds: len(v.all[0].Runs)}
	if !v.same {
		out.Recommended, out.Reason, out.Sensitivity = &v.all[v.best].Name, &v.reason, &v.sensitivity
		if v.cost != "" {
			out.Cost = &v.cost
		}
	}
	for _, c := range v.all {
		p := comparePolicy{Name: c.Name, Metrics: metricsOf(c.Runs), Differences: make(map[string]difference95), DominatedBy: dominator(c), Series: seriesOf(c.Runs[0])}
		p.Recovered, p.Faulty = c.Recovered.Hits, c.Recovered.Of
		w := c.Collapsed
		p.Collapsed = proportion{w.Hits, w.Of, w.Low, w.High}
		for _, m := range measures {
			if d, ok := m.differs(c.Runs, v.all[v.reference].Runs); ok {
				p.Differences[m.key] = d
			}
		}
		out.Policies = append(out.Policies, p)
	}
	return out
}

func (v *comparison) document() *report.Document {
	d := &report.Document{
		Kind: "compare", Title: fmt.Sprintf("Policies in %s", v.in.Name), Verdict: v.verdict(), Input: v.in, Result: v.json(),
		Tables: []report.Table{v.table()}, Notes: v.notes(), Charts: v.charts(), Records: v.records(),
	}
	return d
}

// table is a row for each policy, with its differences from the reference.
func (v *comparison) table() report.Table {
	t := report.Table{Columns: []report.Column{
		{Head: "policy"}, {Head: "succeeded", Right: true}, {Head: "attempts per call", Right: true}, {Head: "peak/s", Right: true}, {Head: "p99", Right: true},
		{Head: "recovers"}, {Head: "vs " + v.all[v.reference].Name},
	}}
	for i, c := range v.all {
		row := []string{c.Name}
		for _, m := range []measure{succeeded, load, mustMeasure("peak"), tail} {
			row = append(row, m.interval(c.Runs))
		}
		row = append(row, recoveryText(c), v.versus(i))
		t.Rows = append(t.Rows, row)
	}
	return t
}

// interval writes the mean and half the width of its confidence interval.
func (m measure) interval(runs []*fleet.Result) string {
	s := m.over(runs)
	if s.Mean == nil {
		return "-"
	}
	if s.Half == nil || m.unit == duration {
		return m.unit.write(*s.Mean)
	}
	if m.unit == share {
		return fmt.Sprintf("%.1f ± %.1f %%", 100**s.Mean, 100**s.Half)
	}
	return m.unit.write(*s.Mean) + " ± " + m.unit.write(*s.Half)
}

func recoveryText(c contestant) string {
	n, faulty := c.Recovered.Hits, c.Recovered.Of
	m := mustMeasure("recovery").over(c.Runs)
	switch {
	case faulty == 0:
		return "no fault"
	case n == 0:
		return fmt.Sprintf("never (%d runs)", faulty)
	case n == faulty:
		return "after " + duration.write(*m.Mean)
	}
	return fmt.Sprintf("%d of %d, after %s", n, faulty, duration.write(*m.Mean))
}

func (v *comparison) versus(i int) string {
	if i == v.reference {
		return "–"
	}
	a, b := v.all[i].Runs, v.all[v.reference].Runs
	var parts []string
	if d, ok := succeeded.differs(a, b); ok {
		parts = append(parts, approximately(d)+"succeeded "+points(d))
	}
	x, y := load.over(a), load.over(b)
	if d, ok := load.differs(a, b); ok && *y.Mean > 0 {
		parts = append(parts, approximately(d)+"load "+decimals(*x.Mean / *y.Mean, 2)+"×")
	}
	return strings.Join(parts, ", ")
}

// approximately marks a difference that could be chance.
func approximately(d difference95) string {
	if d.N > 1 && !d.clear {
		return "~ "
	}
	return ""
}

// notes say what the recommendation costs, and why each of those that never
// recover does not.
func (v *comparison) notes() []string {
	var out []string
	for _, c := range v.all {
		if n, faulty := c.Recovered.Hits, c.Recovered.Of; faulty > 0 && n == 0 {
			d := diagnose(c.Scenario, c.Runs[0])
			out = append(out, fmt.Sprintf("%s never recovers.%s", c.Name, d.loop()))
		}
	}
	if !v.same {
		if v.cost != "" {
			out = append(out, "cost: "+v.cost)
		}
		out = append(out, "sensitivity: "+v.sensitivity)
	}
	if len(v.all[0].Runs) > 1 {
		out = append(out, "~ could be chance: the 95 % interval of the paired differences holds 0. Each policy met the same arrivals and service times.")
	}
	return out
}

// charts overlay the policies over time, and place them by success and load.
func (v *comparison) charts() []chart.Chart {
	first := v.all[v.reference]
	attempts := chart.Lines{Title: "Attempts", YLabel: "per second", Faults: faultsOf(first.Scenario)}
	good := chart.Lines{Title: "Calls that succeed", YLabel: "per second", Faults: faultsOf(first.Scenario), Picture: true}
	if d := diagnose(first.Scenario, first.Runs[0]); d.capacity > 0 {
		attempts.Levels = []chart.Level{{Name: "capacity", Y: d.capacity}}
	}
	pareto := chart.Scatter{Title: "Success against load; the dot grows with p99", XLabel: "attempts per call", YLabel: "calls that succeed, %"}
	slowest := 0.0
	for _, c := range v.all {
		if p := tail.over(c.Runs); p.Mean != nil {
			slowest = max(slowest, *p.Mean)
		}
	}
	for _, c := range v.all {
		r := c.Runs[0]
		attempts.Lines = append(attempts.Lines, overTime(c.Name, r, func(i fleet.Interval) float64 { return perSecond(i.Attempts(), r.Interval) }))
		good.Lines = append(good.Lines, overTime(c.Name, r, func(i fleet.Interval) float64 { return perSecond(i.Succeeded, r.Interval) }))
		x, y, p := load.over(c.Runs), succeeded.over(c.Runs), tail.over(c.Runs)
		if x.Mean == nil || y.Mean == nil {
			continue
		}
		dot := chart.Dot{Name: c.Name, X: *x.Mean, Y: 100 * *y.Mean, OnTheFront: c.DominatedBy == ""}
		if p.Mean != nil && slowest > 0 {
			dot.Size = *p.Mean / slowest
		}
		pareto.Dots = append(pareto.Dots, dot)
	}
	return []chart.Chart{attempts, good, pareto}
}

// records is a row for each policy and measure.
func (v *comparison) records() report.Records {
	r := report.Records{Header: []string{"policy", "measure", "mean", "half", "min", "max", "n", "difference", "difference_half"}}
	for _, c := range v.all {
		for _, m := range measures {
			s := m.over(c.Runs)
			row := []string{c.Name, m.key, optional(s.Mean), optional(s.Half), optional(s.Min), optional(s.Max), fmt.Sprint(s.N), "", ""}
			if d, ok := m.differs(c.Runs, v.all[v.reference].Runs); ok {
				row[7], row[8] = report.Ratio(d.Mean), report.Ratio(d.Half)
			}
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return report.Ratio(*v)
}
