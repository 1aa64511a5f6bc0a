package verdict

import (
	"fmt"
	"strings"
	"time"

	"github.com/retrykit/retrykit/retry/trace"
)

func sleptAfterLast(c *call) []Finding {
	a, ok := c.last()
	if ok && a.opened != nil && c.begin != nil && c.end != nil && c.end.Error == "" && c.idle(a) > 0 {
		f := finding(a, "attempt %d succeeded, and its result returned %v later", a.number, c.idle(a))
		f.At = c.end.At
		return []Finding{f}
	}
	if ok && c.unended(a) {
		if _, mustNot := c.goesOn(len(c.attempts) - 1); mustNot {
			return []Finding{finding(a, "attempt %d was the last, and a wait of %v at least follows it", a.number, *a.wait.Wait)}
		}
		return nil
	}
	if !ok || c.end == nil || a.failed == nil || c.end.At <= a.failed.At && a.wait == nil {
		return nil
	}
	_, mustNot := c.goesOn(len(c.attempts) - 1)
	vain := c.spec.Loose && c.cancel == nil && c.end.Error != "" // whatever it was that ended the call, it did so behind a wait
	if !mustNot && !vain {
		return nil
	}
	f := finding(a, "attempt %d was the last, and its error returned %v later", a.number, c.end.At-a.failed.At)
	f.At = c.end.At
	return []Finding{f}
}

// idle returns the time between the last that was heard of a successful attempt
// before the call returned, and its return.
func (c *call) idle(a attempt) time.Duration {
	heard := a.opened.At
	for _, e := range c.streamed {
		if e.At <= c.end.At {
			heard = max(heard, e.At)
		}
	}
	return c.end.At - heard
}

// wrongNotice compares the retries that the code announced with those that came.
// Code that announces none is not held to any.
func wrongNotice(c *call) (out []Finding) {
	if len(c.notices) == 0 {
		return nil
	}
	announced := make(map[int]*trace.Event)
	for _, e := range c.notices {
		if announced[e.Attempt] != nil {
			out = append(out, Finding{Attempt: e.Attempt, At: e.At, What: fmt.Sprintf("the retry after attempt %d was announced twice", e.Attempt)})
		}
		announced[e.Attempt] = e
	}
	for i, a := range c.attempts {
		e := announced[a.number]
		delete(announced, a.number)
		gap, came, waited := time.Duration(0), i+1 < len(c.attempts), false
		if came { // perhaps after a stream that broke before it said anything, of which nobody says when
			gap, waited = c.gap(i)
		}
		_, may := c.cut()
		switch {
		case e == nil && waited:
			out = append(out, finding(a, "the retry after attempt %d was not announced, and others were", a.number))
		case e == nil:
		case !came && c.end == nil: // nobody saw whether it came
		case !came && !may:
			out = append(out, Finding{Attempt: a.number, At: e.At, What: fmt.Sprintf("a retry after attempt %d was announced, and none followed", a.number)})
		case a.failed != nil && e.At > a.failed.At:
			out = append(out, Finding{Attempt: a.number, At: e.At, What: fmt.Sprintf("the retry after attempt %d was announced %v after the failure, and not before the wait", a.number, e.At-a.failed.At)})
		case waited && *e.Wait != gap:
			out = append(out, Finding{Attempt: a.number, At: e.At, What: fmt.Sprintf("a wait of %v after attempt %d was announced, and it was %v", *e.Wait, a.number, gap)})
		case a.failed != nil && a.failed.Error != e.Error:
			out = append(out, Finding{Attempt: a.number, At: e.At, What: fmt.Sprintf("the retry after attempt %d was announced with %q, and the attempt failed with %q", a.number, e.Error, a.failed.Error)})
		}
	}
	for _, e := range c.notices {
		if announced[e.Attempt] == e {
			out = append(out, Finding{Attempt: e.Attempt, At: e.At, What: fmt.Sprintf("a retry after attempt %d was announced, and there was no such attempt", e.Attempt)})
		}
	}
	return out
}

// said returns the rule that finds the events of one kind, which a harness put
// into the trace.
func said(kind trace.Kind) func(*call) []Finding {
	return func(c *call) (out []Finding) {
		for _, e := range c.conduct {
			if e.Kind == kind && !(kind == trace.Stuck && c.deaf()) {
				what, _, _ := strings.Cut(e.Error, "\n") // a dump follows
				out = append(out, Finding{Attempt: e.Attempt, At: e.At, What: what})
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
