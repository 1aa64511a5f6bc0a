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
// MaxAttempts counts every call, the first included. The error of the last
// permitted attempt returns at once, with no wait behind it, and so does the
// error of an attempt that failed for good ([Permanent]); an error that nothing
// classifies is permanent. What returns is the last error itself, the same
// value, so ==, [errors.Is] and [errors.As] work as they would without retries.
//
// A server's Retry-After replaces the backoff of that wait and no cap cuts it.
// Otherwise the n-th wait is BaseDelay·2^(n-1), at most MaxDelay, and jitter
// only adds to it.
//
// A cancelled context starts no attempt and interrupts a wait at once; a
// context that would expire before the next attempt starts ends the call
// without the wait. Both return a [*CancelledError], the one error that is not
// the inner one: it matches the context's error, its cause and the last
// failure.
//
// Only opening a stream is retried. An opened stream is handed over as it is:
// its consumer has already read from it, and a second request would begin
// another answer.
//
// # Limits and pacing
//
// A [Limit] refuses: a [Bucket] of retries, a [Circuit], a [Throttler]. A
// [Pacer] makes wait: it lets attempts go when their turn comes, by [Paced] or
// [Pacer.Wait]. Each has the scope of whatever holds it, from one call to all
// of a process.
//
// # Time and chance
//
// Waiting happens in one function, on the [clockwork.Clock] that was given. The
// n-th wait of a call takes the n-th word of the call's own [rand.Source], a
// function of (seed, client, call): adding a client or a call moves no other
// call's delays. With no source given the seed is unpredictable, as it should
// be in production; tests pass [Seeded].
//
// [clockwork.Clock]: https://pkg.go.dev/github.com/jonboulle/clockwork#Clock
// [rand.Source]: https://pkg.go.dev/math/rand/v2#Source
package retry
