package verdict

import "github.com/retrykit/retrykit/retry/trace"

func sleptAfterLast(c *call) []Finding {
	a, ok := c.last()
	if !ok || c.end == nil || a.failed == nil || c.end.At <= a.failed.At && a.wait == nil {
		return nil
	}
	if _, mustNot := c.goesOn(len(c.attempts) - 1); !mustNot {
		return nil
	}
	f := finding(a, "attempt %d was the last, and its error returned %v later", a.number, c.end.At-a.failed.At)
	f.At = c.end.At
	return []Finding{f}
}

// said returns the rule that finds the events of one kind, which a harness put
// into the trace.
func said(kind trace.Kind) func(*call) []Finding {
	return func(c *call) (out []Finding) {
		for _, e := range c.conduct {
			if e.Kind == kind {
				out = append(out, Finding{Attempt: e.Attempt, At: e.At, What: e.Error})
			}
		}
		return out
	}
}

var (
	leaked     = said(trace.Leaked)
	panicked   = said(trace.Panicked)
	stuck      = said(trace.Stuck)
	wrongClock = said(trace.Strayed)
)
