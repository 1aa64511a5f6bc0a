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
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// comparison is contestants that met the same weather.
type comparison struct {
	in        compareInput
	all       []contestant
	reference int
	best      int
	same      bool // no contestant differs from the reference
	// What is said of the best.
	reason, cost, sensitivity string
}

func newComparison(in compareInput, all []contestant) *comparison {
	v := &comparison{in: in, all: all}
	if in.Sort != nil {
		m, _ := measureOf(*in.Sort)
		sort.SliceStable(v.all, func(a, b int) bool { return m.before(v.all[a].runs, v.all[b].runs) })
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

// difference is the mean of the paired differences of two contestants, with
// half the width of its 95 % confidence interval.
type difference95 struct {
	Mean float64 `json:"mean"`
	Half float64 `json:"half"`
	N    int     `json:"n"` // pairs
}

// clear reports whether the interval does not hold 0. A single pair shows
// nothing but what it is: there is no chance left that could tell otherwise
// only if the two are equal.
func (d difference95) clear() bool {
	return d.N > 1 && math.Abs(d.Mean) > d.Half && math.Abs(d.Mean) > 1e-12
}

// differs returns how much more of the measure one has than the other, seed by
// seed.
func (m measure) differs(a, b []*fleet.Result) (difference95, bool) {
	var values []float64
	for k := range min(len(a), len(b)) {
		x, ok1 := m.of(a[k])
		y, ok2 := m.of(b[k])
		if ok1 && ok2 {
			values = append(values, x-y)
		}
	}
	if len(values) == 0 {
		return difference95{}, false
	}
	mean, half := meanOf(values)
	return difference95{mean, half, len(values)}, true
}

func (c contestant) recovered() (n, faulty int) {
	for _, r := range c.runs {
		if r.FaultsEnd >= 0 {
			faulty++
		}
		if _, ok := r.Recovery(); ok {
			n++
		}
	}
	return n, faulty
}

func (c contestant) collapsed() simulate.Proportion {
	n := 0
	for _, r := range c.runs {
		if r.Collapsed {
			n++
		}
	}
	return simulate.Wilson(n, len(c.runs))
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
			if d, ok := m.differs(c.runs, ref.runs); ok && d.clear() && (m.unit != share || math.Abs(d.Mean) > enough) {
				v.same = false
			}
		}
	}
	if v.same {
		return
	}
	if v.best == v.reference {
		v.reason = fmt.Sprintf("no other is better: %s of its calls succeed, with %s attempts each", succeeded.mean(best.runs), load.mean(best.runs))
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
		d, ok := succeeded.differs(all[i].runs, all[best].runs)
		if !ok {
			continue
		}
		switch lighter, _ := load.differs(all[i].runs, all[best].runs); {
		case d.Mean > enough && (d.clear() || d.N == 1):
			best = i
		case math.Abs(d.Mean) <= enough || !d.clear() && d.N > 1:
			if lighter.Mean < -1e-9 && (lighter.clear() || lighter.N == 1) {
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
	if d, ok := succeeded.differs(best.runs, ref.runs); ok && math.Abs(d.Mean) > enough {
		parts = append(parts, fmt.Sprintf("%s of calls succeed instead of %s (%s)", succeeded.mean(best.runs), succeeded.mean(ref.runs), points(d)))
	} else {
		parts = append(parts, "as many calls succeed")
	}
	x, y := load.over(best.runs), load.over(ref.runs)
	if x.Mean != nil && y.Mean != nil {
		parts = append(parts, fmt.Sprintf("with %s times the attempts", decimals(*x.Mean / *y.Mean, 2)))
	}
	if n, faulty := best.recovered(); faulty > 0 {
		m, _ := ref.recovered()
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
	calm := measure{better: 1, unit: share, of: func(r *fleet.Result) (float64, bool) {
		d := diagnose(best.scenario, r)
		return part(d.before.Succeeded, d.before.Calls), d.faulty && d.before.Calls > 0
	}}
	if d, ok := calm.differs(best.runs, ref.runs); ok && d.clear() && d.Mean < -1e-4 {
		worse = append(worse, fmt.Sprintf("before the fault %s of calls fewer succeed", tty.Percent(-d.Mean)))
	}
	for _, m := range []measure{load, tail} {
		if d, ok := m.differs(best.runs, ref.runs); ok && d.clear() && d.Mean > 0 {
			worse = append(worse, fmt.Sprintf("%s is %s instead of %s", m.label, m.mean(best.runs), m.mean(ref.runs)))
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
	for _, factor := range []float64{.9, 1.1} {
		others := make([]contestant, len(v.all))
		for i, c := range v.all {
			sc, ok := scaled(c.scenario, factor)
			if !ok {
				return "the load of this scenario cannot be scaled"
			}
			run, err := fleet.Run(ctx, sc, v.in.Seed)
			if err != nil || run.Interrupted {
				return "not tried"
			}
			others[i] = contestant{variant: c.variant, scenario: sc, runs: []*fleet.Result{run}}
		}
		at := fmt.Sprintf("%d %% of the load", int(factor*100+.5))
		if best := v.choose(others); best == v.best || equal(others[best], others[v.best]) {
			holds = append(holds, at)
		} else {
			fails = append(fails, fmt.Sprintf("at %s %s is better (%s of calls succeed)", at, others[best].Name, succeeded.mean(others[best].runs)))
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
	d, ok := succeeded.differs(a.runs, b.runs)
	l, _ := load.differs(a.runs, b.runs)
	return ok && math.Abs(d.Mean) <= enough && math.Abs(l.Mean) <= .005
}

func (v *comparison) verdict() report.Verdict {
	n := len(v.all[0].runs)
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
		Dominated   bool                    `json:"dominated"` // another is better in success and in load
		Series      []fleetInterval         `json:"series"`    // of the first seed
	}
)

func (v *comparison) json() compareResult {
	out := compareResult{Reference: v.all[v.reference].Name, Seeds: len(v.all[0].runs)}
	if !v.same {
		out.Recommended, out.Reason, out.Sensitivity = &v.all[v.best].Name, &v.reason, &v.sensitivity
		if v.cost != "" {
			out.Cost = &v.cost
		}
	}
	front := v.front()
	for i, c := range v.all {
		p := comparePolicy{Name: c.Name, Metrics: metricsOf(c.runs), Differences: make(map[string]difference95), Dominated: !front[i], Series: seriesOf(c.runs[0])}
		p.Recovered, p.Faulty = c.recovered()
		w := c.collapsed()
		p.Collapsed = proportion{w.Hits, w.Of, w.Low, w.High}
		for _, m := range measures {
			if d, ok := m.differs(c.runs, v.all[v.reference].runs); ok {
				p.Differences[m.key] = d
			}
		}
		out.Policies = append(out.Policies, p)
	}
	return out
}

// front reports for each contestant whether no other is better both in success
// and in load.
func (v *comparison) front() []bool {
	out := make([]bool, len(v.all))
	for i, a := range v.all {
		out[i] = true
		x, l := succeeded.over(a.runs), load.over(a.runs)
		for k, b := range v.all {
			y, m := succeeded.over(b.runs), load.over(b.runs)
			if k != i && x.Mean != nil && y.Mean != nil && *y.Mean >= *x.Mean && *m.Mean <= *l.Mean && (*y.Mean > *x.Mean || *m.Mean < *l.Mean) {
				out[i] = false
			}
		}
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
			row = append(row, m.interval(c.runs))
		}
		row = append(row, c.recoveryText(), v.versus(i))
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

func (c contestant) recoveryText() string {
	n, faulty := c.recovered()
	m := mustMeasure("recovery").over(c.runs)
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
	a, b := v.all[i].runs, v.all[v.reference].runs
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
	if d.N > 1 && !d.clear() {
		return "~ "
	}
	return ""
}

// notes say what the recommendation costs, and why each of those that never
// recover does not.
func (v *comparison) notes() []string {
	var out []string
	for _, c := range v.all {
		if n, faulty := c.recovered(); faulty > 0 && n == 0 {
			d := diagnose(c.scenario, c.runs[0])
			out = append(out, fmt.Sprintf("%s never recovers.%s", c.Name, d.loop()))
		}
	}
	if !v.same {
		if v.cost != "" {
			out = append(out, "cost: "+v.cost)
		}
		out = append(out, "sensitivity: "+v.sensitivity)
	}
	if len(v.all[0].runs) > 1 {
		out = append(out, "~ could be chance: the 95 % interval of the paired differences holds 0. Each policy met the same arrivals and service times.")
	}
	return out
}

// charts overlay the policies over time, and place them by success and load.
func (v *comparison) charts() []chart.Chart {
	first := v.all[v.reference]
	attempts := chart.Lines{Title: "Attempts", YLabel: "per second", Faults: faultsOf(first.scenario)}
	good := chart.Lines{Title: "Calls that succeed", YLabel: "per second", Faults: faultsOf(first.scenario), Picture: true}
	if d := diagnose(first.scenario, first.runs[0]); d.capacity > 0 {
		attempts.Levels = []chart.Level{{Name: "capacity", Y: d.capacity}}
	}
	pareto := chart.Scatter{Title: "Success against load; the dot grows with p99", XLabel: "attempts per call", YLabel: "calls that succeed, %"}
	front, slowest := v.front(), 0.0
	for _, c := range v.all {
		if p := tail.over(c.runs); p.Mean != nil {
			slowest = max(slowest, *p.Mean)
		}
	}
	for i, c := range v.all {
		r := c.runs[0]
		attempts.Lines = append(attempts.Lines, overTime(c.Name, r, func(i fleet.Interval) float64 { return perSecond(i.Attempts(), r.Interval) }))
		good.Lines = append(good.Lines, overTime(c.Name, r, func(i fleet.Interval) float64 { return perSecond(i.Succeeded, r.Interval) }))
		x, y, p := load.over(c.runs), succeeded.over(c.runs), tail.over(c.runs)
		if x.Mean == nil || y.Mean == nil {
			continue
		}
		dot := chart.Dot{Name: c.Name, X: *x.Mean, Y: 100 * *y.Mean, OnTheFront: front[i]}
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
			s := m.over(c.runs)
			row := []string{c.Name, m.key, optional(s.Mean), optional(s.Half), optional(s.Min), optional(s.Max), fmt.Sprint(s.N), "", ""}
			if d, ok := m.differs(c.runs, v.all[v.reference].runs); ok {
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
