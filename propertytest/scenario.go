package propertytest

import (
	"math"
	"time"

	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// ShortPolicies draws policies under which a call that fails a few times is over
// in days of virtual time, which ends after 292 years. Simple ones come first, so
// that a failure shrinks to one.
func ShortPolicies() *rapid.Generator[retry.Policy] {
	delays := rapid.SampledFrom([]time.Duration{time.Second, 100 * time.Millisecond, time.Minute, time.Hour, time.Millisecond, 3, 0})
	return rapid.Custom(func(t *rapid.T) retry.Policy {
		p := retry.Policy{
			MaxAttempts: rapid.SampledFrom([]int{3, 2, 4, 5, 6, 1, 0, retry.Unlimited}).Draw(t, "attempts"),
			BaseDelay:   delays.Draw(t, "base"),
		}
		if rapid.Bool().Draw(t, "capped") {
			p.MaxDelay = delays.Draw(t, "cap")
		}
		if rapid.Bool().Draw(t, "jittered") {
			p.Jitter = retry.JitterAdditive
		}
		if rapid.Bool().Draw(t, "constant") {
			p.Schedule = retry.Constant
		}
		if rapid.IntRange(0, 3).Draw(t, "timeout") == 3 {
			p.AttemptTimeout = delays.Draw(t, "each") + 1
		}
		if rapid.IntRange(0, 3).Draw(t, "elapsed") == 3 {
			p.MaxElapsed = delays.Draw(t, "all") + 1
		}
		return p
	})
}

// Scenarios draws scenarios of one call under policies that are drawn too: a few
// refusals, with hints beside the backoff of that policy and far from it, and
// an answer. They are structured, so that they shrink to few turns, the plainest
// first. Each leaves most features out.
func Scenarios(policies *rapid.Generator[retry.Policy]) *rapid.Generator[*scripted.Script] {
	return rapid.Custom(func(t *rapid.T) *scripted.Script {
		p := policies.Draw(t, "policy")
		s := &scripted.Script{Policy: &p}
		hinted, slow := rapid.Bool().Draw(t, "hinted"), rapid.Bool().Draw(t, "slow")
		refusal := rapid.Custom(func(t *rapid.T) scripted.Turn {
			turn := scripted.Turn{Answer: scripted.Transient{}}
			if hinted && rapid.Bool().Draw(t, "hint") {
				turn.Answer = scripted.Transient{Hinted: true, Wait: hint(p).Draw(t, "wait")}
			} else if p.AttemptTimeout > 0 && rapid.Bool().Draw(t, "hangs") {
				turn.Answer = scripted.Hang{}
			} else if rapid.IntRange(0, 3).Draw(t, "reset") == 3 {
				turn.Answer = scripted.Reset{}
			}
			if slow {
				turn.After = rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second}).Draw(t, "after")
			}
			return turn
		})
		s.Turns = rapid.SliceOfN(refusal, 0, 5).Draw(t, "refusals")
		s.Turns = append(s.Turns, rapid.SampledFrom([]scripted.Turn{
			{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("hi")}}},
			{Answer: scripted.Permanent{Reason: "no"}},
			{Answer: scripted.Stream{}},
			{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("Hel"), scripted.Pause(time.Second), scripted.Text("lo")}}},
			{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("Hel")}, End: scripted.Transient{}}},
			{Answer: scripted.Stream{Items: []scripted.Item{scripted.Text("Hel")}, End: scripted.EOF{}}},
		}).Draw(t, "answer"))
		return s
	})
}

// hint draws what a server may ask for: beside the first backoffs, or nothing
// like them, in whole milliseconds.
func hint(p retry.Policy) *rapid.Generator[time.Duration] {
	near := []time.Duration{time.Second, 0, time.Millisecond, 2*time.Minute + 7*time.Millisecond}
	for n := 1; n <= 3; n++ {
		if d := p.Backoff(n).Truncate(time.Millisecond); d < math.MaxInt64/1000 {
			near = append(near, d, d+time.Millisecond, max(d-time.Millisecond, 0), 2*d)
		}
	}
	return rapid.SampledFrom(near)
}

// Cancelled draws scenarios of the generator whose caller gives up: before the
// call, or by cancelling or by a deadline in a wait, at its middle or a
// nanosecond beside its ends, where the waits are those of the schedule.
func Cancelled(scenarios *rapid.Generator[*scripted.Script]) *rapid.Generator[*scripted.Script] {
	return rapid.Custom(func(t *rapid.T) *scripted.Script {
		s := scenarios.Draw(t, "scenario")
		c := *s
		begins := time.Duration(0)
		for _, turn := range s.Turns[:rapid.IntRange(0, len(s.Turns)-1).Draw(t, "waits before")] {
			begins += turn.After + waitOf(*s.Policy, turn, 1)
		}
		wait := waitOf(*s.Policy, s.Turns[0], 1)
		at := rapid.SampledFrom([]time.Duration{begins + wait/2 | 1, begins + 1, begins + max(wait, 2) - 1, begins + wait + 1, 0}).Draw(t, "moment")
		if at > 0 && rapid.Bool().Draw(t, "by a deadline") {
			c.TotalTimeout = at
		} else {
			c.Cancel = &at
		}
		return &c
	})
}

// waitOf returns the wait that follows a turn, jitter aside.
func waitOf(p retry.Policy, t scripted.Turn, n int) time.Duration {
	if a, ok := t.Answer.(scripted.Transient); ok && a.Hinted && p.RetryAfter != retry.HintIgnored {
		return a.Wait
	}
	return min(p.Backoff(n), 1000*time.Hour)
}
