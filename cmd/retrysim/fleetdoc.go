package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// fleetView is a fleet's result on its way to a reader.
type fleetView struct {
	in     fleetInput
	result *simulate.FleetResult
	first  *fleet.Result
	// overlaid is what was measured over what the first run says.
	overlaid []overlaid
}

// The machine's view.
type (
	fleetResult struct {
		Metrics   map[string]measured `json:"metrics"`
		Recovered int                 `json:"recovered"` // of the faulty runs
		Faulty    int                 `json:"faulty"`
		Collapsed proportion          `json:"collapsed"`
		Runs      []fleetRun          `json:"runs"`
		Series    []fleetInterval     `json:"series"`  // of the first run
		Groups    []fleetGroupSeries  `json:"groups"`  // of the first run; null: there is one group only, whose series is that of all
		Overlay   []fleetOverlay      `json:"overlay"` // null: nothing was measured
	}
	proportion struct {
		Hits int     `json:"hits"`
		Of   int     `json:"of"`
		Low  float64 `json:"low"`
		High float64 `json:"high"`
	}
	fleetRun struct {
		Seed        uint64         `json:"seed"`
		Horizon     time.Duration  `json:"horizon_ns"`
		Events      int64          `json:"events"`
		Recovery    *time.Duration `json:"recovery_ns"` // null: it did not, or there was no fault
		Collapsed   bool           `json:"collapsed"`
		Interrupted bool           `json:"interrupted"`
		Counts      fleetCounts    `json:"counts"`
		Groups      []fleetGroup   `json:"groups"`
	}
	fleetGroup struct {
		Name    string       `json:"name"`
		Counts  fleetCounts  `json:"counts"`
		Latency fleetLatency `json:"latency_ns"`
		Bound   *fleetBound  `json:"bound"` // null: nothing stopped an attempt
	}
	// fleetBound is what stopped most of a group's attempts.
	fleetBound struct {
		By       string `json:"by"`      // server, timeout, limit, budget or pace
		Limiter  *int   `json:"limiter"` // of limit: its number, from 1
		Attempts int64  `json:"attempts"`
	}
	fleetGroupSeries struct {
		Name   string           `json:"name"`
		Series []fleetGroupStep `json:"series"`
	}
	fleetGroupStep struct {
		Start     time.Duration `json:"start_ns"`
		Calls     int64         `json:"calls"`
		Attempts  int64         `json:"attempts"`
		Retries   int64         `json:"retries"`
		Succeeded int64         `json:"succeeded"`
		Failed    int64         `json:"failed"`
		Refused   int64         `json:"refused"`
		Limited   int64         `json:"limited"`
		TimedOut  int64         `json:"timed_out"`
		GaveUp    int64         `json:"gave_up"`
	}
	fleetLatency struct {
		P50  *time.Duration `json:"p50"`
		P90  *time.Duration `json:"p90"`
		P99  *time.Duration `json:"p99"`
		P999 *time.Duration `json:"p999"`
		Max  *time.Duration `json:"max"`
	}
	fleetCounts struct {
		Calls        int64 `json:"calls"`
		Attempts     int64 `json:"attempts"`
		Retries      int64 `json:"retries"`
		Succeeded    int64 `json:"succeeded"`
		GaveUp       int64 `json:"gave_up"`
		Refused      int64 `json:"refused"`
		Limited      int64 `json:"limited"`
		TimedOut     int64 `json:"timed_out"`
		Denied       int64 `json:"denied"` // retries that a budget refused
		Served       int64 `json:"served"`
		ServedLate   int64 `json:"served_late"`
		ServedFailed int64 `json:"served_failed"`
		Dropped      int64 `json:"dropped"`
		TokensUsed   int64 `json:"tokens_used"`
		TokensWasted int64 `json:"tokens_wasted"`
	}
	fleetInterval struct {
		Start      time.Duration `json:"start_ns"`
		Calls      int64         `json:"calls"`
		Attempts   int64         `json:"attempts"`
		Retries    int64         `json:"retries"`
		Succeeded  int64         `json:"succeeded"`
		Served     int64         `json:"served"`
		ServedLate int64         `json:"served_late"`
		Queue      int64         `json:"queue"`
		Serving    int64         `json:"serving"`
		Tries      int64         `json:"tries"`
		Failed     int64         `json:"failed"`
		Refused    int64         `json:"refused"`
		Limited    int64         `json:"limited"`
		TimedOut   int64         `json:"timed_out"`
		GaveUp     int64         `json:"gave_up"`
	}
)

