package simulate

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// FleetOptions say how a fleet scenario is run. The zero FleetOptions run it
// once, as the script says.
type FleetOptions struct {
	Policy *retry.Policy // of every group; nil: the script's
	Seed   *uint64       // the first; nil: the script's, else [DefaultSeed]
	Runs   int           // with the seeds from the first on; 0 acts as 1
	// Alter changes what the script describes before it is run; nil: nothing.
	Alter func(*fleet.Scenario)
	// Files holds the recordings, under the names that the script has; nil: a
	// script that names one is an error.
	Files fs.FS
}

// FleetResult is what came of a fleet scenario.
type FleetResult struct {
	Scenario fleet.Scenario
	Seed     uint64 // the first
	// Runs are the runs that ended or were interrupted, by seed.
	Runs   []*fleet.Result
	Checks []Result // the script's expectations, in the order of the text

	// Recovered is how many of the runs recovered, out of those with a fault
	// to recover from.
	Recovered, Faulty int
	Collapsed         Proportion // of the runs
	Interrupted       bool
}

// Fleet runs a fleet scenario with its own seed.
func Fleet(s *scripted.Script) (*FleetResult, error) {
	return RunFleet(context.Background(), s, FleetOptions{})
}

// RunFleet runs a fleet scenario. An error is that of [Scenario]. When the
// context ends, the result holds the runs until then, the last one as far as it
// got. Several runs use all processors.
func RunFleet(ctx context.Context, s *scripted.Script, o FleetOptions) (*FleetResult, error) {
	sc, err := Scenario(s, o)
	if err != nil {
		return nil, err
	}
	if o.Alter != nil {
		o.Alter(&sc)
	}
	r := &FleetResult{Scenario: sc, Seed: pick(o.Seed, s.Seed, DefaultSeed)}
	runs := make([]*fleet.Result, max(o.Runs, 1))
	parallel(len(runs), func(k int) {
		runs[k], _ = fleet.Run(ctx, sc, r.Seed+uint64(k)) // the scenario is valid
	})
	for _, run := range runs {
		r.Runs = append(r.Runs, run)
		if run.Interrupted {
			r.Interrupted = true
			break
		}
	}
	r.judge(s)
	return r, nil
}

// judge fills in what is about all runs.
func (r *FleetResult) judge(s *scripted.Script) {
	collapsed := 0
	for _, run := range r.Runs {
		if run.FaultsEnd >= 0 {
			r.Faulty++
		}
		if _, ok := run.Recovery(); ok {
			r.Recovered++
		}
		if run.Collapsed {
			collapsed++
		}
	}
	r.Collapsed = Wilson(collapsed, len(r.Runs))
	for _, e := range s.Expects {
		r.Checks = append(r.Checks, r.evaluate(e, ""))
	}
	for _, d := range s.Decls {
		for _, e := range d.Expects {
			r.Checks = append(r.Checks, r.evaluate(e, d.Name))
		}
	}
	slices.SortStableFunc(r.Checks, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

// OK reports whether every expectation holds.
func (r *FleetResult) OK() bool {
	return !slices.ContainsFunc(r.Checks, func(c Result) bool { return !c.OK })
}

// never is the recovery of a run that does not recover: longer than any.
const never = math.MaxInt64

// evaluate judges an expectation by every run.
func (r *FleetResult) evaluate(e scripted.Expect, group string) Result {
	out := Result{Expect: e, OK: true}
	for k, run := range r.Runs {
		got := measure(run, e.Subject, group)
		ok := !e.Open && e.Compare(got)
		text := e.Show(got)
		if e.Subject == scripted.SubjectRecovery && got == never {
			text = fmt.Sprintf("not within %v", run.Horizon-max(run.FaultsEnd, 0))
			if run.FaultsEnd < 0 {
				text = "there was no fault"
			}
		}
		out.found = out.found && out.value == e.Show(got) || k == 0 && got != never
		if k == 0 || !ok && out.OK {
			out.Got, out.value = text, e.Show(got)
			if len(r.Runs) > 1 {
				out.Got += fmt.Sprintf(" (seed %d)", run.Seed)
			}
		}
		out.OK = out.OK && ok
	}
	return out
}

// measure returns what an expectation is about.
func measure(run *fleet.Result, subject scripted.Subject, group string) int64 {
	counts, latency := run.Total, run.Latency()
	if i := slices.IndexFunc(run.Groups, func(g fleet.GroupResult) bool { return g.Name == group }); group != "" && i >= 0 {
		counts, latency = run.Groups[i].Counts, &run.Groups[i].Latency
	}
	switch subject {
	case scripted.SubjectRecovery:
		if d, ok := run.Recovery(); ok {
			return int64(d)
		}
		return never
	case scripted.SubjectSuccesses:
		return millionths(counts.Succeeded, counts.Calls)
	case scripted.SubjectGaveUp:
		return millionths(counts.GaveUp(), counts.Calls)
	case scripted.SubjectAmplification:
		return millionths(counts.Attempts(), counts.Calls)
	case scripted.SubjectWasted:
		return millionths(counts.ServedLate+counts.ServedFailed, counts.Served)
	case scripted.SubjectP50:
		return int64(latency.Quantile(500_000))
	case scripted.SubjectP90:
		return int64(latency.Quantile(900_000))
	case scripted.SubjectP99:
		return int64(latency.Quantile(990_000))
	case scripted.SubjectP999:
		return int64(latency.Quantile(999_000))
	case scripted.SubjectCost:
		return (counts.Cost + counts.CostWasted) / 1_000_000
	case scripted.SubjectPeak, scripted.SubjectQueue:
		most := int64(0)
		for _, i := range run.Series {
			if subject == scripted.SubjectQueue {
				most = max(most, i.Queue)
			} else {
				most = max(most, i.Attempts())
			}
		}
		return most
	}
	panic(fmt.Sprintf("simulate: %q is not about a fleet", subject))
}

// millionths returns a/b in millionths, 0 if b is 0.
func millionths(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return int64(fleet.Ratio(a, b))
}
