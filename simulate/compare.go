package simulate

import (
	"context"
	"fmt"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// Candidate is one of the policies that are compared.
type Candidate struct {
	Name   string
	Policy *retry.Policy // of every group; nil: the script's
	// Alter changes the scenario further; nil: nothing.
	Alter func(*fleet.Scenario) error
}

// with returns the options under which a candidate runs.
func (o FleetOptions) with(c Candidate) FleetOptions {
	if c.Policy != nil {
		o.Policy = c.Policy
	}
	return o.altered(c.Alter)
}

// altered returns the options with one change more.
func (o FleetOptions) altered(change func(*fleet.Scenario) error) FleetOptions {
	before := o.Alter
	if before == nil {
		o.Alter = change
	} else if change != nil {
		o.Alter = func(sc *fleet.Scenario) error {
			if err := before(sc); err != nil {
				return err
			}
			return change(sc)
		}
	}
	return o
}

// Comparison is what [Compare] found.
type Comparison struct {
	Seed       uint64
	Runs       int // of each candidate that all have finished
	Candidates []Standing
}

// Standing is a candidate beside the others.
type Standing struct {
	Name      string
	Scenario  fleet.Scenario
	Runs      []*fleet.Result // by seed
	Metrics   []Metric        // of each of the [Subjects]
	Recovered Proportion      // of the runs with a fault to recover from
	Collapsed Proportion
	// DominatedBy names the first candidate that is better in successes,
	// amplification or the time within which 99 % of all calls succeed, and worse
	// in none of them; "" if there is none.
	DominatedBy string
}

// Metric is a subject over the runs of a candidate, and how it differs from the
// first candidate's in the same runs.
type Metric struct {
	scripted.Subject
	Summary
	Difference Difference
}

// deciding are the numbers by which one candidate dominates another, and which
// way each is good.
var deciding = []struct {
	of     func(*fleet.Result) (int64, bool)
	higher bool
}{
	{func(r *fleet.Result) (int64, bool) { return Measured(r, scripted.SubjectSuccesses) }, true},
	{func(r *fleet.Result) (int64, bool) { return Measured(r, scripted.SubjectAmplification) }, false},
	{p99OfAll, false},
}

// p99OfAll is the time within which 99 % of the calls that ended succeeded; if
// fewer did, as long as the run. The p99 of those that succeed alone would praise
// who gives up on the slow ones.
func p99OfAll(r *fleet.Result) (int64, bool) {
	ended := r.Total.Succeeded + r.Total.GaveUp()
	if ended == 0 {
		return 0, false
	}
	needed := times(ended, 990_000)
	if r.Total.Succeeded < needed {
		return int64(r.Horizon), true
	}
	return int64(r.Latency().Quantile(fleet.Ratio(needed, r.Total.Succeeded))), true
}

// Compare runs a scenario with each candidate, 20 times unless the options say
// otherwise, on common random numbers: in a run all of them meet the same
// arrivals, service times and failures, so the differences between them are seen
// with far fewer runs.
//
// When the context ends, the error is its own and the comparison is of the seeds
// until then, nil if there is none.
func Compare(ctx context.Context, s *scripted.Script, candidates []Candidate, o FleetOptions) (*Comparison, error) {
	if len(candidates) < 2 {
		return nil, fmt.Errorf("simulate: compare: %d candidates, want at least two", len(candidates))
	}
	runs := o.Runs
	if runs < 1 {
		runs = 20
	}
	out := &Comparison{Seed: pick(o.Seed, s.Seed, DefaultSeed)}
	for _, c := range candidates {
		sc, err := Scenario(s, o.with(c))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		out.Candidates = append(out.Candidates, Standing{Name: c.Name, Scenario: sc})
	}
	n := len(candidates)
	results := make([]*fleet.Result, n*runs)
	parallel(len(results), func(i int) { // seed after seed, so that an interrupt leaves whole ones
		results[i], _ = o.run(ctx, out.Candidates[i%n].Scenario, out.Seed+uint64(i/n))
	})
	for i, r := range results {
		if r == nil {
			break
		}
		if i%n == n-1 {
			out.Runs = i/n + 1
		}
	}
	if out.Runs == 0 {
		return nil, ctx.Err()
	}
	for k := range out.Candidates {
		st := &out.Candidates[k]
		for seed := range out.Runs {
			st.Runs = append(st.Runs, results[seed*n+k])
		}
		st.judge(out.Candidates[0].Runs)
	}
	out.dominance()
	return out, ctx.Err()
}

// judge fills in what the runs say.
func (st *Standing) judge(first []*fleet.Result) {
	collapsed, recovered, faulty := 0, 0, 0
	for _, r := range st.Runs {
		if r.Collapsed {
			collapsed++
		}
		if r.FaultsEnd >= 0 {
			faulty++
		}
		if _, ok := r.Recovery(); ok {
			recovered++
		}
	}
	st.Collapsed, st.Recovered = Wilson(collapsed, len(st.Runs)), Wilson(recovered, faulty)
	for _, subject := range Subjects {
		st.Metrics = append(st.Metrics, Metric{subject, Summarize(subject, st.Runs), Differ(subject, st.Runs, first)})
	}
}

// dominance marks the candidates that another one dominates.
func (c *Comparison) dominance() {
	for k := range c.Candidates {
		for j := range c.Candidates {
			if j != k && dominates(c.Candidates[j].Runs, c.Candidates[k].Runs) {
				c.Candidates[k].DominatedBy = c.Candidates[j].Name
				break
			}
		}
	}
}

// dominates reports whether a is better than b in something and worse in
// nothing, by the intervals of their paired differences. What cannot be told, as
// from a single run, decides nothing.
func dominates(a, b []*fleet.Result) bool {
	better := false
	for _, number := range deciding {
		d := DifferBy(number.of, a, b)
		if !d.Clear() {
			if d.N < 2 {
				return false
			}
			continue
		}
		if (d.Mean > 0) != number.higher {
			return false
		}
		better = true
	}
	return better
}
