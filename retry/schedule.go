package retry

import (
	"math"
	"math/bits"
	"strings"
	"time"
)

// Schedule says how the backoff grows from one attempt to the next.
type Schedule uint8

const (
	// Exponential: BaseDelay times a power of Multiplier, rounded down to whole
	// nanoseconds.
	Exponential Schedule = iota
	// Constant: BaseDelay every time.
	Constant
	// Linear: BaseDelay, then each backoff is Step longer.
	Linear
	// List: Delays one after another, and then the last of them again and
	// again.
	List
)

var scheduleNames = [...]string{Exponential: "exp", Constant: "const", Linear: "linear", List: "list"}

func (s Schedule) valid() bool { return int(s) < len(scheduleNames) }

// String returns the name that begins the text form of a policy.
func (s Schedule) String() string { return nameOf(scheduleNames[:], int(s)) }

// MaxMultiplier is the largest Multiplier of a policy.
const MaxMultiplier = 1000

// million is the unit of multipliers.
const million = 1_000_000

// Backoff returns the schedule's delay after the failed attempt of that
// number, before jitter: for the exponential schedule
//
//	min(BaseDelay · Multiplier^(attempt-1), MaxDelay)
//
// rounded down once, and not cut when MaxDelay is 0 or caps after the jitter. It
// saturates at the largest Duration, about 292 years, and never overflows. An
// attempt below 1 counts as 1. The policy must be valid.
func (p Policy) Backoff(attempt int) time.Duration {
	delay, _ := p.capped(attempt)
	return delay
}

// capped returns the schedule's delay and whether the cap cut it.
func (p *Policy) capped(attempt int) (delay time.Duration, cut bool) {
	delay = p.uncapped(attempt)
	if p.MaxDelay > 0 && p.Cap != CapAfterJitter && delay > p.MaxDelay {
		return p.MaxDelay, true
	}
	return delay, false
}

// uncapped returns the schedule's delay.
func (p *Policy) uncapped(attempt int) time.Duration {
	n := uint64(max(attempt, 1) - 1) // steps from the first
	switch p.Schedule {
	case Constant:
		return p.BaseDelay
	case Linear:
		step := p.Step
		if step == 0 {
			step = p.BaseDelay
		}
		hi, lo := bits.Mul64(uint64(step), n)
		if hi > 0 || lo > uint64(math.MaxInt64-p.BaseDelay) {
			return math.MaxInt64
		}
		return p.BaseDelay + time.Duration(lo)
	case List:
		return p.Delays.at(n)
	}
	if p.Multiplier == 0 || p.Multiplier == 2 {
		return shiftLeft(p.BaseDelay, n)
	}
	return grown(p.BaseDelay, uint64(math.Round(float64(p.Multiplier*million))), n)
}

// shiftLeft returns d·2^n for d >= 0, saturating.
func shiftLeft(d time.Duration, n uint64) time.Duration {
	if d > math.MaxInt64>>n { // for n > 62 the bound is 0, and only 0 fits
		return math.MaxInt64
	}
	return d << n
}

// Delays is a list of backoffs as text, such as "1s/5s/30s": a [Policy] is
// comparable, so it holds no slice. [MakeDelays] makes one.
type Delays string

// MakeDelays returns the list as text. Negative delays are invalid and are
// found by [Policy.Validate].
func MakeDelays(delays ...time.Duration) Delays {
	texts := make([]string, len(delays))
	for i, d := range delays {
		texts[i] = d.String()
	}
	return Delays(strings.Join(texts, "/"))
}

// List returns the delays, nil if d is no list.
func (d Delays) List() []time.Duration {
	var out []time.Duration
	for text := range strings.SplitSeq(string(d), "/") {
		delay, err := time.ParseDuration(text)
		if err != nil {
			return nil
		}
		out = append(out, delay)
	}
	return out
}

// valid reports whether d is a canonical list with at least one delay.
func (d Delays) valid() bool {
	list := d.List()
	for _, delay := range list {
		if delay < 0 {
			return false
		}
	}
	return len(list) > 0 && MakeDelays(list...) == d
}

// lists are those that were read, so that a decision does not read one again.
var lists memo[Delays, []time.Duration]

// at returns the n-th delay, counted from 0, or the last one.
func (d Delays) at(n uint64) time.Duration {
	if d == "" {
		return 0
	}
	place := uint64(len(d))*7 + uint64(d[0])
	list := *lists.get(d, place, Delays.List)
	if len(list) == 0 { // no list at all, which Validate finds
		return 0
	}
	return list[min(n, uint64(len(list)-1))]
}

// nameOf returns names[i], or "unknown".
func nameOf(names []string, i int) string {
	if i >= len(names) {
		return "unknown"
	}
	return names[i]
}
