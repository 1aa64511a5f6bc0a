package retry

import (
	"fmt"
	"time"
)

// Limit is what calls share so that together they do not ask for too much: a
// retry budget, a breaker, a throttle. It has the scope of whatever holds it:
// give one to a single [Retrier], or to all of a process.
//
// A [Retrier] asks before the first attempt of a call and before the wait for
// each retry, and reports how each attempt ended. Implementations are safe for
// concurrent use and do not block.
type Limit interface {
	// Allow reports whether the attempt may be made. For a retry, number > 1,
	// class is that of the failure before it. Each attempt that was allowed
	// is followed by one Report or one Abandon, with its permit.
	Allow(now time.Time, number int, class Classification) (permit Permit, ok bool)
	// Report says that an attempt ended. For a failure, ok is false and class
	// is the failure's; for a success, class is that of the failure before
	// it, if there was one.
	Report(now time.Time, permit Permit, ok bool, class Classification)
	// Abandon says that the attempt was not made, or that the caller's context
	// ended it: nothing is known of the server.
	Abandon(now time.Time, permit Permit)
}

// Permit is what a [Limit] wants to know again of an attempt when that has
// ended: its number, or what the limit was like when it allowed it.
type Permit uint64

// RefusedError is returned when a [Limit] refused the first attempt of a call.
// A refused retry returns the error of the attempt before it instead. It is
// transient: the limit may have room later.
type RefusedError struct{ Limit Limit }

var _ Retryable = (*RefusedError)(nil)

// Error names the kind of limit.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("retry: refused before the first attempt by a limit (%T)", e.Limit)
}

// RetryClassification returns [Transient].
func (e *RefusedError) RetryClassification() Classification { return Transient() }
