package main

import (
	"context"
	"fmt"
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
	cells    []cell // by load, then by policy
}

// sweepResult is the machine's view.
type sweepResult struct {
	Cells []cell `json:"cells"`
}

func (v sweepView) document() *report.Document {
	return &report.Document{
		Kind: "sweep", Title: "Loads of " + v.in.Name, Verdict: v.verdict(), Input: v.in, Result: sweepResult{v.cells},
		Tables: []report.Table{v.table()}, Charts: v.charts(), Records: v.records(),
		Notes: []string{fmt.Sprintf("100 %% is %s calls/s. Each load was run with the same seeds.", decimals(v.base(), 1))},
	}
}

// of returns the cells of a policy, by load.
func (v sweepView) of(policy int) []cell {
	var out []cell
	for i := policy; i < len(v.cells); i += len(v.in.Variants) {
		out = append(out, v.cells[i])
	}
	return out
}

// base is the scenario's own load in calls per second.
func (v sweepView) base() float64 {
	for _, c := range v.cells {
		if c.Runs > 0 && c.Load > 0 {
			return perSecond(c.Calls, v.scenario.Horizon) / float64(c.Runs) / (float64(c.Load) / 1e6)
		}
	}
	return 0
}

// breaks returns the least load at which more than half of the runs do not
// recover, or without a fault collapse, and do so at every load above; ok is
// false if there is none.
func breaks(cells []cell) (load int64, ok bool) {
	for i := len(cells) - 1; i >= 0; i-- {
		c := cells[i]
		bad := c.Collapsed
		if c.Faulty > 0 {
			bad = c.Faulty - c.Recovered
		}
		if 2*bad <= c.Runs {
			break
		}
		load, ok = c.Load, true
	}
	return load, ok
}

func (v sweepView) verdict() report.Verdict {
	var parts []string
	for i, policy := range v.in.Variants {
		name := "The fleet"
		if len(v.in.Variants) > 1 {
			name = "With " + policy.Name + " it"
		}
		cells := v.of(i)
		what, always := "recovers", "at every load tried"
		if cells[0].Faulty == 0 {
			what = "holds"
		}
		if load, ok := breaks(cells); !ok {
			parts = append(parts, fmt.Sprintf("%s %s %s.", name, what, always))
		} else if load == cells[0].Load {
			parts = append(parts, fmt.Sprintf("%s %s at no load tried.", name, what))
		} else {
			parts = append(parts, fmt.Sprintf("%s %s below %s of the load (%s calls/s) and no longer from there on.", name, what, percentOf(load), decimals(v.base()*float64(load)/1e6, 0)))
		}
	}
	return report.Verdict{Text: strings.Join(parts, " ")}
}

func percentOf(load int64) string { return decimals(float64(load)/1e4, 1) + " %" }

