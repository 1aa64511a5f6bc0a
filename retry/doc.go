// Package retry repeats calls that failed for a reason that passes, and makes
// every such decision visible, seedable and testable on virtual time.
//
// It has three layers, each usable without the ones above it:
//
//   - [Policy.Decide] is the decision: a pure function of a policy, a failed
//     attempt and a source of chance. It reads no clock and keeps no state.
//   - [Do] is the loop that obeys it, generic over the result of the call.
//   - [Model] is the loop as a decorator of a streaming chat model, a
//     [CompletionModel].
//
// # What is promised
//
// Each rule has a number, by which tests and verdicts name it. After a failure
// they are asked in the order C2, C3, C10, C13.
//
//   - C1: MaxAttempts counts every call, the first included; 0 or less acts as
//     1, and [Unlimited] is a value of its own.
//   - C2: the error of the last permitted attempt returns at once, with no wait
//     and no timer behind it. It is classified only for a [Limit] that counts
//     failures.
//   - C3: a [Permanent] error returns at once, whatever attempts remain; an error
//     that nothing classifies is permanent.
//   - C4: what returns is the last error itself, the same value, so ==,
//     [errors.Is] and [errors.As] work as they would without retries. The
//     attempts made and the time taken are in the observer's [CallEnded].
//   - C5: a server's Retry-After is a floor that MaxDelay does not cut. It
//     replaces the backoff of that wait, and zero means at once; only a policy
//     that says so waits longer, waits less, or gives up.
//   - C6: otherwise the n-th wait is BaseDelay·2^(n-1), or what another
//     [Schedule] says, at most MaxDelay, and saturates instead of overflowing.
//   - C7: [JitterAdditive] adds less than a tenth of the wait, after the cap and
//     to a Retry-After that replaces the backoff too, and never subtracts. Other
//     kinds add nothing to a Retry-After.
//   - C8: every attempt gets an equal request: what one does to its copy reaches
//     neither the caller nor the next.
//   - C9: only opening a stream is retried. An opened stream is handed over as it
//     is: its consumer has already read from it, and a second request would
//     begin another answer.
//   - C10: a cancelled context starts no attempt and interrupts a wait at once; a
//     context that would expire before the next attempt starts, or just then,
//     ends the call without the wait. Both return a [*CancelledError], the
//     exception to C4: it matches the context's error, its cause and the last
//     failure.
//   - C11: calls share nothing but the limit they were given and the counter that
//     numbers them. The delays of a call depend on the policy, the seed, the
//     client, the call's number and its failures, and on nothing else.
//   - C12: waiting happens in one function, on the [clockwork.Clock] that was
//     given.
//   - C13: a retry that would start later than MaxElapsed after the start of the
//     call is refused, and so is one that the limit refuses; the call then
//     returns its last error.
//
// # Limits and pacing
//
// A [Limit] refuses: a [Bucket] of retries, a [Circuit], a [RateCircuit], a
// [Throttler]. A [Pacer] makes wait: it lets attempts go when their turn comes,
// by [Paced] or [Pacer.Wait]. Each has the scope of whatever holds it, from one
// call to all of a process.
//
// # Time and chance
//
// The n-th wait of a call takes the n-th word of the call's own [rand.Source], a
// function of (seed, client, call): adding a client or a call moves no other
// call's delays. With no source given the seed is unpredictable, as it should
// be in production; tests pass [Seeded].
//
// [clockwork.Clock]: https://pkg.go.dev/github.com/jonboulle/clockwork#Clock
// [rand.Source]: https://pkg.go.dev/math/rand/v2#Source
package retry
