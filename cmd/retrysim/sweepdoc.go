package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
	"github.com/spf13/cobra"
)

// sweepView is a whole sweep on its way to a reader.
type sweepView struct {
	in       sweepInput
	scenario fleet.Scenario
	shard    *simulate.Shard
	cells    [][]simulate.Cell // by combination of values, then by policy; without runs where interrupted
}

func newSweepView(in sweepInput, sc fleet.Scenario, s *simulate.Shard) sweepView {
	v := sweepView{in: in, scenario: sc, shard: s}
	n, combinations := len(in.Variants), 1
	for _, a := range in.Axes {
		combinations *= len(a.Values)
	}
	for range combinations {
		v.cells = append(v.cells, make([]simulate.Cell, n))
	}
	for _, c := range s.Cells {
		v.cells[c.Index/n][c.Index%n] = c
	}
	return v
}

// sweepResult is the machine's view.
type sweepResult struct {
	Cells []simulate.Cell `json:"cells"`
}

func (v sweepView) document() *report.Document {
	d := &report.Document{
		Kind: "sweep", Title: "Sweep of " + v.in.Name, Verdict: v.verdict(), Input: v.in, Result: sweepResult{v.shard.Cells},
		Tables: []report.Table{v.table()}, Charts: v.charts(), Records: v.records(),
	}
	if v.loads() {
		d.Notes = append(d.Notes, fmt.Sprintf("100 %% is %s calls/s.", decimals(v.base(), 1)))
	}
	if len(v.in.Variants) > 1 {
		d.Notes = append(d.Notes, "In each row the policies met the same arrivals and service times.")
	}
	return d
}

// loads reports whether the first thing that varies is the load.
func (v sweepView) loads() bool { return v.in.Axes[0].Parameter == simulate.LoadParameter }

// value returns the value of the k-th axis in a combination.
func (v sweepView) value(combination, axis int) string {
	for i := len(v.in.Axes) - 1; i > axis; i-- {
		combination /= len(v.in.Axes[i].Values)
	}
	values := v.in.Axes[axis].Values
	return values[combination%len(values)]
}

// where names a combination.
func (v sweepView) where(combination int) string {
	var words []string
	for i, a := range v.in.Axes {
		words = append(words, a.Parameter+"="+v.value(combination, i))
	}
	return strings.Join(words, ", ")
}

// base is the scenario's own load in calls per second.
func (v sweepView) base() float64 {
	calls, shares := int64(0), 0.0
	for i, row := range v.cells {
		percent, _ := parsePercentage(v.value(i, 0))
		for _, c := range row {
			calls += c.Total.Calls
			shares += float64(percent * float64(c.Runs) / 100)
		}
	}
	if shares == 0 {
		return 0
	}
	return perSecond(calls, v.scenario.Horizon) / shares
}

// callsPerSecond is the load of a combination.
func (v sweepView) callsPerSecond(combination int) float64 {
	percent, _ := parsePercentage(v.value(combination, 0))
	return v.base() * percent / 100
}

// bad reports whether more than half of the runs do not recover, or without a
// fault collapse.
func bad(c simulate.Cell) bool {
	n := c.Collapsed
	if c.Faulty > 0 {
		n = c.Faulty - c.Recovered
	}
	return 2*n > c.Runs
}

// verdict says where the fleet recovers: from which load on it does not and
// stays so at every load above, or else with which values.
func (v sweepView) verdict() report.Verdict {
	var parts []string
	for p, policy := range v.in.Variants {
		name := "The fleet"
		if len(v.in.Variants) > 1 {
			name = "With " + policy.Name + " it"
		}
		what := "recovers"
		if v.cells[0][p].Runs > 0 && v.cells[0][p].Faulty == 0 {
			what = "holds"
		}
		var fine, not []string
		first := len(v.cells) // of those that are bad up to the last
		for i := range v.cells {
			switch c := v.cells[i][p]; {
			case c.Runs == 0:
			case bad(c):
				not = append(not, v.where(i))
				first = min(first, i)
			default:
				fine = append(fine, v.where(i))
				first = len(v.cells)
			}
		}
		switch {
		case len(not) == 0:
			parts = append(parts, fmt.Sprintf("%s %s at all that was tried.", name, what))
		case len(fine) == 0:
			parts = append(parts, fmt.Sprintf("%s %s at nothing that was tried.", name, what))
		case v.loads() && len(v.in.Axes) == 1 && first < len(v.cells):
			parts = append(parts, fmt.Sprintf("%s %s below %s of the load (%s calls/s) and no longer from there on.", name, what, spaced(v.value(first, 0)), decimals(v.callsPerSecond(first), 0)))
		case len(fine) <= len(not):
			parts = append(parts, fmt.Sprintf("%s %s only with %s.", name, what, some(fine)))
		default:
			parts = append(parts, fmt.Sprintf("%s %s except with %s.", name, what, some(not)))
		}
	}
	return report.Verdict{Text: strings.Join(parts, " ")}
}

