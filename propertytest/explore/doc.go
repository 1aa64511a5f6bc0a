// Package explore looks for the promises that retry code breaks.
//
// A [Subject] is retry code, adapted in a few lines: a decorator of a chat
// model, a function that calls an operation again, the same without a clock to
// inject, or no more than a function that says how long to wait. [Check] plays
// scripts of failures against it on virtual time, watches from outside, and
// judges what it saw by the rules of package verdict:
//
//	report := explore.Check(explore.Func(func(e explore.Env) explore.Do {
//		return backoff.New(backoff.WithClock(e.Clock)).Do
//	}), explore.Options{Policies: []retry.Policy{policy}})
//	fmt.Println(report)
//
// It searches in three ways, each good at what the others are not. Small worlds
// are enumerated: every script of up to three failures, with each ending, and
// cancelled at each moment that matters. Larger ones are drawn from a seed, with
// values taken from the scenario itself: a hint one millisecond beside the
// backoff, a limit met exactly. And the waits of thousands of clients are
// measured against the window that the policy says. What is found is made
// smaller until nothing can be left out.
//
// A scenario is a [scripted.Script], so that whatever is found can be printed,
// mailed, kept as a test and played by the command.
//
// Nothing here sleeps, writes to disk or imports package testing. The same
// subject, options and seed give the same report. A report holds no false
// alarm for code that keeps the contract; it may miss a fault, and says which
// states it never reached. Package propertytest runs the same as subtests of a
// go test, adds properties that shrink, and takes code without a clock.
package explore
