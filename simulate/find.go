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
	Parameter string          // such as fault.for: see [WithParameter]; also "load"
	While     scripted.Expect // about the fleet
	// Low and High are the values between which the condition changes. Without
	// them they are looked for: with the first seed, the script's own value is
	// doubled and halved until it does.
	Low, High string
	Steps     int // halvings of the range; 0 acts as 10
	// FleetOptions say how many seeds are tried, from the first on: 20 unless
	// they do.
	FleetOptions
}

// Found is what [Find] found: each seed's own threshold, by bisection.
type Found struct {
	Parameter string
	While     scripted.Expect
	// Between are the values between which it was looked for.
	Between [2]string
	// Largest says that the condition holds for small values, and what is found
	// is the largest that is safe; otherwise it is the smallest that cures.
	Largest bool
	// Every is the value that does in every run, Median the one that does in
	// half of them, between Low and High in 95 of 100 cases. One that lies
	// outside the range is "".
	Every, Median, Low, High string
	Thresholds               []string // of the seeds, from small to large
	// Below and Above are how many seeds have their thresholds outside the
	// range: the condition holds, or fails, at both ends.
	Below, Above int
	Seed         uint64 // the first
}

// Find runs the scenario with values between Low and High until it knows, for
// each seed, where the condition changes. It takes for granted that it changes
// once. The seeds of all values are the same, so that nothing but the parameter
// differs.
//
// When the context ends, the error is its own and what is found is that of the
// seeds until then, nil if there is none.
func Find(ctx context.Context, s *scripted.Script, o FindOptions) (*Found, error) {
	f := finder{ctx: ctx, script: s, FindOptions: o, seed: pick(o.Seed, s.Seed, DefaultSeed)}
	if err := f.between(); err != nil {
		return nil, err
	}
	runs, steps := o.Runs, o.Steps
	if runs == 0 {
		runs = 20
	}
	if steps == 0 {
		steps = 10
	}
	found := make([]threshold, max(runs, 1))
	parallel(len(found), func(k int) { found[k] = f.bisect(f.seed+uint64(k), steps) })
	out, err := f.found(found)
	if err == nil || ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}

// finder is a search.
type finder struct {
	ctx    context.Context
	script *scripted.Script
	FindOptions
	seed      uint64
	scale     scaleOf
	low, high int64
}

// scenario returns what the script describes with a value.
func (f *finder) scenario(v int64) (fleet.Scenario, error) {
	s, o, err := withValues(f.script, f.FleetOptions, []Axis{{Parameter: f.Parameter}}, []string{f.scale.show(v)})
	if err != nil {
		return fleet.Scenario{}, err
	}
	return Scenario(s, o)
}

// holds reports whether the condition holds with a value.
func (f *finder) holds(v int64, seed uint64) (bool, error) {
	sc, err := f.scenario(v)
	if err != nil {
		return false, err
	}
	run, err := f.run(f.ctx, sc, seed)
	if err != nil {
		return false, err
	}
	got, _ := measure(run, f.While.Subject, "")
	return f.While.Compare(got), nil
}

// between finds out the range.
func (f *finder) between() (err error) {
	if f.Low != "" || f.High != "" {
		f.scale, f.low, f.high, err = scaleFor(f.Low, f.High)
		return err
	}
	own, err := parameterOf(f.script, f.Parameter)
	if err != nil {
		return err
	}
	k := slices.IndexFunc(scales, func(s scaleOf) bool { v, ok := s.read(own); return ok && v > 0 })
	if k < 0 {
		return fmt.Errorf("simulate: %s is %q, which cannot be doubled and halved: say between which values to look", f.Parameter, own)
	}
	f.scale = scales[k]
	v, _ := f.scale.read(own)
	first, err := f.holds(v, f.seed)
	if err != nil {
		return err
	}
	const octaves = 16
	up, down := true, true // whether there is anything to try
	for k := 1; k <= octaves && (up || down); k++ {
		if up = up && v<<k>>k == v && v<<k > 0; up {
			switch holds, err := f.holds(v<<k, f.seed); {
			case f.ctx.Err() != nil:
				return f.ctx.Err()
			case err != nil:
				up = false // such as a fault after the horizon
			case holds != first:
				f.low, f.high = v<<max(k-2, 0), v<<k
				if _, err := f.scenario(v << (k + 1)); err == nil && v<<(k+1) > 0 {
					f.high = v << (k + 1)
				}
				return nil
			}
		}
		if down = down && v>>k > 0; down {
			switch holds, err := f.holds(v>>k, f.seed); {
			case f.ctx.Err() != nil:
				return f.ctx.Err()
			case err != nil:
				down = false
			case holds != first:
				f.low, f.high = v>>k, v>>max(k-2, 0)
				if _, err := f.scenario(v >> (k + 1)); err == nil && v>>(k+1) > 0 {
					f.low = v >> (k + 1)
				}
				return nil
			}
		}
	}
	verb := "holds"
	if !first {
		verb = "fails"
	}
	return fmt.Errorf("simulate: %s: %v %s with %s, and with every value tried above and below", f.Parameter, f.While, verb, own)
}