// some lists a few of them.
func some(list []string) string {
	if len(list) > 4 {
		return strings.Join(list[:3], "; ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, "; ")
}

// spaced writes 80% as 80 %.
func spaced(percent string) string { return strings.Replace(percent, "%", " %", 1) }

func (v sweepView) table() report.Table {
	var t report.Table
	for _, a := range v.in.Axes {
		t.Columns = append(t.Columns, report.Column{Head: a.Parameter, Right: true})
		if a.Parameter == simulate.LoadParameter {
			t.Columns = append(t.Columns, report.Column{Head: "calls/s", Right: true})
		}
	}
	for _, p := range v.in.Variants {
		for _, h := range []string{"succeeded", "per call", "recovers", "p99"} {
			t.Columns = append(t.Columns, report.Column{Group: p.Name, Head: h, Right: true})
		}
	}
	for i, cells := range v.cells {
		var row []string
		for k, a := range v.in.Axes {
			if a.Parameter == simulate.LoadParameter {
				row = append(row, spaced(v.value(i, k)), decimals(v.callsPerSecond(i), 0))
			} else {
				row = append(row, v.value(i, k))
			}
		}
		for _, c := range cells {
			row = append(row, cellTexts(c)...)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// cellTexts are what the table says of a cell.
func cellTexts(c simulate.Cell) []string {
	if c.Runs == 0 {
		return []string{"-", "-", "not run", "-"}
	}
	recovers := fmt.Sprintf("%d of %d", c.Recovered, c.Faulty)
	if c.Faulty == 0 {
		recovers = fmt.Sprintf("%d of %d", c.Runs-c.Collapsed, c.Runs)
	}
	p99 := "-"
	if c.Latency.Count() > 0 {
		p99 = tty.Span(c.Latency.Quantile(990_000))
	}
	good := tty.Percent(part(c.Total.Succeeded, c.Total.Calls))
	if mean, half := c.Successes.Mean(c.Runs); c.Runs > 1 {
		good = fmt.Sprintf("%.1f ± %.1f %%", mean/1e4, half/1e4)
	}
	return []string{good, decimals(part(c.Total.Attempts(), c.Total.Calls), 3), recovers, p99}
}

// x returns where a combination stands on the x axis: its load, or the number of
// its first value; ok is false if that is none.
func (v sweepView) x(combination int) (x float64, ok bool) {
	text := v.value(combination, 0)
	if v.loads() {
		return v.callsPerSecond(combination), true
	}
	return numberOf(text)
}

// maxCurves is how many curves a chart has at most: more than the colours that
// can be told apart say nothing.
const maxCurves = 6

// charts draw what comes of the first thing that varies: a curve for each policy
// and each combination of the others.
func (v sweepView) charts() []chart.Chart {
	n := len(v.in.Axes[0].Values)
	curves := len(v.cells) / n
	if curves*len(v.in.Variants) > maxCurves || n < 2 {
		return nil
	}
	by, label := v.in.Axes[0].Parameter, v.in.Axes[0].Parameter
	var band []chart.Fault
	if v.loads() {
		label, band = "calls per second", vulnerableBand(v.in, v.scenario)
	}
	good := chart.Lines{Title: "Calls that succeed, by " + by, XLabel: label, YLabel: "%", Faults: band}
	collapse := chart.Lines{Title: "Probability that the run ends collapsed", XLabel: label, YLabel: "%, with its 95 % interval dashed", Faults: band, Picture: true}
	for k := range curves {
		for i, p := range v.in.Variants {
			name := p.Name
			if curves > 1 {
				_, others, _ := strings.Cut(v.where(k), ", ")
				name = others
				if len(v.in.Variants) > 1 {
					name += ", " + p.Name
				}
			}
			g, mid := chart.Line{Name: name}, chart.Line{Name: name}
			lo, hi := chart.Line{Name: name + ", low", Dashed: true}, chart.Line{Name: name + ", high", Dashed: true}
			for row := range n {
				c := v.cells[row*curves+k][i]
				x, ok := v.x(row*curves + k)
				if !ok {
					return nil
				}
				if c.Runs == 0 {
					continue
				}
				w := simulate.Wilson(int(c.Collapsed), int(c.Runs))
				g.X, g.Y = append(g.X, x), append(g.Y, 100*part(c.Total.Succeeded, c.Total.Calls))
				for _, l := range []struct {
					line *chart.Line
					y    float64
				}{{&mid, part(c.Collapsed, c.Runs)}, {&lo, w.Low}, {&hi, w.High}} {
					l.line.X, l.line.Y = append(l.line.X, x), append(l.line.Y, 100*l.y)
				}
			}
			good.Lines = append(good.Lines, g)
			collapse.Lines = append(collapse.Lines, mid, lo, hi)
		}
	}
	return []chart.Chart{good, collapse}
}

// vulnerableBand is the load from C/n to C, in which retries can keep an
// overload up, for the scenario's own policy or the first one.
func vulnerableBand(in sweepInput, sc fleet.Scenario) []chart.Fault {
	sc.Groups = slices.Clone(sc.Groups)
	if err := in.Variants[0].apply(&sc); err != nil {
		return nil
	}
	d := diagnose(sc, &fleet.Result{Horizon: sc.Horizon, FaultsEnd: -1})
	if d.capacity == 0 || d.attempts < 2 || d.attempts == retry.Unlimited {
		return nil
	}
	return []chart.Fault{{Name: fmt.Sprintf("vulnerable band C/%d to C", d.attempts), From: d.capacity / float64(d.attempts), To: d.capacity}}
}

func (v sweepView) records() report.Records {
	var r report.Records
	for _, a := range v.in.Axes {
		r.Header = append(r.Header, a.Parameter)
	}
	r.Header = append(r.Header, "policy", "runs", "recovered", "faulty", "collapsed", "calls", "attempts", "succeeded", "served", "wasted", "p50_ns", "p99_ns")
	for _, c := range v.shard.Cells {
		var row []string
		for k, a := range v.in.Axes {
			text := c.Values[k]
			if a.Parameter == simulate.LoadParameter {
				percent, _ := parsePercentage(text)
				text = report.Ratio(math.Round(percent*1e4) / 1e6)
			}
			row = append(row, text)
		}
		row = append(row, c.Candidate)
		t := c.Total
		for _, n := range []int64{c.Runs, c.Recovered, c.Faulty, c.Collapsed, t.Calls, t.Attempts(), t.Succeeded, t.Served, t.ServedLate + t.ServedFailed} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		for _, q := range []fleet.Share{500_000, 990_000} {
			row = append(row, "")
			if c.Latency.Count() > 0 {
				row[len(row)-1] = report.Nanoseconds(c.Latency.Quantile(q))
			}
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// stair is one step of a staircase.
type stair struct {
	Policy    string `json:"policy"`
	Up        bool   `json:"up"`
	Load      string `json:"load"`  // of the scenario's own
	Calls     int64  `json:"calls"` // in the second half of the step
	Succeeded int64  `json:"succeeded"`
	Attempts  int64  `json:"attempts"`
}

// staircaseResult is the machine's view.
type staircaseResult struct {
	Stairs []stair `json:"stairs"`
}

// staircaseView is a staircase on its way to a reader: what came of each policy
// that was finished.
type staircaseView struct {
	in       sweepInput
	scenario fleet.Scenario
	own      float64 // the scenario's own load
	results  []*simulate.HysteresisResult
}

// climb lets the load climb to the highest and go down again, within one run for
// each policy.
func (in sweepInput) climb(ctx context.Context, c *cobra.Command, g simulate.Grid, sc fleet.Scenario) (*report.Document, error) {
	own := simulate.OwnLoad(sc)
	o := simulate.HysteresisOptions{Step: *in.Hold}
	for _, text := range in.Axes[0].Values {
		percent, _ := parsePercentage(text)
		o.Loads = append(o.Loads, max(fleet.Rate(float64(own)*percent/100+.5), 1))
	}
	p := newProgress(c, len(in.Variants), 2*time.Duration(len(o.Loads))*o.Step)
	defer p.clear()
	v := staircaseView{in: in, scenario: sc, own: float64(own) / float64(fleet.PerSecond)}
	for _, variant := range in.Variants {
		o.FleetOptions = g.FleetOptions
		o.Alter, o.Done = variant.apply, p.next
		h, err := simulate.Hysteresis(p.watch(ctx), g.Script, o)
		switch {
		case ctx.Err() != nil && len(v.results) == 0:
			return nil, errInterrupted
		case ctx.Err() != nil:
			return v.document(), nil
		case err != nil:
			return nil, err
		}
		v.results = append(v.results, h)
	}
	return v.document(), nil
}

func (v staircaseView) document() *report.Document {
	c := chart.Lines{Title: "Calls that succeed while the load climbs, and while it goes down", XLabel: "calls per second", YLabel: "calls that succeed, %", Faults: vulnerableBand(v.in, v.scenario)}
	t := report.Table{Columns: []report.Column{{Head: "load", Right: true}, {Head: "calls/s", Right: true}}}
	records := report.Records{Header: []string{"policy", "direction", "load", "calls", "succeeded", "attempts"}}
	loads := v.in.Axes[0].Values
	at := func(k int) float64 { percent, _ := parsePercentage(loads[k]); return v.own * percent / 100 }
	rows := make([][]string, len(loads))
	for k, load := range loads {
		rows[k] = []string{spaced(load), decimals(at(k), 0)}
	}
	result := staircaseResult{Stairs: []stair{}}
	var parts []string
	for i, h := range v.results {
		name := v.in.Variants[i].Name
		t.Columns = append(t.Columns, report.Column{Group: name, Head: "up", Right: true}, report.Column{Group: name, Head: "down", Right: true})
		up, down := chart.Line{Name: name + ", up"}, chart.Line{Name: name + ", down", Dashed: true}
		lost := -1
		for k, p := range h.Points {
			if h.Lost > 0 && p.Load == h.Lost && lost < 0 {
				lost = k
			}
			result.Stairs = append(result.Stairs, stairOf(name, true, loads[k], p.Up), stairOf(name, false, loads[k], p.Down))
			// A backlog may add successes of calls that began before.
			good := []float64{min(part(p.Up.Succeeded, p.Up.Calls), 1), min(part(p.Down.Succeeded, p.Down.Calls), 1)}
			rows[k] = append(rows[k], tty.Percent(good[0]), tty.Percent(good[1]))
			up.X, up.Y = append(up.X, at(k)), append(up.Y, 100*good[0])
			down.X, down.Y = append(down.X, at(k)), append(down.Y, 100*good[1])
		}
		c.Lines = append(c.Lines, up, down)
		if lost < 0 {
			parts = append(parts, fmt.Sprintf("No hysteresis with %s: on the way down it carries every load that it carried on the way up.", name))
		} else {
			parts = append(parts, fmt.Sprintf("Hysteresis with %s: once down, it stays down until the load is below %s (%s calls/s), which it carried on the way up.", name, spaced(loads[lost]), decimals(at(lost), 0)))
		}
	}
	for _, s := range result.Stairs {
		direction := "down"
		if s.Up {
			direction = "up"
		}
		percent, _ := parsePercentage(s.Load)
		records.Rows = append(records.Rows, []string{s.Policy, direction, report.Ratio(math.Round(percent*1e4) / 1e6), fmt.Sprint(s.Calls), fmt.Sprint(s.Succeeded), fmt.Sprint(s.Attempts)})
	}
	t.Rows = rows
	return &report.Document{
		Kind: "staircase", Title: "Up and down the loads of " + v.in.Name, Input: v.in, Result: result, Verdict: report.Verdict{Text: strings.Join(parts, " ")},
		Tables: []report.Table{t}, Charts: []chart.Chart{c}, Records: records,
		Notes: []string{fmt.Sprintf("100 %% is %s calls/s. Each step lasts %v, and its second half counts.", decimals(v.own, 1), *v.in.Hold)},
	}
}

func stairOf(policy string, up bool, load string, c fleet.Counts) stair {
	return stair{Policy: policy, Up: up, Load: load, Calls: c.Calls, Succeeded: c.Succeeded, Attempts: c.Attempts()}
}
