package main

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/retrykit/retrykit/cmd/retrysim/internal/tty"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// measure is one of the subjects of package simulate as people and machines read
// it.
type measure struct {
	subject scripted.Subject
	key     string // in JSON and CSV
	label   string
	unit    unit
	better  int // 1 if more is better, -1 if less is
}

// unit says how a number is written.
type unit int

const (
	share       unit = iota // from 0 to 1
	ratio                   // such as attempts per call
	number                  // of things
	perInterval             // of things in an interval: a rate per second
	duration                // in nanoseconds
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

// measures is every measure, in the order of the columns.
var measures = []measure{
	{scripted.SubjectSuccesses, "succeeded", "succeeded", share, 1},
	{scripted.SubjectGaveUp, "gave_up", "gave up", share, -1},
	{scripted.SubjectAmplification, "attempts_per_call", "attempts per call", ratio, -1},
	{scripted.SubjectWasted, "wasted", "work for nobody", share, -1},
	{scripted.SubjectPeak, "peak", "peak attempts", perInterval, -1},
	{scripted.SubjectQueue, "queue", "longest queue", number, -1},
	{scripted.SubjectRecovery, "recovery_ns", "recovery", duration, -1},
	{scripted.SubjectP50, "p50_ns", "p50", duration, -1},
	{scripted.SubjectP90, "p90_ns", "p90", duration, -1},
	{scripted.SubjectP99, "p99_ns", "p99", duration, -1},
	{scripted.SubjectP999, "p999_ns", "p99.9", duration, -1},
	{scripted.SubjectCost, "cost", "cost", money, -1},
}

// factor makes a number of package simulate one of the measure's unit.
func (m measure) factor(runs []*fleet.Result) float64 {
	switch {
	case m.unit == share, m.unit == ratio, m.unit == money:
		return 1e-6
	case m.unit == perInterval && len(runs) > 0:
		return perSecond(1, runs[0].Interval)
	}
	return 1
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// measureOf returns the measure of a name: its key, or the word of the language
// of scenarios.
func measureOf(name string) (measure, bool) {
	i := slices.IndexFunc(measures, func(m measure) bool {
		return m.key == name || strings.TrimSuffix(m.key, "_ns") == name || string(m.subject) == name
	})
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

// measured is a measure over some runs.
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
	s := simulate.Summarize(m.subject, runs)
	out := measured{N: s.N}
	if s.N == 0 {
		return out
	}
	scaled := func(v float64) *float64 { v *= m.factor(runs); return &v }
	out.Mean, out.Min, out.Max = scaled(s.Mean), scaled(s.Min), scaled(s.Max)
	if s.N > 1 {
		out.Half = scaled(s.Half)
	}
	return out
}

// difference95 is the mean of the paired differences of two policies, with half
// the width of its 95 % confidence interval.
type difference95 struct {
	Mean float64 `json:"mean"`
	Half float64 `json:"half"`
	N    int     `json:"n"` // pairs

	clear bool
}

// differs returns how much more of the measure one has than the other, seed by
// seed.
func (m measure) differs(a, b []*fleet.Result) (difference95, bool) {
	return m.scaled(simulate.Differ(m.subject, a, b), a)
}

func (m measure) scaled(d simulate.Difference, runs []*fleet.Result) (difference95, bool) {
	f := m.factor(runs)
	return difference95{d.Mean * f, d.Half * f, d.N, d.Clear()}, d.N > 0
}