func (v sweepView) table() report.Table {
	t := report.Table{Columns: []report.Column{{Head: "load", Right: true}, {Head: "calls/s", Right: true}}}
	for _, p := range v.in.Variants {
		for _, h := range []string{"succeeded", "per call", "recovers", "p99"} {
			t.Columns = append(t.Columns, report.Column{Group: p.Name, Head: h, Right: true})
		}
	}
	n := len(v.in.Variants)
	for i := 0; i < len(v.cells); i += n {
		row := []string{percentOf(v.cells[i].Load), decimals(v.base()*float64(v.cells[i].Load)/1e6, 0)}
		for _, c := range v.cells[i : i+n] {
			recovers := fmt.Sprintf("%d of %d", c.Recovered, c.Faulty)
			if c.Faulty == 0 {
				recovers = fmt.Sprintf("%d of %d", c.Runs-c.Collapsed, c.Runs)
			}
			p99 := "-"
			if d, ok := c.quantile(990_000); ok {
				p99 = tty.Span(d)
			}
			row = append(row, tty.Percent(part(c.Succeeded, c.Calls)), decimals(part(c.Attempts, c.Calls), 3), recovers, p99)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (v sweepView) charts() []chart.Chart {
	band := vulnerableBand(v.in, v.scenario)
	good := chart.Lines{Title: "Calls that succeed, by load", XLabel: "calls per second", YLabel: "%", Faults: band}
	collapse := chart.Lines{Title: "Probability that the run ends collapsed", XLabel: "calls per second", YLabel: "%, with its 95 % interval dashed", Faults: band, Picture: true}
	for i, p := range v.in.Variants {
		g, mid, lo, hi := chart.Line{Name: p.Name}, chart.Line{Name: p.Name}, chart.Line{Name: p.Name + ", low", Dashed: true}, chart.Line{Name: p.Name + ", high", Dashed: true}
		for _, c := range v.of(i) {
			x := v.base() * float64(c.Load) / 1e6
			w := simulate.Wilson(int(c.Collapsed), int(c.Runs))
			g.X, g.Y = append(g.X, x), append(g.Y, 100*part(c.Succeeded, c.Calls))
			for _, l := range []struct {
				line *chart.Line
				y    float64
			}{{&mid, part(c.Collapsed, c.Runs)}, {&lo, w.Low}, {&hi, w.High}} {
				l.line.X, l.line.Y = append(l.line.X, x), append(l.line.Y, 100*l.y)
			}
		}
		good.Lines = append(good.Lines, g)
		collapse.Lines = append(collapse.Lines, mid)
		collapse.Lines = append(collapse.Lines, lo, hi)
	}
	return []chart.Chart{good, collapse}
}

// vulnerableBand is the load from C/n to C, in which retries can keep an
// overload up, for the scenario's own policy or the first one.
func vulnerableBand(in sweepInput, sc fleet.Scenario) []chart.Fault {
	altered, err := in.Variants[0].apply(sc)
	if err != nil {
		return nil
	}
	d := diagnose(altered, &fleet.Result{Horizon: sc.Horizon, FaultsEnd: -1})
	if d.capacity == 0 || d.attempts < 2 || d.attempts == retry.Unlimited {
		return nil
	}
	return []chart.Fault{{Name: fmt.Sprintf("vulnerable band C/%d to C", d.attempts), From: d.capacity / float64(d.attempts), To: d.capacity}}
}

func (v sweepView) records() report.Records {
	r := report.Records{Header: []string{"load", "policy", "runs", "recovered", "faulty", "collapsed", "calls", "attempts", "succeeded", "served", "wasted", "p50_ns", "p99_ns"}}
	for _, c := range v.cells {
		row := []string{report.Ratio(float64(c.Load) / 1e6), c.Policy}
		for _, n := range []int64{c.Runs, c.Recovered, c.Faulty, c.Collapsed, c.Calls, c.Attempts, c.Succeeded, c.Served, c.Wasted} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		for _, q := range []fleet.Share{500_000, 990_000} {
			d, ok := c.quantile(q)
			row = append(row, report.Nanoseconds(d))
			if !ok {
				row[len(row)-1] = ""
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
	Load      int64  `json:"load"`
	Calls     int64  `json:"calls"` // in the second half of the step
	Succeeded int64  `json:"succeeded"`
	Attempts  int64  `json:"attempts"`
}

// staircaseResult is the machine's view.
type staircaseResult struct {
	Stairs []stair `json:"stairs"`
}

// climb lets the load climb to the highest and go down again, within one run for
// each policy, and measures the second half of each step.
func (in sweepInput) climb(ctx context.Context, c *cobra.Command, sc fleet.Scenario) (*report.Document, error) {
	hold := *in.Hold
	loads := append([]int64{}, in.Loads...)
	for i := len(in.Loads) - 2; i >= 0; i-- {
		loads = append(loads, in.Loads[i])
	}
	if hold > (1<<62)/time.Duration(len(loads)) {
		return nil, fmt.Errorf("--hold: %v is too long", hold)
	}
	sc.Faults, sc.Changes = nil, nil
	sc.Horizon = hold * time.Duration(len(loads))
	sc.Interval = max(hold/20, time.Millisecond)
	base := 0.0
	for _, g := range sc.Groups {
		for _, a := range g.Arrivals {
			if len(a.Steps) > 0 {
				base += float64(a.Steps[0].Rate) / float64(fleet.PerSecond)
			}
		}
	}
	if base == 0 {
		return nil, fmt.Errorf("sweep: %s has no rate that can climb (arrive poisson or uniform)", in.Name)
	}
	p := newProgress(c, len(in.Variants), sc.Horizon)
	defer p.clear()
	var stairs []stair
	for _, v := range in.Variants {
		altered, err := v.apply(sc)
		if err != nil {
			return nil, err
		}
		run, err := fleet.Run(p.watch(ctx), staircase(altered, loads, hold), in.Seed)
		if err != nil {
			return nil, err
		}
		if run.Interrupted {
			return nil, errInterrupted
		}
		p.next(run.Events)
		for i, load := range loads {
			from := hold * time.Duration(i)
			half := between(run, from+hold/2, from+hold)
			stairs = append(stairs, stair{Policy: v.Name, Up: i < len(in.Loads), Load: load, Calls: half.Calls, Succeeded: half.Succeeded, Attempts: half.Attempts()})
		}
	}
	return in.staircaseDocument(sc, stairs, base), nil
}

// staircase returns the scenario with the loads one after another.
func staircase(sc fleet.Scenario, loads []int64, hold time.Duration) fleet.Scenario {
	sc.Groups = append([]fleet.Group(nil), sc.Groups...)
	for i := range sc.Groups {
		g := &sc.Groups[i]
		g.Arrivals = append([]fleet.Arrival(nil), g.Arrivals...)
		for k := range g.Arrivals {
			a := &g.Arrivals[k]
			if len(a.Steps) == 0 {
				continue
			}
			rate := a.Steps[0].Rate
			a.Steps = nil
			for n, load := range loads {
				a.Steps = append(a.Steps, fleet.Step{At: hold * time.Duration(n), Rate: fleet.Rate(float64(rate) * float64(load) / 1e6)})
			}
		}
	}
	return sc
}

func (in sweepInput) staircaseDocument(sc fleet.Scenario, stairs []stair, base float64) *report.Document {
	c := chart.Lines{Title: "Calls that succeed while the load climbs, and while it goes down", XLabel: "calls per second", YLabel: "calls that succeed, %", Faults: vulnerableBand(in, sc)}
	t := report.Table{Columns: []report.Column{{Head: "load", Right: true}, {Head: "calls/s", Right: true}}}
	records := report.Records{Header: []string{"policy", "direction", "load", "calls", "succeeded", "attempts"}}
	rows := make([][]string, len(in.Loads))
	for i, load := range in.Loads {
		rows[i] = []string{percentOf(load), decimals(base*float64(load)/1e6, 0)}
	}
	var parts []string
	n := 2*len(in.Loads) - 1
	for p, v := range in.Variants {
		up, down := chart.Line{Name: v.Name + ", up"}, chart.Line{Name: v.Name + ", down", Dashed: true}
		mine := stairs[p*n : (p+1)*n]
		lost := int64(-1) // the least load at which the way down is worse
		for i, s := range mine {
			x, y := base*float64(s.Load)/1e6, 100*part(s.Succeeded, s.Calls)
			direction := "down"
			if s.Up {
				direction = "up"
				up.X, up.Y = append(up.X, x), append(up.Y, y)
			}
			if !s.Up || i == len(in.Loads)-1 { // the top belongs to both
				down.X, down.Y = append([]float64{x}, down.X...), append([]float64{y}, down.Y...)
			}
			records.Rows = append(records.Rows, []string{v.Name, direction, report.Ratio(float64(s.Load) / 1e6), fmt.Sprint(s.Calls), fmt.Sprint(s.Succeeded), fmt.Sprint(s.Attempts)})
			if !s.Up {
				climbing := mine[n-1-i]
				if part(s.Succeeded, s.Calls) < part(climbing.Succeeded, climbing.Calls)-.1 {
					lost = s.Load
				}
			}
		}
		c.Lines = append(c.Lines, up, down)
		t.Columns = append(t.Columns, report.Column{Group: v.Name, Head: "up", Right: true}, report.Column{Group: v.Name, Head: "down", Right: true})
		for i := range in.Loads {
			rows[i] = append(rows[i], tty.Percent(part(mine[i].Succeeded, mine[i].Calls)), tty.Percent(part(mine[n-1-i].Succeeded, mine[n-1-i].Calls)))
		}
		if lost < 0 {
			parts = append(parts, fmt.Sprintf("No hysteresis with %s: on the way down as many calls succeed as on the way up.", v.Name))
		} else {
			parts = append(parts, fmt.Sprintf("Hysteresis with %s: once down, it stays down until the load is below %s (%s calls/s), which it carried on the way up.", v.Name, percentOf(lost), decimals(base*float64(lost)/1e6, 0)))
		}
	}
	t.Rows = rows
	return &report.Document{
		Kind: "staircase", Title: "Up and down the loads of " + in.Name, Input: in, Result: staircaseResult{stairs}, Verdict: report.Verdict{Text: strings.Join(parts, " ")},
		Tables: []report.Table{t}, Charts: []chart.Chart{c}, Records: records,
		Notes: []string{fmt.Sprintf("100 %% is %s calls/s. Each step lasts %v, and its second half counts.", decimals(base, 1), *in.Hold)},
	}
}
