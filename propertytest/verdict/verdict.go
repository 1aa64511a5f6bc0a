// Package verdict finds faults in the trace of a retried call.
//
// Each fault is a [Rule] with a name, the word of a scenario's "expect no": a
// sentence that says what is forbidden, and what goes wrong in production when
// it happens. The rules look at a [trace.Trace] and a [retry.Policy] only, so
// they judge any implementation whose trace can be had. What a trace does not
// tell is not held against it: a rule finds nothing where it cannot be sure.
package verdict

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

// Rule is a fault that a trace can show.
type Rule struct {
	Name  string // such as "early-retry"
	Says  string // what must not be, in one sentence
	Harm  string // what it does in production
	Guard string // the rule of the contract that it guards, such as "C5"

	find func(*call) []Finding
}

// Finding is a fault in a trace.
type Finding struct {
	Rule    Rule
	Call    uint64
	Attempt int // the one it is about
	At      time.Duration
	What    string // such as "attempt 2 came after 1s, 5s were asked for"
}

// String returns the finding in one line, such as
// "early-retry: attempt 2 came after 1s, 5s were asked for".
func (f Finding) String() string { return f.Rule.Name + ": " + f.What }

// Rules returns all rules, in the order in which [Check] applies them.
func Rules() []Rule { return slices.Clone(rules) }

// Check returns the faults of every call in the trace, by call and rule. The
// policy is the one that the calls were to obey.
func Check(events trace.Trace, p retry.Policy) []Finding {
	var out []Finding
	for _, c := range split(events, p) {
		for _, r := range rules {
			for _, f := range r.find(c) {
				f.Rule, f.Call = r, c.number
				out = append(out, f)
			}
		}
	}
	return out
}

// call is one call of a trace, sorted by what the rules ask about.
type call struct {
	number   uint64
	policy   retry.Policy
	events   trace.Trace
	attempts []attempt
	cancel   *trace.Event // the caller's context ended
	end      *trace.Event // the call returned
}

// attempt is an attempt with what followed it.
type attempt struct {
	number int
	at     time.Duration
	failed *trace.Event // nil: it did not fail
	wait   *trace.Event // nil: no wait followed
	over   *trace.Event // the wait's end
	chunks int
	dead   bool // the context had ended before it began
}

// split sorts a trace into its calls, in the order of their first events.
func split(events trace.Trace, p retry.Policy) []*call {
	var calls []*call
	byNumber := make(map[uint64]*call)
	for i := range events {
		e := &events[i]
		c := byNumber[e.Call]
		if c == nil {
			c = &call{number: e.Call, policy: p}
			byNumber[e.Call] = c
			calls = append(calls, c)
		}
		c.add(e)
	}
	return calls
}

func (c *call) add(e *trace.Event) {
	switch e.Kind {
	case trace.Attempt:
		c.attempts = append(c.attempts, attempt{number: e.Attempt, at: e.At, dead: c.cancel != nil})
		return
	case trace.Cancel:
		c.cancel = e
		return
	case trace.End:
		c.end = e
		return
	}
	if len(c.attempts) == 0 {
		return
	}
	a := &c.attempts[len(c.attempts)-1]
	switch e.Kind {
	case trace.Failed:
		a.failed = e
	case trace.Wait:
		a.wait = e
	case trace.Resumed, trace.Interrupted:
		a.over = e
	case trace.Chunk:
		a.chunks++
	}
}

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

func finding(a attempt, format string, args ...any) Finding {
	return Finding{Attempt: a.number, At: a.at, What: fmt.Sprintf(format, args...)}
}
