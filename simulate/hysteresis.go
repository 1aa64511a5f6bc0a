package simulate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/retrykit/retrykit/scripted"
	"github.com/retrykit/retrykit/simulate/fleet"
)

// HysteresisOptions say how the load goes up and down.
type HysteresisOptions struct {
	Loads []fleet.Rate  // from small to large; nil: tenths of the capacity, up to 120 %
	Step  time.Duration // how long each lasts; 0: five minutes
	FleetOptions
}

// HysteresisPoint is the goodput at a load, on the way up and on the way down,
// in successes per second.
type HysteresisPoint struct {
	Load, Up, Down fleet.Rate
}

// HysteresisResult is both curves.
type HysteresisResult struct {
	Points []HysteresisPoint // from the smallest load to the largest
	// Loop says that at some load the goodput on the way down is less than half
	// of that on the way up: past a trigger the system stays where it is.
	Loop bool
	// Capacity is what the server takes, and Vulnerable the capacity divided by
	// the attempts of a call: between them a system whose calls time out is
	// stable and can be brought down for good. Both are 0 where the server has
	// no bound.
	Capacity, Vulnerable fleet.Rate
}

// Hysteresis runs a scenario under a load that goes up in steps and comes down
// again. The load takes the place of the arrivals of all groups, shared evenly;
// faults and changes are left out. What a step gives is measured in its second
// half.
func Hysteresis(ctx context.Context, s *scripted.Script, o HysteresisOptions) (*HysteresisResult, error) {
	sc, err := Scenario(s, o.FleetOptions)
	if err != nil {
		return nil, err
	}
	out := &HysteresisResult{Capacity: sc.Server.Capacity()}
	out.Vulnerable = out.Capacity / fleet.Rate(max(attemptsOf(sc), 1))
	loads := o.Loads
	if loads == nil {
		if out.Capacity == 0 {
			return nil, fmt.Errorf("simulate: hysteresis: the server has no capacity to take tenths of: say the loads")
		}
		for tenths := range fleet.Rate(12) {
			loads = append(loads, out.Capacity*(tenths+1)/10)
		}
	}
	if !slices.IsSorted(loads) || loads[0] <= 0 {
		return nil, fmt.Errorf("simulate: hysteresis: the loads go from small to large, above 0")
	}
	step := o.Step
	if step == 0 {
		step = 5 * time.Minute
	}
	stairs := append(slices.Clone(loads), loads...)
	slices.Reverse(stairs[len(loads):])
	sc.Faults, sc.Changes = nil, nil
	sc.Horizon, sc.Interval = step*time.Duration(len(stairs)), max(step/30, 1)
	for i := range sc.Groups {
		var steps []fleet.Step
		for k, load := range stairs {
			steps = append(steps, fleet.Step{At: step * time.Duration(k), Rate: load / fleet.Rate(len(sc.Groups))})
		}
		sc.Groups[i].Arrivals = []fleet.Arrival{{Kind: fleet.Poisson, Steps: steps}}
	}
	run, err := fleet.Run(ctx, sc, pick(o.Seed, s.Seed, DefaultSeed))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	goodput := func(k int) fleet.Rate {
		var n int64
		from := step*time.Duration(k) + step/2
		for _, i := range run.Series {
			if i.Start >= from && i.Start < step*time.Duration(k+1) {
				n += i.Succeeded
			}
		}
		return fleet.Rate(float64(n) / (step / 2).Seconds() * float64(fleet.PerSecond))
	}
	for k, load := range loads {
		p := HysteresisPoint{Load: load, Up: goodput(k), Down: goodput(len(stairs) - 1 - k)}
		out.Loop = out.Loop || p.Down < p.Up/2
		out.Points = append(out.Points, p)
	}
	return out, nil
}

// attemptsOf returns the most attempts of a call of any group, over all its
// layers.
func attemptsOf(sc fleet.Scenario) int {
	most := 1
	for _, g := range sc.Groups {
		n := min(max(g.Policy.MaxAttempts, 1), 1000)
		for _, p := range g.Outer {
			n = min(n*min(max(p.MaxAttempts, 1), 1000), 1000)
		}
		most = max(most, n)
	}
	return most
}
