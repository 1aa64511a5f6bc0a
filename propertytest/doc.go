// Package propertytest puts retry code to the test: it says which promises the
// code breaks, each with the shortest script of failures that shows it.
//
//	func TestRetry(t *testing.T) {
//		propertytest.Run(t, explore.Func(func(e explore.Env) explore.Do {
//			return backoff.New(backoff.WithClock(e.Clock), backoff.WithAttempts(3)).Do
//		}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}}})
//	}
//
// That is all it takes. [Run] enumerates small worlds of failures, draws larger
// ones, cancels at each moment that matters, measures the jitter of thousands of
// clients, and tells of each rule in a subtest. It takes about two seconds, of
// which nothing is slept, needs no network and writes no files. The same code,
// options and seed give the same verdicts. There is no false alarm for code that
// keeps the contract of package retry; a fault may be missed.
//
// # What can be tried
//
// A subject is adapted in a few lines, in one of the forms of package explore:
//
//   - explore.Model: a decorator of a chat model, on an injected clock;
//   - explore.Func: a function that calls an operation again, on an injected clock;
//   - explore.Clockless: the same without a clock, waiting on that of package time;
//   - explore.Delay: a function that says how long to wait, and nothing else.
//
// [RunHTTP] is for code that talks HTTP, such as an SDK, with whatever retries it
// has inside.
//
// # What the code promises
//
// With [explore.Options.Policies] the code is held to a policy of its own; with
// none it is expected to obey whatever [explore.Env.Policy] says, which tries
// more. Features that it does not have are listed in Lacks: what follows from
// their absence is a deviation, which is logged. Faults that are known are
// listed in Known, with a reason; when one is no longer found the test fails,
// so that the list does not outlive them. A relation is known by a name such as
// "relation/scale". Ruleset pins the rules, so that newer
// ones are notices until the pin moves.
//
//	explore.Options{
//		Policies: []retry.Policy{policy},
//		Lacks:    []verdict.Feature{verdict.Seeded},
//		Known:    map[string]string{"slept-after-last": "fixed in v2, see CHANGES"},
//		Ruleset:  1,
//	}
//
// # When a rule is broken
//
// The subtest fails and tells the promise, what goes wrong in production where
// it is broken, the script, what happened with the moment marked that shows it,
// and commands. The one labelled "again" runs the code once more on that script
// alone, for a debugger:
//
//	RETRYKIT_SCRIPT='policy exp:base=1s,attempts=3; transient forever' go test -run '^TestRetry$/^attempts$/^extra-attempt$' example.com/backoff
//
// The one labelled "expected" shows what the contract makes of the script, and
// "more" explains the rule, with code that has the fault and code that has not.
// Where what was seen may be a choice, "unless" says how the options declare it.
//
// # Code that does not come back
//
// Each scenario is played in a bubble of testing/synctest, where goroutines and
// raw channels work. A clocked subject's clock is moved by hand there, event by
// event, and the time of package time is watched: if that is what the subject
// waits for, the verdict is wrong-clock. Code that waits for what no time brings,
// spins, or blocks outside the bubble is stuck; goroutines that are left behind
// are leaked; both with a dump, after two or three seconds of real time. Go cannot
// end a goroutine, so what is stuck is left alone. What ends the process, such as
// a panic in a goroutine of the code, is a verdict with [Isolate], which is Run in
// a process of its own.
//
// Three things do not work in a bubble: channels and goroutines that were made
// before it, real input and output, and a lock that is held over a wait while
// another goroutine wants it. The last is a verdict, stuck; it may be true.
//
// # Beyond the suite
//
// [Fuzz] searches with the fuzzer of go test for scenarios that break a rule.
// [Files] runs scenario files as tests. [Policies], [ShortPolicies], [Scenarios],
// [Cancelled], [Turns] and others are generators for properties of one's own, and
// [Source] is a source of chance that shrinks. They draw structured values, the
// simplest first, biased to where retry code breaks: the first attempts, zero
// and one, a hint beside the backoff, the ends of the range.
//
// This package imports rapid, which registers flags: import it from tests only.
package propertytest
