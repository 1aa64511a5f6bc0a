package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jonboulle/clockwork"
)

// CancelledError is returned when the context, not an attempt, ended a call.
// [errors.Is] and [errors.As] find in it the context's error, its cause and
// the last failure.
type CancelledError struct {
	Attempts int           // made before the end
	Elapsed  time.Duration // from the start of the call to its end
	// Wait is the wait that was interrupted, or that would have outlived the
	// context's deadline; 0 if the call ended outside a wait.
	Wait time.Duration
	// Err is [context.Canceled] or [context.DeadlineExceeded]: the context's
	// error, or the latter when the deadline was not reached yet but the next
	// attempt could not have started before it.
	Err error
	// Cause is [context.Cause] of the context, nil while it was alive.
	Cause error
	// Last is the error of the last attempt, nil if none was made.
	Last error
}

// Error returns one line, such as
//
//	retry: cancelled in wait 2 after 1.5s: context canceled (last failure: 503)
//	retry: no time left for wait 2 of 4s after 1.5s: context deadline exceeded (last failure: 503)
func (e *CancelledError) Error() string {
	s := "retry: "
	switch {
	case e.Attempts == 0:
		s += "cancelled before the first attempt"
	case e.Cause == nil:
		s += fmt.Sprintf("no time left for wait %d of %v after %v", e.Attempts, e.Wait, e.Elapsed)
	case e.Wait > 0:
		s += fmt.Sprintf("cancelled in wait %d after %v", e.Attempts, e.Elapsed)
	default:
		s += fmt.Sprintf("cancelled after attempt %d and %v", e.Attempts, e.Elapsed)
	}
	s += ": " + e.Err.Error()
	if e.Cause != nil && e.Cause != e.Err {
		s += ": " + e.Cause.Error()
	}
	if e.Last != nil {
		s += fmt.Sprintf(" (last failure: %v)", e.Last)
	}
	return s
}

// Unwrap returns the context's error, its cause and the last failure, as far
// as there are any.
func (e *CancelledError) Unwrap() []error {
	errs := []error{e.Err}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	if e.Last != nil {
		errs = append(errs, e.Last)
	}
	return errs
}

// Timeout reports whether it was a deadline that ended the call, as the errors
// of package net do.
func (e *CancelledError) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }

// timeLeft reports whether a wait of d from now ends before ctx's deadline.
func timeLeft(ctx context.Context, clock clockwork.Clock, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || d < clock.Until(deadline)
}
