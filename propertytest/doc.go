// Package propertytest puts retry code to the test, on virtual time, whatever
// code it is.
//
// [Run] looks for the promises that retry code breaks which is given a clock, or
// uses package time: it plays small worlds and seeded large ones, and tells of
// each broken rule the shortest script that shows it. Code is adapted to it with
// a function of package explore, in a few lines:
//
//	propertytest.Run(t, explore.Func(func(e explore.Env) explore.Do {
//		return Retrier{Clock: e.Clock, Attempts: 3}.Do
//	}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}}})
//
// [RunHTTP] does so with code that talks HTTP and takes no clock, such as an SDK,
// and judges what the server saw. [Files] runs scenarios as subtests.
//
// [Policies], [Delays], [Jitters], [Turns] and [Scripts] are generators for
// property tests of one's own. They draw structured values, so that a failure
// shrinks to a short script and a plain policy, and they are biased to where
// retry code breaks: the first attempts, zero and one, neighbouring magnitudes,
// the ends of the range.
package propertytest
