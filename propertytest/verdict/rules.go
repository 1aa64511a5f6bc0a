package verdict

import (
	"math"
	"time"

	"github.com/retrykit/retrykit/retry"
)

var rules = []Rule{
	{
		Name: "early-retry", Guard: "C5, C6",
		Says: "an attempt does not begin before the wait that the server asked for, or else the schedule's, is over",
		Harm: "a server that asked for time is asked again while it has none, and answers with a ban or an outage",
		find: earlyRetry,
	}, {
		Name: "over-wait", Guard: "C6, C7",
		Says: "an attempt begins when the wait is over, which jitter can make longer, within its bounds",
		Harm: "the caller waits for nothing, and its deadline passes",
		find: overWait,
	}, {
		Name: "extra-attempt", Guard: "C1",
		Says: "no more attempts are made than the policy allows, the first included",
		Harm: "every client sends more than was agreed, all at once, in an outage",
		find: extraAttempt,
	}, {
		Name: "retried-permanent", Guard: "C3",
		Says: "an error that will not pass is not followed by another attempt",
		Harm: "a wrong key is sent again and again until the account is locked",
		find: retriedPermanent,
	}, {
		Name: "retried-after-content", Guard: "C9",
		Says: "no attempt follows one whose stream has delivered a chunk",
		Harm: "the user reads the beginning of the answer twice, and pays twice",
		find: retriedAfterContent,
	}, {
		Name: "slept-after-last", Guard: "C2",
		Says: "the error of the last permitted attempt returns at once",
		Harm: "the caller waits for an attempt that will not be made",
		find: sleptAfterLast,
	}, {
		Name: "started-after-cancel", Guard: "C10",
		Says: "no attempt begins after the caller's context has ended",
		Harm: "work is done and paid for that nobody waits for",
		find: startedAfterCancel,
	}, {
		Name: "ignored-cancel", Guard: "C10",
		Says: "a wait ends with the caller's context",
		Harm: "a shutdown hangs for as long as the longest wait",
		find: ignoredCancel,
	}, {
		Name: "gave-up-early", Guard: "C1, C3",
		Says: "attempts that are left are used after an error that may pass",
		Harm: "a blip that the policy covers reaches the user",
		find: gaveUpEarly,
	}, {
		Name: "lost-error", Guard: "C4",
		Says: "the error returned is that of the last attempt",
		Harm: "the caller decides by an error that is not the one that happened",
		find: lostError,
	},
}

// asked returns the shortest and the longest wait that may follow a failed
// attempt: what the policy decides at the two ends of chance. ok is false where
// the trace does not tell what the attempt failed with.
func (c *call) asked(i int) (least, most time.Duration, ok bool) {
	a := c.attempts[i]
	if a.failed == nil || a.wait == nil || a.wait.Class != "transient" {
		return 0, 0, false
	}
	f := retry.Failure{Attempt: a.number, Elapsed: a.failed.At - c.attempts[0].at}
	if i > 0 && c.attempts[i-1].wait != nil && c.attempts[i-1].wait.Wait != nil {
		f.Previous = *c.attempts[i-1].wait.Wait
	}
	class := retry.Transient()
	if a.wait.RetryAfter != nil {
		class = retry.TransientAfter(*a.wait.RetryAfter)
	}
	least = math.MaxInt64
	for _, f.Class = range []retry.Classification{class, class.Throttled()} { // a trace does not tell which
		for _, chance := range []word{0, math.MaxUint64} {
			d := c.policy.Decide(f, chance)
			if !d.Retry() {
				return 0, 0, false
			}
			least, most = min(least, d.Wait), max(most, d.Wait)
		}
	}
	return least, most, true
}

// word is a source that draws one word for ever.
type word uint64

func (w word) Uint64() uint64 { return uint64(w) }

func earlyRetry(c *call) (out []Finding) {
	for i, next := range c.retries() {
		a := c.attempts[i]
		if least, _, ok := c.asked(i); ok && next.at-a.failed.At < least {
			out = append(out, finding(next, "attempt %d came after %v, and not after %v at least", next.number, next.at-a.failed.At, least))
		}
	}
	return out
}

func overWait(c *call) (out []Finding) {
	for i, next := range c.retries() {
		a := c.attempts[i]
		if _, most, ok := c.asked(i); ok && next.at-a.failed.At > most {
			out = append(out, finding(next, "attempt %d came after %v, and not after %v at most", next.number, next.at-a.failed.At, most))
		}
	}
	return out
}

func extraAttempt(c *call) (out []Finding) {
	for _, a := range c.attempts {
		if a.number > max(c.policy.MaxAttempts, 1) {
			out = append(out, finding(a, "attempt %d, and the policy allows %d", a.number, max(c.policy.MaxAttempts, 1)))
		}
	}
	return out
}

func retriedPermanent(c *call) (out []Finding) {
	for i, next := range c.retries() {
		if a := c.attempts[i]; a.failed != nil && a.wait != nil && a.wait.Class == "permanent" {
			out = append(out, finding(next, "attempt %d after the permanent error %q", next.number, a.failed.Error))
		}
	}
	return out
}

func retriedAfterContent(c *call) (out []Finding) {
	for i, next := range c.retries() {
		if a := c.attempts[i]; a.chunks > 0 {
			out = append(out, finding(next, "attempt %d, and attempt %d had delivered %d of its answer's chunks", next.number, a.number, a.chunks))
		}
	}
	return out
}

func sleptAfterLast(c *call) []Finding {
	if len(c.attempts) == 0 || c.end == nil {
		return nil
	}
	a := c.attempts[len(c.attempts)-1]
	if a.failed == nil || a.number < max(c.policy.MaxAttempts, 1) || c.end.At == a.failed.At && a.wait == nil {
		return nil
	}
	return []Finding{finding(a, "attempt %d was the last, and its error returned %v later", a.number, c.end.At-a.failed.At)}
}

func startedAfterCancel(c *call) (out []Finding) {
	for _, a := range c.attempts {
		if a.dead {
			out = append(out, finding(a, "attempt %d began at %v, and the context had ended at %v", a.number, a.at, c.cancel.At))
		}
	}
	return out
}

func ignoredCancel(c *call) (out []Finding) {
	if c.cancel == nil {
		return nil
	}
	for _, a := range c.attempts {
		if a.wait != nil && a.over != nil && a.wait.At <= c.cancel.At && a.over.At > c.cancel.At {
			out = append(out, finding(a, "the wait after attempt %d went on until %v, and the context had ended at %v", a.number, a.over.At, c.cancel.At))
		}
	}
	return out
}

func gaveUpEarly(c *call) []Finding {
	if len(c.attempts) == 0 || c.end == nil || c.end.Reason != retry.LastAttempt.String() {
		return nil
	}
	a := c.attempts[len(c.attempts)-1]
	if a.number >= max(c.policy.MaxAttempts, 1) {
		return nil
	}
	return []Finding{finding(a, "attempt %d was made out to be the last, and the policy allows %d", a.number, c.policy.MaxAttempts)}
}

func lostError(c *call) []Finding {
	if len(c.attempts) == 0 || c.end == nil || c.cancel != nil || c.end.Reason == retry.Cancelled.String() {
		return nil
	}
	a := c.attempts[len(c.attempts)-1]
	if a.failed == nil || a.failed.Error == c.end.Error {
		return nil
	}
	return []Finding{finding(a, "attempt %d failed with %q, the caller got %q", a.number, a.failed.Error, c.end.Error)}
}
