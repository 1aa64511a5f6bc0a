// Package provider reads what the providers of language models say when a call
// fails: whether to try again, and how long to wait.
//
// [FromResponse] classifies a refused call by its status, header and body,
// [FromEvent] an event of an open stream that reports a failure. Both return an
// [*Error], which a retry loop understands by itself, being a
// [retry.Retryable], and which tells by its [Verdict] what kind of failure it
// is and which rule said so. The rules are a table; what no rule knows is left
// to the HTTP status, and [Status] is that last word for whoever has nothing
// else. An error that nothing classifies is permanent.
//
// Five [Kind] values tell more than permanent and transient do: an Overloaded
// provider wants its clients to slow down; a QuotaExhausted 429 is permanent
// until somebody pays or a month ends; after an Ambiguous failure, such as a
// gateway's timeout, the work may have been done and billed all the same.
//
// [RetryAfter] reads the wait that a response asks for, without knowing whose
// response it is, and never makes it shorter: numbers are rounded up, dates
// measured from the server's own clock, of several waits the longest is taken,
// and one that no [time.Duration] can hold saturates. What cannot be read is
// refused, and [Readings] says why. [Reset] reads the reset headers of rate
// limits, which differ from provider to provider.
//
// All functions are pure and safe for concurrent use: they send nothing, read
// no clock, and keep no body and no header. DIFFERENCES.md, beside the source,
// lists where they answer otherwise than the Rust adapters that this package
// goes back to.
package provider
