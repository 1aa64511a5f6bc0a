package simulate

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// Candidate is one of the policies that are compared.
type Candidate struct {
	Name   string
	Policy *retry.Policy // of every group; nil: the script's
	Limit  *fleet.Limit  // of every group; nil: the script's
}

// Comparison is what [Compare] found.
type Comparison struct {
	Seed       uint64
	Runs       int
	Candidates []Standing
}

// Standing is a candidate beside the others.
type Standing struct {
	Name      string
	Metrics   []Metric // in the order of [ComparedSubjects]
	Recovered Proportion
	Collapsed Proportion
	// DominatedBy names the first candidate that is better in something that
	// counts and worse in nothing; "" if there is none.
	DominatedBy string
}

// Metric is a mean over the runs, and how it differs from the first
// candidate's in the same runs.
type Metric struct {
	Subject scripted.Subject
	Mean    float64
	// Difference is the mean of the paired differences from the first
	// candidate, within [Low, High] in 95 of 100 cases (Student). All three are
	// 0 of the first candidate.
	Difference, Low, High float64
	// Differs says that 0 is not in the interval. Otherwise there is no
	// difference to speak of.
	Differs bool

	values []float64
}

// ComparedSubjects is what candidates are compared in; the first three decide
// which one dominates another.
var ComparedSubjects = []scripted.Subject{
	scripted.SubjectSuccesses, scripted.SubjectAmplification, scripted.SubjectP99, scripted.SubjectWasted, scripted.SubjectRecovery,
}

// deciding is how many of ComparedSubjects decide about dominance.
const deciding = 3

// higherIsBetter says which way a subject is good.
func higherIsBetter(s scripted.Subject) bool { return s == scripted.SubjectSuccesses }

// Compare runs a scenario with each candidate, on common random numbers: in a
// run all of them meet the same arrivals, service times and failures, so the
// differences between them are seen with far fewer runs. A recovery that does
// not come counts as the rest of the run.
func Compare(ctx context.Context, s *scripted.Script, candidates []Candidate, o FleetOptions) (*Comparison, error) {
	if len(candidates) < 2 {
		return nil, fmt.Errorf("simulate: compare: %d candidates, want at least two", len(candidates))
	}
	runs := o.Runs
	if runs < 2 {
		runs = 20
	}
	out := &Comparison{Seed: pick(o.Seed, s.Seed, DefaultSeed), Runs: runs}
	scenarios := make([]fleet.Scenario, len(candidates))
	for k, c := range candidates {
		with := o
		if c.Policy != nil {
			with.Policy = c.Policy
		}
		sc, err := Scenario(s, with)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		if c.Limit != nil {
			for i := range sc.Groups {
				sc.Groups[i].Limit = *c.Limit
			}
		}
		scenarios[k] = sc
	}
	results := make([]*fleet.Result, len(candidates)*runs)
	errs := make([]error, len(results))
	parallel(len(results), func(i int) {
		results[i], errs[i] = fleet.Run(ctx, scenarios[i/runs], out.Seed+uint64(i%runs))
	})
	for _, err := range append(errs, ctx.Err()) {
		if err != nil {
			return nil, err
		}
	}
	for k, c := range candidates {
		out.Candidates = append(out.Candidates, standing(c.Name, results[k*runs:][:runs], out.Candidates))
	}
	out.dominance()
	return out, nil
}

func standing(name string, runs []*fleet.Result, before []Standing) Standing {
	st := Standing{Name: name}
	collapsed, recovered, faulty := 0, 0, 0
	for _, r := range runs {
		if r.Collapsed {
			collapsed++
		}
		if r.FaultsEnd >= 0 {
			faulty++
		}
		if r.RecoveredAt >= 0 {
			recovered++
		}
	}
	st.Collapsed, st.Recovered = Wilson(collapsed, len(runs)), Wilson(recovered, faulty)
	for i, subject := range ComparedSubjects {
		if subject == scripted.SubjectRecovery && faulty == 0 {
			continue // there is nothing to recover from
		}
		m := Metric{Subject: subject}
		for _, r := range runs {
			v := measure(r, subject, "")
			if v == never {
				v = int64(r.Horizon - max(r.FaultsEnd, 0))
			}
			m.values = append(m.values, float64(v))
		}
		m.Mean = stat.Mean(m.values, nil)
		if len(before) > 0 {
			m.Difference, m.Low, m.High = paired(m.values, before[0].Metrics[i].values)
			m.Differs = m.Low > 0 || m.High < 0
		}
		st.Metrics = append(st.Metrics, m)
	}
	return st
}

// paired returns the mean of the differences a - b and the interval that holds
// it in 95 of 100 cases.
func paired(a, b []float64) (mean, low, high float64) {
	differences := make([]float64, len(a))
	for i := range a {
		differences[i] = a[i] - b[i]
	}
	mean, deviation := stat.MeanStdDev(differences, nil)
	n := float64(len(a))
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(.975) * deviation / math.Sqrt(n)
	return mean, mean - half, mean + half
}

// dominance marks the candidates that another one dominates.
func (c *Comparison) dominance() {
	for k := range c.Candidates {
		for j := range c.Candidates {
			if j != k && dominates(&c.Candidates[j], &c.Candidates[k]) {
				c.Candidates[k].DominatedBy = c.Candidates[j].Name
				break
			}
		}
	}
}

// dominates reports whether a is better than b in something and worse in
// nothing, by the intervals of their paired differences.
func dominates(a, b *Standing) bool {
	better := false
	for i := range deciding {
		_, low, high := paired(a.Metrics[i].values, b.Metrics[i].values)
		if !higherIsBetter(a.Metrics[i].Subject) {
			low, high = -high, -low
		}
		if high < 0 {
			return false
		}
		better = better || low > 0
	}
	return better
}
