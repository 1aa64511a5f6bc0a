package explore_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// source returns where the jitter of a call comes from.
func (h *house) source() rand.Source {
	switch {
	case h.is("jitter/one-seed-for-all"):
		return rand.NewPCG(h.Seed, 0)
	case h.is("jitter/fixed-seed"):
		return rand.NewPCG(1, 1)
	case h.is("jitter/from-the-time"):
		return rand.NewPCG(uint64(h.Clock.Now().UnixNano()), 0)
	case h.is("jitter/two-clients-a-seed"):
		return rand.NewPCG(h.Seed, h.Client/2)
	case h.is("jitter/unseeded"):
		return rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	return h.Source()
}

// delay returns the wait after the n-th attempt.
func (c *houseCall) delay(n int, hint *time.Duration) time.Duration {
	hint = c.heard(n, hint)
	if c.is("share/hint-kept") {
		if hint == nil {
			hint = c.hint
		} else {
			c.hint = hint
		}
	}
	p := c.Policy
	if hint == nil || p.RetryAfter == retry.HintIgnored && !c.is("policy/ignored-hint-heeded") {
		return c.jittered(n, c.backoff(c.exponentOf(n)))
	}
	asked := *hint
	if p.MaxRetryAfter > 0 && asked > p.MaxRetryAfter && !c.is("policy/long-hint-heeded") {
		switch p.LongRetryAfter {
		case retry.HintDropped:
			if !c.is("policy/long-hint-clamped") {
				return c.jittered(n, c.backoff(n))
			}
			asked = p.MaxRetryAfter
		case retry.HintClamped:
			if c.is("policy/long-hint-dropped") {
				return c.jittered(n, c.backoff(n))
			}
			asked = p.MaxRetryAfter
		}
	}
	if p.RetryAfter == retry.HintOrBackoff && !c.is("policy/larger-is-replace") {
		return max(asked, c.jittered(n, c.backoff(n)))
	}
	return c.hinted(n, asked)
}

// exponentOf returns the number of the wait after the n-th attempt, from 1.
func (c *houseCall) exponentOf(n int) int {
	switch {
	case c.is("share/exponent-kept"):
		c.exponent++
		return c.exponent
	case c.is("shipped/exponent-reset-by-success-only"):
		c.exponent++
		return c.exponent
	case c.is("hint/skips-the-exponent", "hint/resets-the-exponent"):
		k := 0
		for _, h := range c.hints[:n] {
			if h == nil {
				k++
			} else if c.is("hint/resets-the-exponent") {
				k = 0
			}
		}
		return max(k, 1)
	case c.is("backoff/counts-throttled-only"):
		return 1
	}
	return n
}

// heard returns the hint that counts for the wait after the n-th attempt.
func (c *houseCall) heard(n int, hint *time.Duration) *time.Duration {
	last := func() *time.Duration {
		for i := len(c.hints) - 1; i >= 0; i-- {
			if c.hints[i] != nil {
				return c.hints[i]
			}
		}
		return nil
	}
	switch {
	case c.is("hint/ignored"):
		return nil
	case c.is("hint/survives"):
		return last()
	case c.is("shipped/largest-hint-kept"):
		var most *time.Duration
		for _, h := range c.hints {
			if h != nil && (most == nil || *h > *most) {
				most = h
			}
		}
		return most
	case c.is("hint/one-attempt-late"):
		if n < 2 {
			return nil
		}
		return c.hints[n-2]
	case c.is("hint/first-only") && n > 1:
		return nil
	case c.is("hint/of-the-first") && n > 1:
		return c.hints[0]
	case hint == nil:
		return nil
	case c.is("shipped/hint-of-statuses-only") && strings.Contains(c.failures[n-1].Error(), "transient"):
		return nil
	case c.is("hint/zero-is-none") && *hint == 0:
		return nil
	case c.is("hint/over-a-minute-ignored") && *hint > time.Minute:
		return nil
	case c.is("hint/below-the-backoff-ignored") && *hint < c.backoff(n):
		return nil
	case c.is("hint/above-the-cap-ignored") && c.Policy.MaxDelay > 0 && *hint > c.Policy.MaxDelay:
		return nil
	}
	return hint
}

// hinted returns the wait for a hint.
func (c *houseCall) hinted(n int, asked time.Duration) time.Duration {
	p, d := c.Policy, asked
	switch {
	case c.is("hint/capped"):
		if p.MaxDelay > 0 {
			d = min(d, p.MaxDelay)
		}
	case c.is("hint/is-a-cap"):
		return min(c.jittered(n, c.backoff(n)), d)
	case c.is("hint/larger-wins"):
		return max(c.jittered(n, c.backoff(n)), d)
	case c.is("shipped/hint-and-then-backoff"):
		return add(c.spread(d), add(d, c.backoff(n)))
	case c.is("hint/added"):
		return c.jittered(n, add(c.backoff(n), d))
	case c.is("hint/milliseconds-as-seconds"):
		d = time.Duration(min(d.Milliseconds(), 1<<32)) * time.Second
	case c.is("hint/seconds-as-milliseconds"):
		d /= 1000
	case c.is("hint/whole-seconds"):
		d = d.Truncate(time.Second)
	case c.is("hint/rounded-up"):
		d = (d + time.Second - 1).Truncate(time.Second)
	case c.is("hint/int32"):
		d = time.Duration(int32(d.Milliseconds())) * time.Millisecond
	case c.is("hint/since-the-attempt-began"):
		d -= c.spent
	case c.is("hint/doubled-each-time"):
		d = add(d, d*time.Duration(n-1))
	case c.is("hint/at-least-a-second"):
		d = max(d, time.Second)
	case c.is("hint/without-jitter"):
		return d
	case c.is("hint/jitter-subtracted"):
		return d - c.spread(d)
	}
	if d <= 0 || p.Jitter != retry.JitterAdditive {
		return d
	}
	return add(d, c.spread(d))
}

// backoff returns the schedule's wait after the n-th attempt, capped.
func (h *house) backoff(n int) time.Duration {
	p := h.Policy
	d := p.BaseDelay
	switch {
	case h.is("backoff/shifted"):
		n++
	case h.is("backoff/constant"):
		n = 1
	case h.is("backoff/first-at-once"):
		if n == 1 {
			return 0
		}
		n--
	case h.is("backoff/linear"):
		return h.capped(d * time.Duration(n))
	case h.is("backoff/fibonacci"):
		a, b := d, d
		for range min(n-1, 80) {
			a, b = b, add(a, b)
		}
		return h.capped(a)
	case h.is("backoff/overflow"):
		return h.capped(d << (n - 1))
	case h.is("shipped/float-conversion"):
		d = time.Duration(int64(uint64(float64(d) * math.Pow(2, min(float64(n-1), 70)))))
		return h.capped(d)
	case h.is("backoff/shift-masked"):
		return h.capped(d << ((n - 1) & 31))
	case h.is("backoff/int32-milliseconds"):
		return h.capped(time.Duration(int32(float64(d.Milliseconds())*math.Pow(2, float64(n-1)))) * time.Millisecond)
	case h.is("backoff/float32"):
		return h.capped(time.Duration(float32(d) * float32(math.Pow(2, min(float64(n-1), 30)))))
	case h.is("backoff/cap-before-multiplying"):
		if n > 1 {
			return add(h.plain(n-1), h.plain(n-1))
		}
	case h.is("backoff/cap-is-a-floor"):
		return max(h.grown(n), p.MaxDelay)
	case h.is("backoff/no-cap"):
		return h.grown(n)
	case h.is("backoff/base-uncapped") && n == 1:
		return d
	case h.is("backoff/cap-zero-is-zero"):
		return min(h.grown(n), p.MaxDelay)
	case h.is("backoff/stops-growing-early"):
		n = min(n, 4)
	case h.is("backoff/exponent-at-most-20"):
		n = min(n, 21)
	case h.is("backoff/power-of-three"):
		for range min(n-1, 39) {
			d = add(d, add(d, d))
		}
		return h.capped(d)
	case h.is("backoff/whole-seconds"):
		return h.plain(n).Truncate(time.Second)
	case h.is("backoff/whole-milliseconds"):
		return h.plain(n).Truncate(time.Millisecond)
	case h.is("backoff/base-added"):
		return h.capped(add(h.grown(n), d))
	case h.is("backoff/minus-base"):
		return h.capped(h.grown(n) - d/2)
	case h.is("backoff/cap-reached-resets"):
		if p.MaxDelay > 0 && n > 3 && h.grown(n) > p.MaxDelay {
			return h.capped(d)
		}
	case h.is("policy/throttle-ignored", "policy/multiplier-ignored"):
		p.Multiplier = 0
	}
	return h.plain(n)
}

// plain is the schedule as it should be.
func (h *house) plain(n int) time.Duration { return h.capped(h.grown(n)) }

// grown returns the n-th delay of the schedule, saturated.
func (h *house) grown(n int) time.Duration {
	p := h.Policy
	d := p.BaseDelay
	switch p.Schedule {
	case retry.Constant:
		return d
	case retry.Linear:
		step := p.Step
		if step == 0 {
			step = d
		}
		if h.is("policy/step-ignored") {
			step = d
		}
		for range min(n-1, 1<<20) {
			d = add(d, step)
		}
		return d
	case retry.List:
		list := p.Delays.List()
		if h.is("policy/list-wraps") {
			return list[(n-1)%len(list)]
		}
		return list[min(n, len(list))-1]
	}
	factor := uint64(2_000_000)
	if p.Multiplier != 0 && !h.is("policy/multiplier-ignored") {
		factor = uint64(math.Round(p.Multiplier * 1e6))
	}
	for range n - 1 {
		hi, lo := bits.Mul64(uint64(d), factor)
		if hi >= 1_000_000 {
			return math.MaxInt64
		}
		q, _ := bits.Div64(hi, lo, 1_000_000)
		next := time.Duration(min(q, math.MaxInt64))
		if next == d {
			break
		}
		d = next
	}
	return d
}

func (h *house) capped(d time.Duration) time.Duration {
	if limit := h.Policy.MaxDelay; limit > 0 && h.Policy.Cap != retry.CapAfterJitter {
		return min(d, limit)
	}
	return d
}

// jittered returns the n-th wait of the schedule.
func (c *houseCall) jittered(n int, d time.Duration) time.Duration {
	p := c.Policy
	if c.is("shipped/fixed-rate") {
		d = max(d-c.spent, 0)
	}
	below, above := c.shares()
	if p.Cap == retry.CapExact && p.MaxDelay > 0 && c.grown(n) > p.MaxDelay && !c.is("policy/exact-cap-jittered") {
		return p.MaxDelay
	}
	if below == 0 && above == 0 && !c.is("jitter/always") {
		return d
	}
	if below == 0 && above == 100 {
		return c.additive(n, d)
	}
	down, up := part(d, below), part(d, above)
	if c.is("policy/window-from-zero") {
		down = d
	}
	wait := add(d-down, c.within(down+up))
	if p.Cap == retry.CapAfterJitter && !c.is("policy/cap-before-jitter") {
		wait = min(wait, p.MaxDelay)
	}
	return wait
}

// shares returns the window of the policy's jitter in thousandths of the delay.
func (c *houseCall) shares() (below, above int64) {
	return int64(c.Policy.Jitter & 0xffff), int64(c.Policy.Jitter >> 16)
}

// additive adds up to a tenth.
func (c *houseCall) additive(n int, d time.Duration) time.Duration {
	switch {
	case c.is("jitter/none"):
		return d
	case c.is("jitter/subtracted"):
		return d - c.spread(d)
	case c.is("jitter/both-sides"):
		return add(d-d/10, c.within(d/10*2))
	case c.is("jitter/of-the-base"):
		return add(d, c.spread(c.Policy.BaseDelay))
	case c.is("jitter/before-the-cap"):
		return c.capped(add(d, c.spread(d)))
	case c.is("jitter/first-wait-only") && n > 1:
		return d
	case c.is("jitter/not-on-the-first") && n == 1:
		return d
	case c.is("jitter/up-to-a-second"):
		return add(d, c.within(time.Second))
	case c.is("jitter/compounds") && n > 1:
		base := c.capped(add(c.previous, c.previous))
		return add(base, c.spread(base))
	}
	return add(d, c.spread(d))
}

// spread draws an offset in [0, d/10).
func (c *houseCall) spread(d time.Duration) time.Duration {
	w := d / 10
	switch {
	case c.is("shipped/jitter-of-nothing"):
		return time.Duration(c.words.Int64N(int64(w)))
	case c.is("jitter/always-a-tenth"):
		return w
	case c.is("jitter/half-the-window"):
		return c.within(w / 2)
	case c.is("jitter/nine-tenths-of-the-window"):
		return c.within(w * 9 / 10)
	case c.is("jitter/eleven-percent"):
		return c.within(d / 9)
	case c.is("jitter/coin"):
		return w * time.Duration(c.words.Uint64()&1)
	case c.is("jitter/steps-of-one-percent"):
		return w / 100 * c.within(100)
	case c.is("jitter/whole-milliseconds"):
		return c.within(w).Truncate(time.Millisecond)
	case c.is("jitter/squared"):
		u := c.words.Float64()
		return time.Duration(float64(w) * u * u)
	case c.is("jitter/smaller-of-two"):
		return min(c.within(w), c.within(w))
	case c.is("jitter/sum-of-two"):
		return c.within(w/2) + c.within(w/2)
	case c.is("jitter/often-zero"):
		if c.words.IntN(20) == 0 {
			return 0
		}
	case c.is("jitter/remainder"):
		if w > 0 {
			return time.Duration(c.words.Uint64()>>37) % w
		}
	case c.is("jitter/drawn-once"):
		if c.drawn == nil {
			u := c.words.Float64()
			c.drawn = &u
		}
		return time.Duration(float64(w) * *c.drawn)
	case c.is("jitter/second-mirrors-first"):
		if c.drawn == nil {
			u := c.words.Float64()
			c.drawn = &u
		} else {
			*c.drawn = 1 - *c.drawn
		}
		return time.Duration(float64(w) * *c.drawn)
	case c.is("jitter/clustered"):
		return w/4*c.within(4) + c.within(w/40)
	}
	return c.within(w)
}

// within draws from [0, n), 0 for n = 0.
func (c *houseCall) within(n time.Duration) time.Duration {
	if n <= 0 {
		return 0
	}
	return time.Duration(c.words.Int64N(int64(n)))
}

// part returns thousandths of d, rounded down.
func part(d time.Duration, thousandths int64) time.Duration {
	hi, lo := bits.Mul64(uint64(d), uint64(thousandths))
	q, _ := bits.Div64(hi, lo, 1000)
	return time.Duration(q)
}

// add adds two durations, neither negative, and stops at the largest.
func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// asBackoff returns the bug of a delay function under its name in a loop, where
// there is one.
func asBackoff(bug string) string {
	if name, ok := strings.CutPrefix(bug, "delay/jitter-"); ok && name != "overflows" {
		return "jitter/" + name
	}
	switch name := strings.TrimPrefix(bug, "delay/"); name {
	case "constant", "shifted", "overflow", "shift-masked", "no-cap", "cap-before-multiplying", "whole-seconds":
		return "backoff/" + name
	}
	return bug
}

// waitAfter is the house as a delay function.
func (c *houseCall) waitAfter(attempt int) time.Duration {
	n, d := attempt, c.backoff(attempt)
	switch {
	case c.is("delay/from-zero"):
		n = max(attempt-1, 1)
		d = c.backoff(n)
	case c.is("delay/float64"):
		d = c.capped(time.Duration(min(float64(c.Policy.BaseDelay)*math.Pow(2, float64(attempt-1)), 1<<62)) / 2 * 2)
	case c.is("delay/power-overflows"):
		d = c.capped(time.Duration(int64(uint64(float64(c.Policy.BaseDelay) * math.Pow(2, float64(min(attempt, 64)-1))))))
	case c.is("delay/counts-its-calls"):
		c.attempts++
		n = (c.attempts-1)%2 + 1
		d = c.backoff(n)
	case c.is("delay/jitter-overflows"):
		return d + c.within(d/10)
	case c.is("delay/panics-late"):
		_ = make([]int, 64)[attempt]
	}
	d = c.jittered(n, d)
	c.previous = d
	return d
}