func countsOf(c fleet.Counts) fleetCounts {
	return fleetCounts{
		Calls: c.Calls, Attempts: c.Attempts(), Retries: c.Retries, Succeeded: c.Succeeded, GaveUp: c.GaveUp(), Refused: c.Refused,
		Limited: c.Limited, TimedOut: c.TimedOut, Denied: c.Denied, Served: c.Served, ServedLate: c.ServedLate,
		ServedFailed: c.ServedFailed, Dropped: c.Dropped, TokensUsed: c.TokensUsed, TokensWasted: c.TokensWasted,
	}
}

func latencyOf(h *fleet.Histogram) fleetLatency {
	if h.Count() == 0 {
		return fleetLatency{}
	}
	at := func(q fleet.Share) *time.Duration { d := h.Quantile(q); return &d }
	longest := h.Max()
	return fleetLatency{P50: at(500_000), P90: at(900_000), P99: at(990_000), P999: at(999_000), Max: &longest}
}

func fleetRunOf(r *fleet.Result) fleetRun {
	out := fleetRun{Seed: r.Seed, Horizon: r.Horizon, Events: r.Events, Collapsed: r.Collapsed, Interrupted: r.Interrupted, Counts: countsOf(r.Total)}
	if d, ok := r.Recovery(); ok {
		out.Recovery = &d
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		out.Groups = append(out.Groups, fleetGroup{Name: g.Name, Counts: countsOf(g.Counts), Latency: latencyOf(&g.Latency), Bound: boundOf(g)})
	}
	return out
}

// boundOf returns what stopped most of a group's attempts.
func boundOf(g *fleet.GroupResult) *fleetBound {
	by, limiter, n := g.Binding()
	if by == fleet.ByNothing {
		return nil
	}
	b := &fleetBound{By: string(by), Attempts: n}
	if by == fleet.ByLimiter {
		b.Limiter = &limiter
	}
	return b
}

// boundText says it in a cell of a table.
func boundText(g *fleet.GroupResult) string {
	b := boundOf(g)
	if b == nil {
		return "-"
	}
	text := map[fleet.Bound]string{fleet.ByServer: "the queue", fleet.ByTimeout: "timeouts", fleet.ByLimiter: "limit", fleet.ByBudget: "its budget", fleet.ByPace: "its pace"}[fleet.Bound(b.By)]
	if b.Limiter != nil {
		text += fmt.Sprintf(" %d", *b.Limiter)
	}
	return fmt.Sprintf("%s, %s", text, tty.Group(b.Attempts))
}

// groupSeriesOf returns the series of each group.
func groupSeriesOf(r *fleet.Result) []fleetGroupSeries {
	if len(r.Groups) < 2 {
		return nil
	}
	var out []fleetGroupSeries
	for _, g := range r.Groups {
		s := fleetGroupSeries{Name: g.Name}
		for k, c := range g.Series {
			s.Series = append(s.Series, fleetGroupStep{
				Start: r.Series[k].Start, Calls: c.Calls, Attempts: c.Attempts(), Retries: c.Retries, Succeeded: c.Succeeded,
				Failed: c.Failed, Refused: c.Refused, Limited: c.Limited, TimedOut: c.TimedOut, GaveUp: c.GaveUp(),
			})
		}
		out = append(out, s)
	}
	return out
}

func seriesOf(r *fleet.Result) []fleetInterval {
	out := make([]fleetInterval, len(r.Series))
	for k, i := range r.Series {
		out[k] = fleetInterval{
			Start: i.Start, Calls: i.Calls, Attempts: i.Attempts(), Retries: i.Retries, Succeeded: i.Succeeded,
			Served: i.Served, ServedLate: i.ServedLate, Queue: i.Queue, Serving: i.Serving,
			Tries: i.Tries, Failed: i.Failed, Refused: i.Refused, Limited: i.Limited, TimedOut: i.TimedOut, GaveUp: i.GaveUp(),
		}
	}
	return out
}

