package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/chart"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/report"
	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// overlayInput is what was measured.
type overlayInput struct {
	Name string `json:"name"`
	CSV  string `json:"csv"`
}

// overlaid is a measured series over the simulated one.
type overlaid struct {
	simulate.Overlaid
	measured, simulated simulate.Series
}

// lay lays what was measured over a run.
func (in *overlayInput) lay(run *fleet.Result) ([]overlaid, error) {
	if in == nil {
		return nil, nil
	}
	series, err := simulate.ReadSeries(in.Name, strings.NewReader(in.CSV))
	if err != nil {
		return nil, err
	}
	over, err := simulate.Overlay(run, series)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.Name, err)
	}
	var out []overlaid
	for k, o := range over {
		s, _ := simulate.SimulatedSeries(run, o.Name)
		out = append(out, overlaid{o, series[k], s})
	}
	return out, nil
}

// fleetOverlay is the machine's view.
type fleetOverlay struct {
	Series    string   `json:"series"`
	Intervals int      `json:"intervals"` // that both have
	Error     float64  `json:"error"`     // the mean distance
	Bias      float64  `json:"bias"`      // the mean of simulated less measured
	Relative  *float64 `json:"relative"`  // the distances over what was measured; null if that is 0
}

func overlaysOf(all []overlaid) []fleetOverlay {
	var out []fleetOverlay
	for _, o := range all {
		f := fleetOverlay{Series: o.Name, Intervals: o.Intervals, Error: o.Error, Bias: o.Bias}
		if !math.IsNaN(o.Relative) && !math.IsInf(o.Relative, 0) {
			f.Relative = &o.Relative
		}
		out = append(out, f)
	}
	return out
}

// overlayTable is a row for each series.
func overlayTable(all []overlaid) report.Table {
	t := report.Table{Columns: []report.Column{
		{Head: "simulated against measured"}, {Head: "intervals", Right: true}, {Head: "off by", Right: true}, {Head: "on average by", Right: true}, {Head: "relative error", Right: true},
	}}
	for _, o := range overlaysOf(all) {
		relative := "-"
		if o.Relative != nil {
			relative = tty.Percent(*o.Relative)
		}
		t.Rows = append(t.Rows, []string{o.Series, tty.Group(int64(o.Intervals)), decimals(o.Error, 2), fmt.Sprintf("%+.2f", o.Bias), relative})
	}
	return t
}

// overlayCharts draw each measured series over the simulated one; a terminal has
// room for the first two.
func overlayCharts(all []overlaid, run *fleet.Result, sc fleet.Scenario) []chart.Chart {
	var out []chart.Chart
	for k, o := range overlaysOf(all) {
		title := fmt.Sprintf("%s, simulated and measured: off by %s an interval", o.Series, decimals(o.Error, 2))
		if o.Relative != nil {
			title += fmt.Sprintf(" (%s)", tty.Percent(*o.Relative))
		}
		line := func(name string, s simulate.Series) chart.Line {
			l := chart.Line{Name: name}
			for _, v := range s.Values {
				if v.Start < run.Horizon {
					l.X, l.Y = append(l.X, v.Start.Seconds()), append(l.Y, float64(v.Value))
				}
			}
			return l
		}
		c := chart.Lines{Title: title, YLabel: fmt.Sprintf("in %v", run.Interval), Faults: faultsOf(sc), Picture: k >= 2, Lines: []chart.Line{line("simulated", all[k].simulated), line("measured", all[k].measured)}}
		out = append(out, c)
	}
	return out
}
