package main

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// measure is a number that a fleet's run is judged by.
type measure struct {
	key   string // in JSON and CSV
	names []string
	label string
	unit  unit
	// better is 1 if more is better, -1 if less is, 0 if neither is.
	better int
	of     func(*fleet.Result) (v float64, ok bool) // not ok: it does not apply
}

// unit says how a number is written.
type unit int

const (
	share    unit = iota // from 0 to 1
	ratio                // such as attempts per call
	number               // of things
	duration             // in nanoseconds
	money
)

// write writes a number for people.
func (u unit) write(v float64) string {
	switch u {
	case share:
		return tty.Percent(v)
	case ratio:
		return decimals(v, 3)
	case duration:
		return tty.Span(time.Duration(v))
	case money:
		return decimals(v, 2)
	}
	return tty.Group(int64(math.Round(v)))
}

// measures is every measure, in the order of the columns. The names besides the
// key are those that the language of scenarios and people use.
var measures = []measure{
	{"succeeded", []string{"successes"}, "succeeded", share, 1, of(func(c fleet.Counts) (int64, int64) { return c.Succeeded, c.Calls })},
	{"gave_up", []string{"gave-up"}, "gave up", share, -1, of(func(c fleet.Counts) (int64, int64) { return c.GaveUp(), c.Calls })},
	{"attempts_per_call", []string{"amplification"}, "attempts per call", ratio, -1, of(func(c fleet.Counts) (int64, int64) { return c.Attempts(), c.Calls })},
	{"wasted", nil, "work for nobody", share, -1, of(func(c fleet.Counts) (int64, int64) { return c.ServedLate + c.ServedFailed, c.Served })},
	{"peak", nil, "peak attempts", number, -1, func(r *fleet.Result) (float64, bool) { return float64(peak(r)), true }},
	{"queue", nil, "longest queue", number, -1, func(r *fleet.Result) (float64, bool) { return float64(longestQueue(r)), true }},
	{"recovery_ns", []string{"recovery"}, "recovery", duration, -1, func(r *fleet.Result) (float64, bool) {
		d, ok := r.Recovery()
		return float64(d), ok
	}},
	{"p50_ns", []string{"p50"}, "p50", duration, -1, quantile(500_000)},
	{"p90_ns", []string{"p90"}, "p90", duration, -1, quantile(900_000)},
	{"p99_ns", []string{"p99"}, "p99", duration, -1, quantile(990_000)},
	{"p999_ns", []string{"p999"}, "p99.9", duration, -1, quantile(999_000)},
	{"cost", nil, "cost", money, -1, func(r *fleet.Result) (float64, bool) {
		c := r.Total.Cost + r.Total.CostWasted
		return float64(c) / 1e12, c > 0
	}},
}

func of(parts func(fleet.Counts) (a, b int64)) func(*fleet.Result) (float64, bool) {
	return func(r *fleet.Result) (float64, bool) {
		a, b := parts(r.Total)
		if b == 0 {
			return 0, false
		}
		return float64(a) / float64(b), true
	}
}

func quantile(q fleet.Share) func(*fleet.Result) (float64, bool) {
	return func(r *fleet.Result) (float64, bool) {
		h := r.Latency()
		return float64(h.Quantile(q)), h.Count() > 0
	}
}

// peak returns the most attempts of an interval, as a rate per second.
func peak(r *fleet.Result) int64 {
	most := int64(0)
	for _, i := range r.Series {
		most = max(most, i.Attempts())
	}
	return int64(perSecond(most, r.Interval))
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func longestQueue(r *fleet.Result) int64 {
	most := int64(0)
	for _, i := range r.Series {
		most = max(most, i.Queue)
	}
	return most
}

// measureOf returns the measure of a name.
func measureOf(name string) (measure, bool) {
	i := slices.IndexFunc(measures, func(m measure) bool { return m.key == name || slices.Contains(m.names, name) })
	if i < 0 {
		return measure{}, false
	}
	return measures[i], true
}

func measureNames() []string {
	var names []string
	for _, m := range measures {
		names = append(names, strings.TrimSuffix(m.key, "_ns"))
	}
	return names
}

// measured are the measures of some runs: of each the mean over the runs to
// which it applies.
type measured struct {
	Mean *float64 `json:"mean"` // null: it applies to no run
	Min  *float64 `json:"min"`
	Max  *float64 `json:"max"`
	// Half is half the width of the 95 % confidence interval of the mean, null
	// for a single run.
	Half *float64 `json:"half"`
	N    int      `json:"n"` // runs to which it applies
}

func (m measure) over(runs []*fleet.Result) measured {
	var values []float64
	for _, r := range runs {
		if v, ok := m.of(r); ok {
			values = append(values, v)
		}
	}
	return summarize(values)
}

func summarize(values []float64) measured {
	out := measured{N: len(values)}
	if len(values) == 0 {
		return out
	}
	lo, hi := slices.Min(values), slices.Max(values)
	average, half := meanOf(values)
	out.Mean, out.Min, out.Max = &average, &lo, &hi
	if len(values) > 1 {
		out.Half = &half
	}
	return out
}