// metricsOf measures some runs.
func metricsOf(runs []*fleet.Result) map[string]measured {
	out := make(map[string]measured)
	for _, m := range measures {
		out[m.key] = m.over(runs)
	}
	return out
}

// document says what there is to say of the runs.
func (v fleetView) document(ctx context.Context) (*report.Document, error) {
	diagnosis := diagnose(v.result.Scenario, v.first)
	d := &report.Document{
		Kind: "fleet", Title: "Fleet of " + v.in.Name, Verdict: v.verdict(diagnosis), Hints: diagnosis.hints(),
		Input: v.in, Result: v.json(), Records: v.records(),
		Tables: v.tables(diagnosis), Charts: v.charts(),
		Notes: diagnosis.why(),
	}
	if v.in.Variant != nil {
		d.Title += ", " + v.in.Variant.String()
	}
	if m, ok := diagnosis.remedy(ctx); ok {
		d.Notes = append(d.Notes, m.sentence(diagnosis))
	}
	d.Notes = append(d.Notes, fmt.Sprintf("%s events, %v virtual", tty.Group(v.first.Events), tty.Short(v.first.Horizon)))
	for _, e := range v.result.Checks {
		where := fmt.Sprintf("line %d", e.Pos.Line)
		d.Checks = append(d.Checks, report.Check{Expr: e.Expect.String(), OK: e.OK, Got: &e.Got, Where: &where})
	}
	return d, nil
}

// verdict is that of the first run, and how many others share it.
func (v fleetView) verdict(d diagnosis) report.Verdict {
	out := d.verdict()
	if n := len(v.result.Runs); n > 1 {
		c := v.result.Collapsed
		if v.result.Faulty > 0 {
			out.Text += fmt.Sprintf(" %d of %d runs recover.", v.result.Recovered, v.result.Faulty)
		}
		out.Text += fmt.Sprintf(" %d of %d end collapsed (95 %% interval: %s to %s).", c.Hits, c.Of, tty.Percent(c.Low), tty.Percent(c.High))
	}
	out.Unasked = len(v.result.Checks) == 0
	if !v.result.OK() {
		failed := 0
		for _, c := range v.result.Checks {
			if !c.OK {
				failed++
			}
		}
		out.Mark = report.Bad
		out.Text += fmt.Sprintf(" %d of %s failed.", failed, count(len(v.result.Checks), "expectation"))
	} else if len(v.result.Checks) > 0 {
		if out.Mark == report.Bad {
			out.Mark = report.Expected
		} else {
			out.Mark = report.Good
		}
		out.Text += fmt.Sprintf(" %s hold.", count(len(v.result.Checks), "expectation"))
	}
	return out
}

func (v fleetView) json() fleetResult {
	c := v.result.Collapsed
	out := fleetResult{
		Metrics: metricsOf(v.result.Runs), Recovered: v.result.Recovered, Faulty: v.result.Faulty,
		Collapsed: proportion{c.Hits, c.Of, c.Low, c.High}, Series: seriesOf(v.first), Groups: groupSeriesOf(v.first), Overlay: overlaysOf(v.overlaid),
	}
	for _, r := range v.result.Runs {
		out.Runs = append(out.Runs, fleetRunOf(r))
	}
	return out
}

