package explore

import (
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// states counts what scenarios bring about.
type states struct {
	names  []string
	counts map[string]int
}

// newStates returns the states that a subject may be brought into.
func newStates(s Subject, o Options) *states {
	st := &states{counts: make(map[string]int)}
	if s.delay != nil {
		return st
	}
	st.names = []string{
		"success", "success after a retry", "a permanent failure", "the last attempt failed", "a wrapped failure was retried",
		"a hint above the backoff", "a hint below the backoff", "a hint of zero",
		"cancelled before the start", "cancelled in a wait", "a deadline that leaves no time",
	}
	if s.streams() {
		st.names = append(st.names, "an empty stream", "a stream that breaks", "a stream that ends early")
	}
	return st
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
	is("a wrapped failure was retried", n > 2)
	is("cancelled in a wait", last.failed && seen.cancel > last.end)
	for i, a := range seen.attempts {
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
