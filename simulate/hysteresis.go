package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// HysteresisOptions say how the load goes up and down.
type HysteresisOptions struct {
	Loads        []fleet.Rate  // from small to large; nil: tenths of the capacity, up to 120 %
	Step         time.Duration // how long each lasts; 0: five minutes
	FleetOptions               // but for Runs: there is one run
}

// HysteresisPoint is what came of a load, on the way up and on the way down, in
// the time that was measured of each step.
type HysteresisPoint struct {
	Load     fleet.Rate // of all arrivals together
	Up, Down fleet.Counts
}

// HysteresisResult is both curves.
type HysteresisResult struct {
	Points   []HysteresisPoint // from the smallest load to the largest
	Measured time.Duration     // of each step: its second half
	// Lost is the smallest load that the system carried on the way up, so that nine
	// in ten calls succeeded, and at which on the way down less than half as many
	// do: past a trigger it stays where it is. 0: there is none.
	Lost fleet.Rate
	// Capacity is what the server takes, and Vulnerable the capacity divided by
	// the attempts of a call: between them a system whose calls time out is
	// stable and can be brought down for good. Both are 0 where the server has
	// no bound.
	Capacity, Vulnerable fleet.Rate
}

// Goodput returns how many calls succeeded per second.
func (r *HysteresisResult) Goodput(c fleet.Counts) fleet.Rate {
	if r.Measured <= 0 {
		return 0
	}
	return fleet.Rate(float64(c.Succeeded) / r.Measured.Seconds() * float64(fleet.PerSecond))
}

// Hysteresis runs a scenario under a load that goes up in steps and comes down
// again. The load takes the place of the rates of the scenario's arrivals, each
// of which keeps its kind and its share; those without a rate stay as they are.
// Faults and changes are left out. When the context ends, the error is its own.
func Hysteresis(ctx context.Context, s *scripted.Script, o HysteresisOptions) (*HysteresisResult, error) {
	sc, err := Scenario(s, o.FleetOptions)
	if err != nil {
		return nil, err
	}
	out := &HysteresisResult{Capacity: sc.Server.Capacity()}
	if n := attemptsOf(sc); n < retry.Unlimited {
		out.Vulnerable = out.Capacity / fleet.Rate(n)
	}
	loads := o.Loads
	if loads == nil {
		if out.Capacity == 0 {
			return nil, errors.New("simulate: hysteresis: the server has no capacity to take tenths of: say the loads")
		}
		for tenths := range fleet.Rate(12) {
			loads = append(loads, out.Capacity*(tenths+1)/10)
		}
	}
	step := o.Step
	if step == 0 {
		step = 5 * time.Minute
	}
	switch {
	case len(loads) == 0 || loads[0] <= 0 || !slices.IsSorted(loads):
		return nil, errors.New("simulate: hysteresis: the loads go from small to large, above 0")
	case step < 2 || step > math.MaxInt64/2/time.Duration(len(loads)):
		return nil, fmt.Errorf("simulate: hysteresis: a step of %v is no time to come", step)
	}
	stairs := append(slices.Clone(loads), loads...)
	slices.Reverse(stairs[len(loads):])
	if err := climb(&sc, stairs, step); err != nil {
		return nil, err
	}
	run, err := o.run(ctx, sc, pick(o.Seed, s.Seed, DefaultSeed))
	if err != nil {
		return nil, err
	}
	out.Measured = step - step/2
	counts := func(k int) (c fleet.Counts) {
		from, to := step*time.Duration(k)+step/2, step*time.Duration(k+1)
		for _, i := range run.Series {
			if i.Start >= from && i.Start < to {
				c.Add(i.Counts)
			}
		}
		return c
	}
	for k, load := range loads {
		p := HysteresisPoint{Load: load, Up: counts(k), Down: counts(len(stairs) - 1 - k)}
		carried := p.Up.Succeeded*10 >= p.Up.Calls*9
		if out.Lost == 0 && carried && p.Down.Succeeded < p.Up.Succeeded/2 {
			out.Lost = load
		}
		out.Points = append(out.Points, p)
	}
	return out, nil
}

// OwnLoad returns the rates of all arrivals of a scenario when it begins,
// together; 0 if it has none that go by a rate.
func OwnLoad(sc fleet.Scenario) fleet.Rate {
	var sum fleet.Rate
	for _, g := range sc.Groups {
		for _, a := range g.Arrivals {
			if len(a.Steps) > 0 {
				sum += a.Steps[0].Rate
			}
		}
	}
	return sum
}

// climb makes the scenario one of so many loads, one after another.
func climb(sc *fleet.Scenario, stairs []fleet.Rate, step time.Duration) error {
	own := OwnLoad(*sc)
	if own == 0 {
		return errors.New("simulate: hysteresis: the scenario has no rate that can climb (arrive poisson or uniform)")
	}
	sc.Faults, sc.Changes = nil, nil
	sc.Horizon, sc.Interval = step*time.Duration(len(stairs)), max(step/30, 1)
	for i := range sc.Groups {
		for k := range sc.Groups[i].Arrivals {
			a := &sc.Groups[i].Arrivals[k]
			if len(a.Steps) == 0 {
				continue
			}
			share := fleet.Ratio(int64(a.Steps[0].Rate), int64(own))
			a.Steps = nil
			for n, load := range stairs {
				a.Steps = append(a.Steps, fleet.Step{At: step * time.Duration(n), Rate: fleet.Rate(times(int64(load), share))})
			}
		}
	}
	return nil
}

// attemptsOf returns the most attempts of a call of any group, over all its
// layers.
func attemptsOf(sc fleet.Scenario) int {
	most := 1
	for _, g := range sc.Groups {
		most = max(most, Multiplied(append([]retry.Policy{g.Policy}, g.Outer...)...))
	}
	return most
}
