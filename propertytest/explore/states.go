package explore

import (
	"slices"
	"time"

	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// states counts what scenarios bring about.
type states struct {
	names   []string
	counts  map[string]int
	noticed bool // the subject announced a retry
}

// newStates returns the states that a subject may be brought into.
func newStates(s Subject, o Options) *states {
	st := &states{counts: make(map[string]int)}
	if s.delay != nil {
		return st
	}
	any := func(f func(retry.Policy) bool) bool {
		return len(o.Policies) == 0 || slices.ContainsFunc(o.Policies, f)
	}
	waits := any(func(p retry.Policy) bool {
		return retries(p, 2) && (longest(p) > 2 || p.RetryAfter != retry.HintIgnored)
	})
	for _, state := range []struct {
		name  string
		canBe bool
	}{
		{"success", true},
		{"success after a retry", any(func(p retry.Policy) bool { return retries(p, 2) })},
		{"a permanent failure", !slices.Contains(o.Lacks, verdict.Classes)},
		{"the last attempt failed", any(func(p retry.Policy) bool { return p.MaxAttempts != retry.Unlimited })},
		{"a wrapped failure was retried", any(func(p retry.Policy) bool { return retries(p, 3) })},
		{"a hint above the backoff", any(func(p retry.Policy) bool { _, long := hints(p); return long > longest(p) })},
		{"a hint below the backoff", any(func(p retry.Policy) bool {
			short, _ := hints(p)
			low, _ := backoff(p, 1, 0)
			return short < low
		})},
		{"a hint of zero", true},
		{"cancelled before the start", true},
		{"cancelled in a wait", waits},
		{"a deadline that leaves no time", waits},
		{"an empty stream", s.streams()},
		{"a stream that breaks", s.streams()},
		{"a stream that ends early", s.streams()},
	} {
		if state.canBe {
			st.names = append(st.names, state.name)
		}
	}
	return st
}

// longest returns the longest first wait of a policy.
func longest(p retry.Policy) time.Duration {
	_, high := backoff(p, 1, 0)
	return high
}

// retries reports whether there is time for that many attempts.
func retries(p retry.Policy, attempts int) bool {
	return p.MaxAttempts >= attempts && (p.MaxElapsed == 0 || p.MaxElapsed/4 > longest(p))
}

func (st *states) list() (out []State) {
	for _, name := range st.names {
		out = append(out, State{name, st.counts[name]})
	}
	return out
}

// note counts what a scenario brought about.
func (st *states) note(s *scripted.Script, events trace.Trace) {
	seen := look(events)
	n := len(seen.attempts)
	is := func(name string, yes bool) {
		if yes {
			st.counts[name]++
		}
	}
	is("cancelled before the start", seen.cancel == 0)
	if n == 0 {
		return
	}
	last := seen.attempts[n-1]
	is("success", !last.failed)
	is("success after a retry", !last.failed && n > 1)
	is("a permanent failure", last.failed && last.class == "permanent")
	is("the last attempt failed", last.failed && n >= s.Policy.MaxAttempts)
	is("a wrapped failure was retried", slices.ContainsFunc(seen.attempts[:n-1], func(a seenAttempt) bool { return a.wrapped }))
	is("cancelled in a wait", last.failed && seen.cancel > last.end)
	for i, a := range seen.attempts {
		if a.hint == nil && seen.deadline == 0 {
			continue // the schedule is not cheap to work out
		}
		low, high := backoff(*s.Policy, i+1, 0)
		if a.hint != nil {
			is("a hint above the backoff", *a.hint > high)
			is("a hint below the backoff", *a.hint < low && *a.hint > 0)
			is("a hint of zero", *a.hint == 0)
		}
		is("a deadline that leaves no time", a.failed && seen.deadline > 0 && plus(a.end, high) >= seen.deadline)
	}
	sent := 0
	for _, e := range events {
		switch {
		case e.Kind == trace.Notice:
			st.noticed = true
		case e.Kind == trace.Sent && e.Chunk == "broken":
			is("a stream that breaks", true)
		case e.Kind == trace.Sent && e.Chunk == "eof":
			is("an empty stream", sent <= 1)
		case e.Kind == trace.Sent:
			sent++
		case e.Kind == trace.EOF:
			is("a stream that ends early", sent > 0 && !finished(events))
		}
	}
}

func finished(events trace.Trace) bool {
	for _, e := range events {
		if e.Kind == trace.Sent && e.Chunk == "finished" {
			return true
		}
	}
	return false
}
