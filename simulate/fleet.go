package simulate

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
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
	Alter func(*fleet.Scenario) error
	// Done is told each run that is over, from any goroutine, several at once;
	// nil: nobody is. Within a run, [fleet.WithProgress] tells how far it is.
	Done func(*fleet.Result)
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
	r := &FleetResult{Scenario: sc, Seed: pick(o.Seed, s.Seed, DefaultSeed)}
	runs := make([]*fleet.Result, max(o.Runs, 1))
	parallel(len(runs), func(k int) {
		if k > 0 && ctx.Err() != nil {
			return // a short run would not notice
		}
		if runs[k], _ = fleet.Run(ctx, sc, r.Seed+uint64(k)); o.Done != nil { // the scenario is valid
			o.Done(runs[k])
		}
	})
	for _, run := range runs {
		if run != nil {
			r.Runs = append(r.Runs, run)
		}
		if r.Interrupted = run == nil || run.Interrupted; r.Interrupted {
			break
		}
	}
	r.judge(s)
	return r, nil
}

// run runs a scenario to its end. The error is that of an invalid scenario, or
// the context's.
func (o FleetOptions) run(ctx context.Context, sc fleet.Scenario, seed uint64) (*fleet.Result, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err() // a short run would not notice
	}
	r, err := fleet.Run(ctx, sc, seed)
	switch {
	case err != nil:
		return nil, err
	case r.Interrupted:
		return nil, ctx.Err()
	}
	if o.Done != nil {
		o.Done(r)
	}
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

// evaluate judges an expectation by every run.
func (r *FleetResult) evaluate(e scripted.Expect, group string) Result {
	out := Result{Expect: e, OK: true}
	for k, run := range r.Runs {
		got, _ := measure(run, e.Subject, group)
		ok := !e.Open && e.Compare(got)
		text := e.Show(got)
		if e.Subject == scripted.SubjectRecovery && got == never {
			text = fmt.Sprintf("not within %v", run.Horizon-max(run.FaultsEnd, 0))
			if run.FaultsEnd < 0 {
				text = "there was no fault"
			} else if run.FaultsEnd >= run.Horizon {
				text = "the fault lasts until the end"
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
