package explore

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// oracle reads the contract plainly: it goes through what was seen of the one
// call of a script, attempt by attempt, and says where the call should have gone
// on and did not, or the other way round, or at another time. It shares nothing
// with package retry but the policy's fields. "" means that all is as it should
// be.
func oracle(s *scripted.Script, events trace.Trace) string {
	p, seen := *s.Policy, look(events)
	turns := expand(s.Turns, len(seen.attempts)+1)
	previous := time.Duration(0)
	for i, a := range seen.attempts {
		n, goesOn := i+1, i+1 < len(seen.attempts)
		if !a.failed {
			if goesOn && !a.refused {
				return fmt.Sprintf("attempt %d succeeded, and attempt %d followed", n, n+1)
			}
			continue
		}
		answer := turns[i].Answer
		if p.AttemptTimeout > 0 && a.end-a.start >= p.AttemptTimeout {
			answer = scripted.Hang{} // whatever it would have been
		}
		q := p
		if a.class == "throttled" && p.ThrottleDelay > 0 {
			q.BaseDelay = p.ThrottleDelay
		}
		low, high, givesUp := window(q, n, answer, a.hint, previous)
		never := n >= max(p.MaxAttempts, 1) || permanent(answer, a) || givesUp
		late := func(wait time.Duration) bool {
			return p.MaxElapsed > 0 && wait > p.MaxElapsed-(a.end-seen.attempts[0].start) || seen.deadline > 0 && wait >= seen.deadline-a.end
		}
		cancelled := seen.cancel >= 0 && (seen.cancel <= a.end || high > seen.cancel-a.end)
		if !goesOn {
			if seen.ended && !never && !cancelled && !late(high) && !a.unclear {
				return fmt.Sprintf("the call ended after attempt %d, where the contract goes on after %v to %v", n, low, high)
			}
			continue
		}
		gap := seen.attempts[i+1].start - a.end
		previous = gap
		switch {
		case never:
			return fmt.Sprintf("attempt %d follows attempt %d, where the contract ends the call", n+1, n)
		case a.unclear:
		case gap < low || gap > high:
			return fmt.Sprintf("attempt %d came after %v, where the contract says %v to %v", n+1, gap, low, high)
		case late(gap):
			return fmt.Sprintf("attempt %d came when there was no time left for it", n+1)
		case seen.attempts[i+1].dead:
			return fmt.Sprintf("attempt %d came after the context had ended", n+1)
		}
	}
	return ""
}

// window returns the shortest and the longest wait after the n-th attempt.
func window(p retry.Policy, n int, answer scripted.Answer, hint *time.Duration, previous time.Duration) (low, high time.Duration, givesUp bool) {
	low, high = backoff(p, n, previous)
	if t, ok := answer.(scripted.Transient); ok && t.Hinted {
		hint = &t.Wait
	}
	if hint == nil || p.RetryAfter == retry.HintIgnored {
		return low, high, false
	}
	asked := *hint
	if long := p.MaxRetryAfter > 0 && asked > p.MaxRetryAfter; long || p.LongRetryAfter == retry.HintWithin {
		switch {
		case p.LongRetryAfter == retry.HintDropped:
			return low, high, false
		case p.LongRetryAfter == retry.HintGivesUp:
			return 0, 0, true
		case p.LongRetryAfter == retry.HintClamped:
			asked = p.MaxRetryAfter
		case p.LongRetryAfter == retry.HintWithin:
			return min(max(low, asked), plus(low, p.MaxRetryAfter)), max(high, min(asked, plus(high, p.MaxRetryAfter))), false
		}
	}
	if p.RetryAfter == retry.HintOrBackoff {
		return max(low, asked), max(high, asked), false
	}
	if p.Jitter == retry.JitterAdditive {
		return asked, plus(asked, asked/10), false
	}
	return asked, asked, false
}

// backoff returns the bounds of the schedule's n-th wait, with jitter.
func backoff(p retry.Policy, n int, previous time.Duration) (low, high time.Duration) {
	d, steps := big.NewInt(int64(p.BaseDelay)), int64(n-1)
	most, whole := big.NewInt(1<<63-1), true
	switch p.Schedule {
	case retry.Linear:
		step := p.Step
		if step == 0 {
			step = p.BaseDelay
		}
		d.Add(d, new(big.Int).Mul(big.NewInt(int64(step)), big.NewInt(steps)))
	case retry.List:
		list := p.Delays.List()
		d.SetInt64(int64(list[min(n, len(list))-1]))
	case retry.Exponential:
		factor := new(big.Rat).SetFloat64(max(p.Multiplier, 1))
		if p.Multiplier == 0 {
			factor.SetInt64(2)
		}
		millionths, _ := new(big.Rat).Mul(factor, big.NewRat(1_000_000, 1)).Float64()
		factor = big.NewRat(int64(millionths+0.5), 1_000_000) // in lowest terms
		whole = factor.IsInt() || steps == 0
		unit := big.NewInt(1)
		for range steps {
			if d.Sign() == 0 || factor.Num().Cmp(factor.Denom()) == 0 || d.BitLen() > unit.BitLen()+64 {
				break // it stays there
			}
			d.Mul(d, factor.Num())
			unit.Mul(unit, factor.Denom())
		}
		d.Quo(d, unit)
	}
	if d.Cmp(most) > 0 {
		d.Set(most)
	}
	delay, limit := time.Duration(d.Int64()), p.MaxDelay
	if p.Jitter == retry.JitterDecorrelated {
		return capped(p.BaseDelay, limit), capped(times3(max(previous, p.BaseDelay)), limit)
	}
	if limit > 0 && p.Cap != retry.CapAfterJitter && delay > limit {
		if delay = limit; p.Cap == retry.CapExact {
			return delay, delay
		}
	}
	below, above := shares(p.Jitter)
	low, high = delay-share(delay, below), plus(delay, share(delay, above))
	if !whole {
		low, high = max(low-rounding(n, delay, p.BaseDelay), 0), plus(high, rounding(n, delay, p.BaseDelay))
	}
	if p.Cap == retry.CapAfterJitter {
		low, high = capped(low, limit), capped(high, limit)
	}
	return low, high
}

