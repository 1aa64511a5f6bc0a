package verdict

import (
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
		Name: "late-retry", Guard: "C6, C7",
		Says: "an attempt begins when the wait is over, which jitter makes longer by less than a tenth",
		Harm: "the caller waits for nothing, and its deadline passes",
		find: lateRetry,
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

// asked returns the shortest wait that may follow a failed attempt, and ok if
// the trace and the policy tell.
func (c *call) asked(a attempt) (d time.Duration, ok bool) {
	switch {
	case a.failed == nil || a.wait == nil:
		return 0, false
	case a.wait.RetryAfter != nil:
		return *a.wait.RetryAfter, true
	}
	return c.policy.Backoff(a.number), true
}

func earlyRetry(c *call) (out []Finding) {
	c.followed(func(a, next attempt) {
		if least, ok := c.asked(a); ok && next.at-a.failed.At < least {
			out = append(out, finding(next, "attempt %d came after %v, and not after %v at least", next.number, next.at-a.failed.At, least))
		}
	})
	return out
}

func lateRetry(c *call) (out []Finding) {
	c.followed(func(a, next attempt) {
		least, ok := c.asked(a)
		if !ok || c.policy.Jitter != retry.JitterNone && c.policy.Jitter != retry.JitterAdditive {
			return
		}
		most := least
		if c.policy.Jitter == retry.JitterAdditive {
			most += least / 10
		}
		if got := next.at - a.failed.At; most >= least && got > most {
			out = append(out, finding(next, "attempt %d came after %v, and not after %v at most", next.number, got, most))
		}
	})
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
	c.followed(func(a, next attempt) {
		if a.wait != nil && a.wait.Class == "permanent" {
			out = append(out, finding(next, "attempt %d after the permanent error %q", next.number, a.failed.Error))
		}
	})
	return out
}

func retriedAfterContent(c *call) (out []Finding) {
	c.followed(func(a, next attempt) {
		if a.chunks > 0 {
			out = append(out, finding(next, "attempt %d, and attempt %d had delivered %d of its answer's chunks", next.number, a.number, a.chunks))
		}
	})
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
