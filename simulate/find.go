package simulate

import (
	"context"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// FindOptions say what is looked for: the largest value of a parameter with
// which a condition still holds, or the smallest with which it does.
type FindOptions struct {
	Parameter string          // such as fault.for: see [WithParameter]
	While     scripted.Expect // about the fleet
	Low, High string          // the values between which it changes
	Steps     int             // halvings of the range; 0 acts as 10
	Runs      int             // seeds, from the first on; 0 acts as 20
	FleetOptions
}

// Found is what [Find] found: each seed's own threshold, by bisection.
type Found struct {
	Parameter string
	While     scripted.Expect
	// Largest says that the condition holds for small values, and what is found
	// is the largest that is safe; otherwise it is the smallest that cures.
	Largest bool
	// Every is the value that does in every run, Median the one that does in
	// half of them, between Low and High in 95 of 100 cases.
	Every, Median, Low, High string
	Thresholds               []string // of the seeds, from small to large
	// Always and Never are the seeds whose condition holds, or fails, at both
	// ends: their thresholds lie outside.
	Always, Never int
}

// Find runs the scenario with values between Low and High until it knows, for
// each seed, where the condition changes. It takes for granted that it changes
// once. The seeds of all values are the same, so that nothing but the
// parameter differs.
func Find(ctx context.Context, s *scripted.Script, o FindOptions) (*Found, error) {
	scale, low, high, err := scaleFor(o.Low, o.High)
	if err != nil {
		return nil, err
	}
	runs := max(o.Runs, 1)
	if o.Runs == 0 {
		runs = 20
	}
	first := pick(o.Seed, s.Seed, DefaultSeed)
	holds := func(v int64, seed uint64) (bool, error) {
		changed, err := WithParameter(s, o.Parameter, scale.show(v))
		if err != nil {
			return false, err
		}
		sc, err := Scenario(changed, o.FleetOptions)
		if err != nil {
			return false, err
		}
		run, err := fleet.Run(ctx, sc, seed)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		return o.While.Compare(measure(run, o.While.Subject, "")), nil
	}
	type threshold struct {
		atLow, atHigh bool
		holds, fails  int64
		err           error
	}
	found := make([]threshold, runs)
	parallel(runs, func(k int) {
		t := &found[k]
		seed := first + uint64(k)
		if t.atLow, t.err = holds(low, seed); t.err != nil {
			return
		}
		if t.atHigh, t.err = holds(high, seed); t.err != nil || t.atLow == t.atHigh {
			return
		}
		a, b := low, high
		steps := o.Steps
		if steps == 0 {
			steps = 10
		}
		for range steps {
			middle := a + (b-a)/2
			if middle == a || middle == b {
				break
			}
			ok, err := holds(middle, seed)
			if err != nil {
				t.err = err
				return
			}
			if ok == t.atLow {
				a = middle
			} else {
				b = middle
			}
		}
		t.holds, t.fails = a, b
		if !t.atLow {
			t.holds, t.fails = b, a
		}
	})
	out := &Found{Parameter: o.Parameter, While: o.While}
	var values []int64
	rising := 0
	for _, t := range found {
		switch {
		case t.err != nil:
			return nil, t.err
		case t.atLow && t.atHigh:
			out.Always++
		case !t.atLow && !t.atHigh:
			out.Never++
		default:
			values = append(values, t.holds)
			if !t.atLow {
				rising++
			}
		}
	}
	if len(values) == 0 || rising != 0 && rising != len(values) {
		return nil, out.nothing(o, len(values), rising)
	}
	out.Largest = rising == 0
	slices.Sort(values)
	for _, v := range values {
		out.Thresholds = append(out.Thresholds, scale.show(v))
	}
	every := values[0]
	if !out.Largest {
		every = values[len(values)-1]
	}
	a, b := medianRanks(len(values))
	out.Every, out.Median = scale.show(every), scale.show(values[(len(values)-1)/2])
	out.Low, out.High = scale.show(values[a]), scale.show(values[b])
	return out, nil
}

// nothing says why there is no threshold.
func (f *Found) nothing(o FindOptions, changing, rising int) error {
	if changing > 0 {
		return fmt.Errorf("simulate: %s from %s to %s: %v begins to hold with %d seeds and ceases to with %d: no threshold", o.Parameter, o.Low, o.High, o.While, rising, changing-rising)
	}
	switch {
	case f.Never == 0:
		return fmt.Errorf("simulate: %s from %s to %s: %v holds at both ends with every seed: take a wider range", o.Parameter, o.Low, o.High, o.While)
	case f.Always == 0:
		return fmt.Errorf("simulate: %s from %s to %s: %v fails at both ends with every seed: take a wider range", o.Parameter, o.Low, o.High, o.While)
	}
	return fmt.Errorf("simulate: %s from %s to %s: %v depends on the seed alone", o.Parameter, o.Low, o.High, o.While)
}

// medianRanks returns the ranks, from 0, between which the median of n values
// lies in 95 of 100 cases: the quantiles of a binomial variable.
func medianRanks(n int) (low, high int) {
	b := distuv.Binomial{N: float64(n), P: .5}
	for low+1 < (n+1)/2 && b.CDF(float64(low)) <= .025 {
		low++
	}
	if low > 0 {
		low--
	}
	return low, n - 1 - low
}
