package verdict

import (
	"iter"
	"math"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

// call is one call of a trace, sorted by what the rules ask about.
type call struct {
	number   uint64
	spec     Spec
	begin    *trace.Event // the call was entered
	attempts []attempt
	cancel   *trace.Event // the caller's context ended
	end      *trace.Event // the call returned
	streamed []*trace.Event
	got      []*trace.Event // chunks that the consumer received
	over     *trace.Event   // the consumer's stream ended
	conduct  []*trace.Event // what a harness has to say
	notices  []*trace.Event // retries that the code announced
}

// attempt is an attempt with what followed it.
type attempt struct {
	number   int
	at       time.Duration
	started  *trace.Event
	failed   *trace.Event // nil: it did not fail
	opened   *trace.Event // nil: it did not succeed
	wait     *trace.Event // nil: no wait followed, or the trace does not tell of it
	over     *trace.Event // the wait's end
	chunks   int          // sent or received
	finished bool         // the terminal chunk was
	broken   *trace.Event // its stream ended in an error, or was seen to end without its terminal chunk
	dead     bool         // the context had ended before it began
	alive    bool         // it succeeded, and the context had not ended
}

// split sorts a trace into its calls, in the order of their first events.
func split(events trace.Trace, s Spec) []*call {
	var calls []*call
	byNumber := make(map[uint64]*call)
	for i := range events {
		e := &events[i]
		c := byNumber[e.Call]
		if c == nil {
			c = &call{number: e.Call, spec: s}
			byNumber[e.Call] = c
			calls = append(calls, c)
		}
		c.add(e)
	}
	return calls
}

func (c *call) add(e *trace.Event) {
	switch e.Kind {
	case trace.Begin:
		c.begin = e
	case trace.Attempt:
		c.attempts = append(c.attempts, attempt{number: e.Attempt, at: e.At, started: e, dead: c.cancel != nil})
	case trace.Cancel:
		if c.cancel == nil {
			c.cancel = e
		}
	case trace.End:
		c.end = e
	case trace.Notice:
		c.notices = append(c.notices, e)
	case trace.Leaked, trace.Panicked, trace.Stuck, trace.Strayed:
		c.conduct = append(c.conduct, e)
	default:
		if a := c.of(e); a != nil {
			c.addTo(a, e)
		}
	}
}

// of returns the attempt that an event is about, nil if the trace has not told
// of it.
func (c *call) of(e *trace.Event) *attempt {
	for i := len(c.attempts) - 1; i >= 0; i-- {
		if c.attempts[i].number == e.Attempt {
			return &c.attempts[i]
		}
	}
	return nil
}

func (c *call) addTo(a *attempt, e *trace.Event) {
	switch e.Kind {
	case trace.Failed:
		a.failed = e
	case trace.Opened:
		a.opened, a.alive = e, c.cancel == nil
	case trace.Wait:
		a.wait = e
	case trace.Resumed, trace.Interrupted:
		a.over = e
	case trace.Sent:
		c.streamed = append(c.streamed, e)
		a.stream(e, e.Chunk == "broken" || e.Chunk == "abandoned", e.Chunk == "eof")
	case trace.Chunk:
		c.got = append(c.got, e)
		a.stream(e, false, false)
	case trace.EOF:
		c.over = e
		a.stream(e, false, true)
	case trace.Broken:
		c.over = e
		a.stream(e, true, false)
	}
}

// stream notes what came of the attempt's stream.
func (a *attempt) stream(e *trace.Event, broke, ended bool) {
	switch {
	case broke, ended && !a.finished:
		if a.broken == nil {
			a.broken = e
		}
	case ended:
	default:
		a.chunks++
		a.finished = a.finished || e.Chunk == "finished"
	}
}

// last returns the last attempt; ok is false if there was none.
func (c *call) last() (a attempt, ok bool) {
	if len(c.attempts) == 0 {
		return attempt{}, false
	}
	return c.attempts[len(c.attempts)-1], true
}

// most returns how many attempts the policy allows.
func (c *call) most() int { return max(c.spec.Policy.MaxAttempts, 1) }

// retries yields each attempt after the first, with the index of the one
// before it.
func (c *call) retries() iter.Seq2[int, attempt] {
	return func(yield func(int, attempt) bool) {
		for i := 1; i < len(c.attempts); i++ {
			if !yield(i-1, c.attempts[i]) {
				return
			}
		}
	}
}

// class returns what the attempt failed with, in the word of the trace, and
// what the server asked for; ok is false where the trace does not tell.
func (a attempt) class() (class string, hint *time.Duration, ok bool) {
	switch {
	case a.failed == nil:
		return "", nil, false
	case a.failed.Class != "":
		return a.failed.Class, a.failed.RetryAfter, true
	case a.wait != nil:
		return a.wait.Class, a.wait.RetryAfter, true
	}
	return "", nil, false
}

// permanent reports whether the attempt is known to have failed for good.
func (a attempt) permanent() bool {
	class, _, ok := a.class()
	return ok && class == "permanent"
}

// classes returns what the failure may have been: a trace does not always tell
// a throttled caller from other transient failures.
func (a attempt) classes() []retry.Classification {
	class, hint, ok := a.class()
	if !ok || class == "permanent" {
		return nil
	}
	c := retry.Transient()
	if hint != nil {
		c = retry.TransientAfter(*hint)
	}
	switch {
	case class == "throttled":
		return []retry.Classification{c.Throttled()}
	case a.failed.Class != "":
		return []retry.Classification{c}
	}
	return []retry.Classification{c, c.Throttled()}
}

// decisions yields what the policy says of the failed attempt at the two ends
// of chance. It yields nothing where the trace does not tell what the attempt
// failed with.
func (c *call) decisions(p retry.Policy, i int) iter.Seq[retry.Decision] {
	return func(yield func(retry.Decision) bool) {
		a := c.attempts[i]
		f := retry.Failure{Attempt: a.number, Previous: c.waited(i - 1)}
		if a.failed != nil {
			f.Elapsed = a.failed.At - c.attempts[0].at
		}
		for _, f.Class = range a.classes() {
			for _, chance := range []word{0, math.MaxUint64} {
				if !yield(p.Decide(f, chance)) {
					return
				}
			}
		}
	}
}

// word is a source that draws one word for ever.
type word uint64

func (w word) Uint64() uint64 { return uint64(w) }

// unended reports whether the trace ends in the wait after the last attempt, which
// a harness did not see the end of.
func (c *call) unended(a attempt) bool {
	return c.end == nil && a.failed != nil && a.failed.Class != "" && a.wait != nil && a.wait.Wait != nil && a.over == nil
}

// waited returns the wait after the i-th attempt, 0 if there was none.
func (c *call) waited(i int) time.Duration {
	if i < 0 {
		return 0
	}
	a := c.attempts[i]
	switch {
	case a.wait != nil && a.wait.Wait != nil:
		return *a.wait.Wait
	case a.failed != nil && i+1 < len(c.attempts):
		return c.attempts[i+1].at - a.failed.At
	}
	return 0
}

// asked returns the shortest and the longest wait that may follow a failed
// attempt, limits on the whole call aside. ok is false where the trace does not
// tell what the attempt failed with, and where no wait may follow at all.
func (c *call) asked(i int) (least, most time.Duration, ok bool) {
	p := c.spec.Policy
	p.MaxElapsed = 0
	least = math.MaxInt64
	for d := range c.decisions(p, i) {
		if !d.Retry() {
			return 0, 0, false
		}
		slack := time.Duration(0)
		if d.Reason == retry.Backoff {
			slack = rounding(p, c.attempts[i].number)
		}
		least, most, ok = min(least, max(d.Wait-slack, 0)), max(most, d.Wait+min(slack, math.MaxInt64-d.Wait)), true
	}
	if c.spec.Loose {
		most = math.MaxInt64
	}
	return least, most, ok
}

// rounding returns how far a backoff may be off that grows by a fraction: code may
// round each step, or multiply in floating point. Where the factor is whole there
// is nothing to round.
func rounding(p retry.Policy, attempt int) time.Duration {
	if p.Schedule != retry.Exponential || p.Multiplier == math.Trunc(p.Multiplier) || attempt < 2 {
		return 0
	}
	base := max(p.BaseDelay, p.ThrottleDelay, 1)
	if p.BaseDelay > 0 && p.ThrottleDelay > 0 {
		base = min(p.BaseDelay, p.ThrottleDelay)
	}
	d := p.Backoff(attempt)
	return time.Duration(min(attempt, 1<<10))*(min(d/base, 1<<20)+1) + d>>40
}

// goesOn reports what the policy says of a call after its i-th attempt: that it
// must go on whatever chance says, or that it must not. Where chance decides,
// or the trace does not tell, it is neither.
func (c *call) goesOn(i int) (must, mustNot bool) {
	if c.spec.Loose {
		return false, c.attempts[i].permanent()
	}
	any := false
	must, mustNot = true, true
	for d := range c.decisions(c.spec.Policy, i) {
		any = true
		must, mustNot = must && d.Retry(), mustNot && !d.Retry()
	}
	if !any {
		a := c.attempts[i]
		return false, a.permanent() || a.failed != nil && a.number >= c.most()
	}
	return must, mustNot
}

// timeLeft reports whether a wait of d from the i-th attempt's failure, or from
// the beginning for -1, ends before the caller's deadline, if one is known.
func (c *call) timeLeft(i int, d time.Duration) bool {
	if !c.bounded() {
		return true
	}
	from := c.begin.At
	if i >= 0 {
		from = c.attempts[i].failed.At
	}
	return d < *c.begin.Deadline-from
}

// bounded reports whether the caller's context is known to have a deadline.
func (c *call) bounded() bool { return c.begin != nil && c.begin.Deadline != nil }