// threshold is where the condition changes with one seed.
type threshold struct {
	atLow, atHigh bool
	holds         int64 // the value nearest to the change with which it still does
	err           error
}

// bisect finds the threshold of a seed.
func (f *finder) bisect(seed uint64, steps int) (t threshold) {
	if t.atLow, t.err = f.holds(f.low, seed); t.err != nil {
		return t
	}
	if t.atHigh, t.err = f.holds(f.high, seed); t.err != nil || t.atLow == t.atHigh {
		return t
	}
	a, b := f.low, f.high
	for range steps {
		middle := between(a, b)
		if middle == a {
			break
		}
		ok, err := f.holds(middle, seed)
		if err != nil {
			t.err = err
			return t
		}
		if ok == t.atLow {
			a = middle
		} else {
			b = middle
		}
	}
	t.holds = b
	if t.atLow {
		t.holds = a
	}
	return t
}

// between returns a number about half-way from a to b, as round as it can be: it
// is a value that people read. It is a if there is none between.
func between(a, b int64) int64 {
	unit := int64(1)
	for unit <= (b-a)/40 {
		unit *= 10
	}
	middle := a + (b-a)/2
	if round := middle / unit * unit; round > a {
		return round
	}
	return middle
}

// found sums up the thresholds. Seeds that were interrupted are left out.
func (f *finder) found(all []threshold) (*Found, error) {
	out := &Found{Parameter: f.Parameter, While: f.While, Between: [2]string{f.scale.show(f.low), f.scale.show(f.high)}, Seed: f.seed}
	var values []int64
	always, never, rising := 0, 0, 0
	for _, t := range all {
		switch {
		case t.err != nil && f.ctx.Err() != nil:
		case t.err != nil:
			return nil, t.err
		case t.atLow && t.atHigh:
			always++
		case !t.atLow && !t.atHigh:
			never++
		default:
			values = append(values, t.holds)
			if !t.atLow {
				rising++
			}
		}
	}
	if len(values) == 0 || rising != 0 && rising != len(values) {
		return nil, out.nothing(len(values), rising, always, never)
	}
	if out.Largest = rising == 0; out.Largest {
		out.Below, out.Above = never, always
	} else {
		out.Below, out.Above = always, never
	}
	slices.Sort(values)
	for _, v := range values {
		out.Thresholds = append(out.Thresholds, f.scale.show(v))
	}
	n := len(values) + always + never
	at := func(rank int) string {
		if rank -= out.Below; rank < 0 || rank >= len(values) {
			return ""
		}
		return out.Thresholds[rank]
	}
	if out.Every = at(0); !out.Largest {
		out.Every = at(n - 1)
	}
	low, high := medianRanks(n)
	out.Median, out.Low, out.High = at((n-1)/2), at(low), at(high)
	return out, nil
}

// nothing says why there is no threshold.
func (f *Found) nothing(changing, rising, always, never int) error {
	where := fmt.Sprintf("simulate: %s from %s to %s: %v", f.Parameter, f.Between[0], f.Between[1], f.While)
	switch {
	case changing > 0:
		return fmt.Errorf("%s begins to hold with %d seeds and ceases to with %d: no threshold", where, rising, changing-rising)
	case never == 0:
		return fmt.Errorf("%s holds at both ends with every seed: take a wider range", where)
	case always == 0:
		return fmt.Errorf("%s fails at both ends with every seed: take a wider range", where)
	}
	return fmt.Errorf("%s depends on the seed alone", where)
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