// records is the series of the first run.
func (v fleetView) records() report.Records {
	r := report.Records{Header: []string{"start_ns", "calls", "attempts", "retries", "succeeded", "served", "served_late", "queue", "serving", "tries", "failed", "refused", "limited", "timed_out", "gave_up"}}
	for _, i := range seriesOf(v.first) {
		row := []string{report.Nanoseconds(i.Start)}
		for _, n := range []int64{i.Calls, i.Attempts, i.Retries, i.Succeeded, i.Served, i.ServedLate, i.Queue, i.Serving, i.Tries, i.Failed, i.Refused, i.Limited, i.TimedOut, i.GaveUp} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// tables are the run before, in and after its faults, and the latencies; and
// the measures over many runs.
func (v fleetView) tables(d diagnosis) []report.Table {
	phases := []phase{between(v.first, 0, v.first.Horizon)}
	heads := []string{"whole run"}
	if d.faulty {
		heads = []string{"before", "fault", "after", "whole run"}
		phases = append([]phase{d.before, between(v.first, d.before.to, v.first.FaultsEnd), between(v.first, v.first.FaultsEnd, v.first.Horizon)}, phases...)
	}
	t := report.Table{Columns: []report.Column{{Head: "per second"}}}
	for _, h := range heads {
		t.Columns = append(t.Columns, report.Column{Head: h, Right: true})
	}
	row := func(name string, cell func(phase) string) {
		cells := []string{name}
		for _, p := range phases {
			if p.length() <= 0 {
				cells = append(cells, "-")
				continue
			}
			cells = append(cells, cell(p))
		}
		t.Rows = append(t.Rows, cells)
	}
	rate := func(n int64, p phase) string { return decimals(p.rate(n), 1) }
	row("calls begun", func(p phase) string { return rate(p.Calls, p) })
	row("calls that succeed", func(p phase) string { return rate(p.Succeeded, p) })
	row("attempts", func(p phase) string { return rate(p.Attempts(), p) })
	row("of them retries", func(p phase) string { return tty.Percent(part(p.Retries, p.Attempts())) })
	row("requests served", func(p phase) string { return rate(p.Served, p) })
	row("of them for nobody", func(p phase) string { return tty.Percent(part(p.ServedLate+p.ServedFailed, p.Served)) })
	row("waiting, on average", func(p phase) string { return tty.Group(p.queue) })
	tables := []report.Table{t, v.groups()}
	if len(v.result.Runs) > 1 {
		tables = append(tables, v.overRuns())
	}
	if len(v.overlaid) > 0 {
		tables = append(tables, overlayTable(v.overlaid))
	}
	return tables
}

// groups is a row for each kind of clients.
func (v fleetView) groups() report.Table {
	t := report.Table{Columns: []report.Column{
		{Head: "clients"}, {Head: "calls", Right: true}, {Head: "succeeded", Right: true}, {Head: "gave up", Right: true}, {Head: "attempts per call", Right: true}, {Head: "stopped by"},
		{Group: "time to success", Head: "p50", Right: true}, {Group: "time to success", Head: "p90", Right: true}, {Group: "time to success", Head: "p99", Right: true}, {Group: "time to success", Head: "p99.9", Right: true},
	}}
	priced := v.first.Total.Cost+v.first.Total.CostWasted > 0
	if priced {
		t.Columns = append(t.Columns, report.Column{Group: "cost", Head: "used", Right: true}, report.Column{Group: "cost", Head: "lost", Right: true})
	}
	for i := range v.first.Groups {
		g := &v.first.Groups[i]
		name := g.Name
		if name == "" {
			name = "all"
		}
		row := []string{name, tty.Group(g.Calls), tty.Percent(part(g.Succeeded, g.Calls)), tty.Percent(part(g.Counts.GaveUp(), g.Calls)), decimals(part(g.Attempts(), g.Calls), 3), boundText(g)}
		for _, q := range []fleet.Share{500_000, 900_000, 990_000, 999_000} {
			if g.Latency.Count() == 0 {
				row = append(row, "-")
				continue
			}
			row = append(row, tty.Span(g.Latency.Quantile(q)))
		}
		if priced {
			row = append(row, decimals(float64(g.Cost)/1e12, 2), decimals(float64(g.CostWasted)/1e12, 2))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// overRuns is a row for each measure over all runs.
func (v fleetView) overRuns() report.Table {
	t := report.Table{Columns: []report.Column{
		{Head: fmt.Sprintf("over %d runs", len(v.result.Runs))}, {Head: "mean", Right: true}, {Head: "± 95 %", Right: true}, {Head: "min", Right: true}, {Head: "max", Right: true},
	}}
	for _, m := range measures {
		s := m.over(v.result.Runs)
		if s.Mean == nil {
			continue
		}
		name := m.label
		if s.N < len(v.result.Runs) {
			name += fmt.Sprintf(" (of %d)", s.N)
		}
		half := "-"
		if s.Half != nil {
			half = m.unit.write(*s.Half)
		}
		t.Rows = append(t.Rows, []string{name, m.unit.write(*s.Mean), half, m.unit.write(*s.Min), m.unit.write(*s.Max)})
	}
	return t
}

// charts are the load and the queue over time, and the latencies.
func (v fleetView) charts() []chart.Chart {
	out := []chart.Chart{loadChart(v.result.Scenario, v.first), queueChart(v.result.Scenario, v.first)}
	if c, ok := groupChart(v.result.Scenario, v.first); ok {
		out = append(out, c)
	}
	if c, ok := latencyChart(v.first); ok {
		out = append(out, c)
	}
	return append(overlayCharts(v.overlaid, v.first, v.result.Scenario), out...)
}

func overTime(name string, r *fleet.Result, y func(fleet.Interval) float64) chart.Line {
	l := chart.Line{Name: name}
	for _, i := range r.Series {
		l.X, l.Y = append(l.X, i.Start.Seconds()), append(l.Y, y(i))
	}
	return l
}

func faultsOf(sc fleet.Scenario) []chart.Fault {
	var out []chart.Fault
	for _, f := range sc.Faults {
		out = append(out, chart.Fault{Name: faultName(f.Kind), From: f.From.Seconds(), To: (f.From + f.For).Seconds()})
	}
	return out
}

// loadChart shows what reaches the server and what comes of it.
func loadChart(sc fleet.Scenario, r *fleet.Result) chart.Lines {
	per := func(n int64) float64 { return perSecond(n, r.Interval) }
	c := chart.Lines{Title: "Load on the server", YLabel: "per second", Faults: faultsOf(sc), Lines: []chart.Line{
		overTime("attempts", r, func(i fleet.Interval) float64 { return per(i.Attempts()) }),
		overTime("calls that succeed", r, func(i fleet.Interval) float64 { return per(i.Succeeded) }),
	}}
	if d := diagnose(sc, r); d.capacity > 0 {
		c.Levels = []chart.Level{{Name: "capacity", Y: d.capacity}}
	}
	return c
}

func queueChart(sc fleet.Scenario, r *fleet.Result) chart.Lines {
	return chart.Lines{Title: "Requests that wait", YLabel: "requests", Faults: faultsOf(sc), Picture: longest(r) == 0, Lines: []chart.Line{
		overTime("in the queue", r, func(i fleet.Interval) float64 { return float64(i.Queue) }),
	}}
}

// groupChart shows which clients' calls succeed, if there are several kinds of
// them.
func groupChart(sc fleet.Scenario, r *fleet.Result) (chart.Lines, bool) {
	c := chart.Lines{Title: "Calls that succeed, by clients", YLabel: "per second", Faults: faultsOf(sc), Picture: true}
	for _, g := range r.Groups {
		l := chart.Line{Name: g.Name}
		for k, n := range g.Series {
			l.X, l.Y = append(l.X, r.Series[k].Start.Seconds()), append(l.Y, perSecond(n.Succeeded, r.Interval))
		}
		c.Lines = append(c.Lines, l)
	}
	return c, len(r.Groups) > 1 && len(r.Groups) <= maxCurves
}

// longest returns the longest queue.
func longest(r *fleet.Result) int64 {
	n, _ := simulate.Measured(r, scripted.SubjectQueue)
	return n
}

// latencyChart shows how long the calls that succeed take: the share of them on
// one axis, the time on the other.
func latencyChart(r *fleet.Result) (chart.Lines, bool) {
	h := r.Latency()
	if h.Count() == 0 {
		return chart.Lines{}, false
	}
	l := chart.Line{Name: "calls that succeed"}
	for q := fleet.Share(0); q <= fleet.Whole; q += 2500 {
		l.X, l.Y = append(l.X, float64(q)/1e4), append(l.Y, float64(h.Quantile(q).Milliseconds()))
	}
	return chart.Lines{Title: "Time to success", XLabel: "share of the calls that succeed, %", YLabel: "milliseconds", Picture: true, Lines: []chart.Line{l}}, true
}
