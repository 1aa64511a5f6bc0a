package verdict

import (
	"slices"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

func startedAfterCancel(c *call) (out []Finding) {
	for _, a := range c.attempts {
		if a.dead {
			out = append(out, finding(a, "attempt %d began at %v, and the context had ended at %v", a.number, a.at, c.cancel.At))
		}
	}
	return out
}

// deaf reports whether the call was stuck in a wait that its context had ended:
// it waits for nothing but its timer.
func (c *call) deaf() bool {
	a, ok := c.last()
	n := len(c.conduct)
	return ok && n > 0 && c.conduct[n-1].Kind == trace.Stuck && c.end == nil && c.cancel != nil && a.failed != nil && a.failed.At <= c.cancel.At && !a.dead
}

func ignoredCancel(c *call) (out []Finding) {
	if c.cancel == nil {
		return nil
	}
	t := c.cancel.At
	if a, _ := c.last(); c.deaf() {
		f := finding(a, "the wait after attempt %d went on, and the context had ended at %v", a.number, t)
		f.At = t
		return []Finding{f}
	}
	for i, a := range c.attempts {
		if a.failed == nil || a.failed.At > t {
			continue
		}
		over := t
		switch {
		case a.wait != nil && a.wait.At > t:
		case a.over != nil:
			over = a.over.At
		case i+1 < len(c.attempts):
			over = c.attempts[i+1].at
		}
		if over > t {
			f := finding(a, "the wait after attempt %d went on until %v, and the context had ended at %v", a.number, over, t)
			f.At = over
			out = append(out, f)
		}
	}
	if a, ok := c.last(); len(out) == 0 && ok && a.failed != nil && c.end != nil && c.end.At > max(t, a.failed.At) {
		f := finding(a, "the call returned at %v, and the context had ended at %v", c.end.At, t)
		f.At = c.end.At
		out = append(out, f)
	}
	return out
}

func sleptToDeadline(c *call) []Finding {
	a, ok := c.last()
	if n := len(c.attempts); n > 1 && c.bounded() && !a.dead && a.at >= *c.begin.Deadline {
		f := finding(a, "attempt %d came at %v, and the deadline was at %v", a.number, a.at, *c.begin.Deadline)
		f.Level = c.spec.level(Deadline)
		return []Finding{f}
	}
	if !ok || c.end == nil || a.failed == nil || c.end.At <= a.failed.At || c.begin == nil || c.begin.Deadline == nil {
		return nil
	}
	i := len(c.attempts) - 1
	least, _, known := c.asked(i)
	if _, mustNot := c.goesOn(i); !known || mustNot || c.timeLeft(i, least) {
		return nil
	}
	f := finding(a, "the call went on for %v after attempt %d, with a deadline at %v and a wait of %v to come", c.end.At-a.failed.At, a.number, *c.begin.Deadline, least)
	f.Level = c.spec.level(Deadline)
	return []Finding{f}
}

// cut reports whether it was the context that ended the call: it ended, or left
// no time, while the policy would have gone on. Where chance decided, or a limit
// on the whole call may have come into it, only may is true.
func (c *call) cut() (must, may bool) {
	if c.end == nil || c.end.Error == "" {
		return false, false
	}
	cancelled := c.cancel != nil && c.cancel.At <= c.end.At
	a, ok := c.last()
	if !ok {
		return cancelled, cancelled
	}
	if a.failed == nil {
		return cancelled && a.opened == nil, cancelled
	}
	if c.end.Reason != "" {
		said := c.end.Reason == retry.Cancelled.String()
		return said, said
	}
	i := len(c.attempts) - 1
	least, most, known := c.asked(i)
	if !known {
		return false, cancelled && !a.permanent() && a.number < c.most()
	}
	goesOn, _ := c.goesOn(i)
	goesOn = goesOn && !c.coincides(a)
	return goesOn && (cancelled || !c.timeLeft(i, least)), cancelled || !c.timeLeft(i, most)
}

// coincides reports whether the context ended at the instant at which the server
// refused the attempt: what comes first is what the code sees first.
func (c *call) coincides(a attempt) bool {
	return c.cancel != nil && a.failed != nil && a.failed.Class != "" && c.cancel.At == a.failed.At
}

func lostCancel(c *call) []Finding {
	if must, _ := c.cut(); !must || c.end.Is == nil {
		return nil
	}
	ended, cause := slices.Contains(c.end.Is, trace.IsContext), slices.Contains(c.end.Is, trace.IsCause)
	if ended && cause {
		return nil
	}
	a, _ := c.last()
	f := finding(a, "the context ended the call, and its error %q does not say so", c.end.Error)
	if ended {
		f.What = "the context ended the call, and its error does not tell the cause"
		f.Level = c.spec.level(Cause)
	}
	f.At = c.end.At
	return []Finding{f}
}
