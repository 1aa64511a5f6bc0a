// Package verdict finds faults in the trace of a retried call.
//
// Each fault is a [Rule] with a permanent id and a name, the word of a
// scenario's "expect no": a sentence that says what must be, and what goes
// wrong in production when it is not. The rules look at a [trace.Trace] and at
// what the code promises, a [Spec], only, so they judge any implementation
// whose trace can be had: our decorator's, which tells of its waits, or one
// that was only watched from outside, by a harness or a server. What a trace
// does not tell is not held against it: a rule finds nothing where it cannot be
// sure.
//
// Some rules are about many calls, such as those on jitter; [Check] leaves them
// to package explore, and they stand in the same table for their names and
// explanations.
//
// All functions are pure and safe for concurrent use.
package verdict

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
)

// Ruleset is the number of the newest set of rules. A set is all rules whose
// Since is not above its number; a rule never changes its meaning.
const Ruleset = 1

// Rule is a fault that a trace can show.
type Rule struct {
	ID    string // such as "R01", permanent
	Name  string // such as "early-retry", the verdict's word
	Area  string // what it is about, such as "schedule"
	Since int    // the first set it belongs to
	Says  string // what must be, in one sentence
	Harm  string // what goes wrong in production where it is not
	Guard string // the rule of the contract that it guards, such as "C5"

	find  func(*call) []Finding      // nil: no single trace shows it
	needs func(Spec) (reason string) // nil: it applies to all code
}

// Decidable reports whether one trace can show the fault. Others take many
// calls to see, or more than a trace tells.
func (r Rule) Decidable() bool { return r.find != nil }

// Applies reports whether the rule means anything to code that promises s; if
// not, reason says why.
func (r Rule) Applies(s Spec) (reason string, ok bool) {
	if r.needs == nil {
		return "", true
	}
	reason = r.needs(s)
	return reason, reason == ""
}

// Rules returns all rules, in the order in which [Check] applies them.
func Rules() []Rule { return slices.Clone(rules) }

// Named returns the rule of that name; ok is false if there is none.
func Named(name string) (r Rule, ok bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

// Level says how grave a finding is. The zero Level is a violation.
type Level uint8

const (
	// Violation breaks a promise that anybody would expect to be kept.
	Violation Level = iota
	// Deviation differs from it because the code says that it does.
	Deviation
)

// String returns "violation" or "deviation".
func (l Level) String() string {
	if l == Deviation {
		return "deviation"
	}
	return "violation"
}

// Feature is something that retry code may lack and say so: then its absence
// is a [Deviation].
type Feature string

const (
	// SameError: the error of the last attempt is returned itself, and not
	// wrapped.
	SameError Feature = "same-error"
	// LastError: the error of a call that its context ended matches the last
	// failure too.
	LastError Feature = "last-error"
	// Cause: it matches [context.Cause] too.
	Cause Feature = "cause"
	// Deadline: a wait that the caller's deadline would cut is not begun.
	Deadline Feature = "deadline"
	// Classes: permanent failures are told from transient ones.
	Classes Feature = "classes"
	// Concurrency: calls may run at once.
	Concurrency Feature = "concurrency"
	// Seeded: chance comes from the source it was given, so that a run can be
	// repeated.
	Seeded Feature = "seeded"
)

// Features returns all features, in a fixed order.
func Features() []Feature {
	return []Feature{SameError, LastError, Cause, Deadline, Classes, Concurrency, Seeded}
}

// Spec is what retry code promises. The zero Spec makes one call and lacks
// nothing.
type Spec struct {
	Policy retry.Policy
	Lacks  []Feature
	// Loose makes of the policy the least that is promised: a wait may be
	// longer, and a call may end before its attempts are used. It is for code
	// of which one knows no more than what it makes of a Retry-After.
	Loose bool
}

// LooseSpec is what is expected of code of which nothing is known: it honours
// every Retry-After. How it words its errors, and whether it looks ahead to a
// deadline, is its own affair.
func LooseSpec() Spec {
	return Spec{
		Policy: retry.Policy{MaxAttempts: retry.Unlimited},
		Lacks:  []Feature{SameError, LastError, Cause, Deadline},
		Loose:  true,
	}
}

// lacks reports whether the code says that it lacks the feature.
func (s Spec) lacks(f Feature) bool { return slices.Contains(s.Lacks, f) }

// level is the level of a finding that the absence of the feature explains.
func (s Spec) level(f Feature) Level {
	if s.lacks(f) {
		return Deviation
	}
	return Violation
}

// Finding is a fault in a trace.
type Finding struct {
	Rule    Rule
	Level   Level
	Call    uint64
	Attempt int           // the one it is about
	At      time.Duration // the moment that shows it, since the trace began
	What    string        // such as "attempt 2 came after 1s, and not after 5s at least"
}

// String returns the finding in one line, such as
// "early-retry: attempt 2 came after 1s, and not after 5s at least".
func (f Finding) String() string { return f.Rule.Name + ": " + f.What }

// Findings is what [Check] finds.
type Findings []Finding

// Err returns the violations joined, nil if there are none.
func (f Findings) Err() error {
	var all []error
	for _, x := range f {
		if x.Level == Violation {
			all = append(all, errors.New(x.String()))
		}
	}
	return errors.Join(all...)
}

// Check returns the faults of every call in the trace, by call and rule. What
// does not apply to code that promises s is not looked for.
func Check(events trace.Trace, s Spec) Findings {
	var out Findings
	for _, c := range split(events, s) {
		for _, r := range rules {
			if r.find == nil {
				continue
			}
			if _, ok := r.Applies(s); !ok {
				continue
			}
			for _, f := range r.find(c) {
				f.Rule, f.Call = r, c.number
				out = append(out, f)
			}
		}
	}
	return out
}

func finding(a attempt, format string, args ...any) Finding {
	return Finding{Attempt: a.number, At: a.at, What: fmt.Sprintf(format, args...)}
}