// rounding returns how far a delay that grew by a fraction may be off: by a
// nanosecond in each step, which grows with the rest, and by what a float drops.
func rounding(n int, delay, base time.Duration) time.Duration {
	return time.Duration(min(n, 1<<10))*(min(delay/max(base, 1), 1<<20)+1) + delay>>40
}

// shares returns how far a kind of jitter reaches below and above the delay, in
// thousandths of it.
func shares(j retry.Jitter) (below, above int64) {
	switch j {
	case retry.JitterAdditive:
		return 0, 100
	case retry.JitterFull:
		return 1000, 0
	case retry.JitterEqual:
		return 500, 0
	case retry.JitterNone:
		return 0, 0
	}
	var b, a float64
	fmt.Sscanf(j.String(), "-%f%%+%f%%", &b, &a)
	return int64(b*10 + 0.5), int64(a*10 + 0.5)
}

func share(d time.Duration, thousandths int64) time.Duration {
	n := new(big.Int).Mul(big.NewInt(int64(d)), big.NewInt(thousandths))
	return time.Duration(n.Quo(n, big.NewInt(1000)).Int64())
}

func plus(d, e time.Duration) time.Duration {
	if e > 1<<63-1-d {
		return 1<<63 - 1
	}
	return d + e
}

func times3(d time.Duration) time.Duration { return plus(d, plus(d, d)) }

func capped(d, limit time.Duration) time.Duration {
	if limit > 0 {
		return min(d, limit)
	}
	return d
}

// permanent reports whether an answer ends the call. A context that ended is no
// answer: then what was seen says it.
func permanent(answer scripted.Answer, a seenAttempt) bool {
	_, ok := answer.(scripted.Permanent)
	_, status := answer.(scripted.Status)
	return ok || status && a.class == "permanent"
}

// sight is what the oracle looks at.
type sight struct {
	attempts []seenAttempt
	ended    bool          // the call returned
	cancel   time.Duration // -1: never
	deadline time.Duration // 0: none
}

type seenAttempt struct {
	start, end time.Duration
	dead       bool // the caller's context had ended before, which at one instant is a matter of order
	failed     bool
	wrapped    bool // its error was disguised
	unclear    bool // it ended with its context
	refused    bool // it succeeded with a stream that broke before anything came, which may count as a failure
	chunks     int
	class      string
	hint       *time.Duration
}

func look(events trace.Trace) sight {
	s := sight{cancel: -1}
	for _, e := range events {
		switch e.Kind {
		case trace.Begin:
			if e.Deadline != nil {
				s.deadline = *e.Deadline
			}
		case trace.Attempt:
			s.attempts = append(s.attempts, seenAttempt{start: e.At, dead: s.cancel >= 0})
		case trace.Failed, trace.Opened:
			a := &s.attempts[len(s.attempts)-1]
			a.end, a.failed, a.class, a.hint = e.At, e.Kind == trace.Failed, e.Class, e.RetryAfter
			a.unclear = a.failed && e.Class == ""
			a.wrapped = strings.HasPrefix(e.Error, disguised)
		case trace.Sent:
			a := &s.attempts[len(s.attempts)-1]
			if e.Chunk == "broken" {
				a.refused = a.chunks == 0
			}
			a.chunks++
		case trace.End:
			s.ended = true
		case trace.Cancel:
			if s.cancel < 0 {
				s.cancel = e.At
			}
		}
	}
	return s
}

// expand returns the first n turns of a script, one for each request.
func expand(turns []scripted.Turn, n int) []scripted.Turn {
	var out []scripted.Turn
	for _, t := range turns {
		for range min(max(t.Repeat, 1), n-len(out)) {
			out = append(out, t)
		}
	}
	for len(out) < n { // what is past the script is refused for good
		out = append(out, scripted.Turn{Answer: scripted.Permanent{}})
	}
	return out
}
