package simulate

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// Subjects is what a fleet's run is measured in, in the order of a table.
var Subjects = []scripted.Subject{
	scripted.SubjectSuccesses, scripted.SubjectGaveUp, scripted.SubjectAmplification, scripted.SubjectWasted,
	scripted.SubjectPeak, scripted.SubjectQueue, scripted.SubjectRecovery,
	scripted.SubjectP50, scripted.SubjectP90, scripted.SubjectP99, scripted.SubjectP999, scripted.SubjectCost,
}

// Measured returns what a run came to in one of the [Subjects], in the integers
// that expectations compare: shares, ratios and costs in millionths, times in
// nanoseconds. ok is false where there is no such number: of a recovery that
// does not come, of a share of nothing, of the latency of no success, of the
// cost without prices. It panics if the subject is none of them.
func Measured(run *fleet.Result, subject scripted.Subject) (v int64, ok bool) {
	return measure(run, subject, "")
}

// never is the recovery of a run that does not recover: longer than any.
const never = math.MaxInt64

// measure is Measured of all clients or of one group. Where there is no number
// it returns what an expectation is to compare instead.
func measure(run *fleet.Result, subject scripted.Subject, group string) (v int64, ok bool) {
	counts, latency := run.Total, run.Latency()
	if i := slices.IndexFunc(run.Groups, func(g fleet.GroupResult) bool { return g.Name == group }); group != "" && i >= 0 {
		counts, latency = run.Groups[i].Counts, &run.Groups[i].Latency
	}
	quantile := func(q fleet.Share) (int64, bool) { return int64(latency.Quantile(q)), latency.Count() > 0 }
	switch subject {
	case scripted.SubjectRecovery:
		if d, ok := run.Recovery(); ok {
			return int64(d), true
		}
		return never, false
	case scripted.SubjectSuccesses:
		return millionths(counts.Succeeded, counts.Calls)
	case scripted.SubjectGaveUp:
		return millionths(counts.GaveUp(), counts.Calls)
	case scripted.SubjectAmplification:
		return millionths(counts.Attempts(), counts.Calls)
	case scripted.SubjectWasted:
		return millionths(counts.ServedLate+counts.ServedFailed, counts.Served)
	case scripted.SubjectP50:
		return quantile(500_000)
	case scripted.SubjectP90:
		return quantile(900_000)
	case scripted.SubjectP99:
		return quantile(990_000)
	case scripted.SubjectP999:
		return quantile(999_000)
	case scripted.SubjectCost:
		cost := counts.Cost + counts.CostWasted
		return cost / 1_000_000, cost > 0
	case scripted.SubjectPeak, scripted.SubjectQueue:
		for _, i := range run.Series {
			if subject == scripted.SubjectQueue {
				v = max(v, i.Queue)
			} else {
				v = max(v, i.Attempts())
			}
		}
		return v, true
	}
	panic(fmt.Sprintf("simulate: %q is not about a fleet", subject))
}

// millionths returns a/b in millionths; 0 and false if b is 0.
func millionths(a, b int64) (v int64, ok bool) {
	return int64(fleet.Ratio(a, b)), b > 0
}

// Summary is a number over several runs, in the units of [Measured].
type Summary struct {
	N              int // runs that have the number; of none the rest is 0
	Mean, Min, Max float64
	// Half is half the width of the interval that holds the mean in 95 of 100
	// cases (Student); 0 of a single run, which has none.
	Half float64
}

// Summarize sums up a subject over runs.
func Summarize(subject scripted.Subject, runs []*fleet.Result) Summary {
	var values []float64
	for _, r := range runs {
		if v, ok := Measured(r, subject); ok {
			values = append(values, float64(v))
		}
	}
	s := Summary{N: len(values)}
	if s.N > 0 {
		s.Mean, s.Half = meanOf(values)
		s.Min, s.Max = slices.Min(values), slices.Max(values)
	}
	return s
}

// Difference is the mean of the paired differences of two lists of runs, in the
// units of [Measured].
type Difference struct {
	N          int     // pairs that both have the number
	Mean, Half float64 // as of a [Summary]
}

// Differ returns by how much a subject is more in the first runs than in the
// second, pair by pair: the runs of both in the order of their seeds.
func Differ(subject scripted.Subject, a, b []*fleet.Result) Difference {
	return DifferBy(func(r *fleet.Result) (int64, bool) { return Measured(r, subject) }, a, b)
}

// DifferBy is [Differ] of any number of a run; ok is false where it has none.
func DifferBy(number func(*fleet.Result) (v int64, ok bool), a, b []*fleet.Result) Difference {
	var values []float64
	for k := range min(len(a), len(b)) {
		x, ok1 := number(a[k])
		y, ok2 := number(b[k])
		if ok1 && ok2 {
			values = append(values, float64(x)-float64(y))
		}
	}
	d := Difference{N: len(values)}
	if d.N > 0 {
		d.Mean, d.Half = meanOf(values)
	}
	return d
}

// Clear reports whether 0 is not in the interval. Otherwise, and of a single
// pair, there is no difference to speak of.
func (d Difference) Clear() bool { return d.N > 1 && math.Abs(d.Mean) > d.Half }

// meanOf returns the mean and half the width of its 95 % interval, 0 of a
// single value.
func meanOf(values []float64) (mean, half float64) {
	n := float64(len(values))
	if n < 2 {
		return values[0], 0
	}
	mean, deviation := stat.MeanStdDev(values, nil)
	return mean, student(n) * deviation / math.Sqrt(n)
}

// student is the factor of a 95 % interval from n values.
func student(n float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(.975)
}
