package simulate

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retrykit/retrykit/simulate/fleet"
)

// Series is a measured series: what came of each interval, under the name that
// the simulated one has.
type Series struct {
	Name   string
	Values []SeriesValue
}

// SeriesValue is the value of the interval that begins at a time.
type SeriesValue struct {
	Start time.Duration
	Value int64
}

// seriesOf are the simulated series that a measured one can be laid over.
var seriesOf = []struct {
	name string
	of   func(*fleet.Interval) int64
}{
	{"calls", func(i *fleet.Interval) int64 { return i.Calls }},
	{"tries", func(i *fleet.Interval) int64 { return i.Tries }},
	{"retries", func(i *fleet.Interval) int64 { return i.Retries }},
	{"attempts", func(i *fleet.Interval) int64 { return i.Attempts() }},
	{"succeeded", func(i *fleet.Interval) int64 { return i.Succeeded }},
	{"failed", func(i *fleet.Interval) int64 { return i.Failed }},
	{"refused", func(i *fleet.Interval) int64 { return i.Refused }},
	{"limited", func(i *fleet.Interval) int64 { return i.Limited }},
	{"timed_out", func(i *fleet.Interval) int64 { return i.TimedOut }},
	{"gave_up", func(i *fleet.Interval) int64 { return i.GaveUp() }},
	{"served", func(i *fleet.Interval) int64 { return i.Served }},
	{"served_late", func(i *fleet.Interval) int64 { return i.ServedLate }},
	{"queue", func(i *fleet.Interval) int64 { return i.Queue }},
	{"serving", func(i *fleet.Interval) int64 { return i.Serving }},
}

// SeriesNames lists the series that can be compared, in their order.
func SeriesNames() []string {
	var names []string
	for _, s := range seriesOf {
		names = append(names, s.name)
	}
	return names
}

// SimulatedSeries returns a series of a run; ok is false if there is none of
// the name.
func SimulatedSeries(run *fleet.Result, name string) (s Series, ok bool) {
	i := slices.Index(SeriesNames(), name)
	if i < 0 {
		return Series{}, false
	}
	s.Name = name
	for k := range run.Series {
		s.Values = append(s.Values, SeriesValue{run.Series[k].Start, seriesOf[i].of(&run.Series[k])})
	}
	return s, true
}

// RecordedSeries returns what a recording says in steps of an interval: the
// calls that began in each, and those that were answered in it.
func RecordedSeries(log []fleet.Record, interval time.Duration) []Series {
	calls, answers := make(map[int64]int64), make(map[int64]int64)
	last := int64(0)
	for _, r := range log {
		began, ended := int64(r.At/interval), int64((r.At+r.Latency)/interval)
		calls[began]++
		if r.Answered {
			answers[ended]++
		}
		last = max(last, began, ended)
	}
	out := []Series{{Name: "calls"}, {Name: "succeeded"}}
	for k := range last + 1 {
		start := time.Duration(k) * interval
		out[0].Values = append(out[0].Values, SeriesValue{start, calls[k]})
		out[1].Values = append(out[1].Values, SeriesValue{start, answers[k]})
	}
	return out
}

// ReadSeries reads measured series from CSV with a header: start_ns, the
// beginning of each interval since the start of the run, and a column for each
// of [SeriesNames] that was measured. A cell may be empty. An error names the
// file and the line.
func ReadSeries(name string, r io.Reader) ([]Series, error) {
	in := csv.NewReader(r)
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: no header: %w", name, err)
	}
	if len(header) < 2 || header[0] != "start_ns" {
		return nil, fmt.Errorf("%s:1: the first column is start_ns, and at least one of %s follows", name, strings.Join(SeriesNames(), ", "))
	}
	var out []Series
	for _, h := range header[1:] {
		if !slices.Contains(SeriesNames(), h) {
			return nil, fmt.Errorf("%s:1: unknown series %q (known: %s)", name, h, strings.Join(SeriesNames(), ", "))
		}
		out = append(out, Series{Name: h})
	}
	last := int64(-1)
	for {
		row, err := in.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := in.FieldPos(0)
		start, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil || start <= last {
			return nil, fmt.Errorf("%s:%d: start_ns is %q: want whole numbers from 0, in order", name, line, row[0])
		}
		last = start
		for i, cell := range row[1:] {
			if cell == "" {
				continue
			}
			v, err := strconv.ParseInt(cell, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %s is %q: want a whole number", name, line, header[i+1], cell)
			}
			out[i].Values = append(out[i].Values, SeriesValue{time.Duration(start), v})
		}
	}
}

// Overlaid is how far a simulated series is from a measured one.
type Overlaid struct {
	Name      string
	Intervals int // that both have
	// Error is the mean distance, Bias the mean of simulated less measured, and
	// Relative the sum of the distances over the sum of what was measured; NaN
	// if that is 0.
	Error, Bias, Relative float64
}

// Overlay compares a run with measured series. Values whose interval the run
// does not have, by its start, are left out; a series that shares none with it
// is an error.
func Overlay(run *fleet.Result, measured []Series) ([]Overlaid, error) {
	var out []Overlaid
	for _, m := range measured {
		simulated, ok := SimulatedSeries(run, m.Name)
		if !ok {
			return nil, fmt.Errorf("simulate: overlay: unknown series %q (known: %s)", m.Name, strings.Join(SeriesNames(), ", "))
		}
		o := Overlaid{Name: m.Name}
		var distance, bias, total float64
		for _, v := range m.Values {
			i := int(v.Start / run.Interval)
			if i >= len(simulated.Values) || simulated.Values[i].Start != v.Start {
				continue
			}
			o.Intervals++
			d := float64(simulated.Values[i].Value - v.Value)
			distance += max(d, -d)
			bias += d
			total += float64(v.Value)
		}
		if o.Intervals == 0 {
			return nil, fmt.Errorf("simulate: overlay: %s has no interval in common with the run, whose steps are %v", m.Name, run.Interval)
		}
		n := float64(o.Intervals)
		o.Error, o.Bias, o.Relative = distance/n, bias/n, distance/total
		out = append(out, o)
	}
	return out, nil
}
