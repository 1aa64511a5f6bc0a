package retry

import (
	"context"

	"github.com/jonboulle/clockwork"
)

// attempt is what one attempt runs in: the caller's context, or a child of it
// with a timer when the policy bounds attempts.
type attempt struct {
	ctx     context.Context
	timer   clockwork.Timer // nil without a bound
	release func()          // nil without a bound
}

// Leftover is implemented by an error whose attempt left something behind that
// lives on the attempt's context: the unread body of a refusal, say. The loop
// looks for it in the error itself, not below a wrapping.
type Leftover interface {
	error
	// Hold hands over the end of the attempt's context, under an attempt
	// timeout: it is called before anything else, and release must be called
	// when what is left behind is done with.
	Hold(release func())
	// Discard says that the call does not return the error itself: another
	// attempt will replace this one, and it is called before the wait for it,
	// or the context ended the call. Without it the error is what the call
	// returns, and what was left behind is its receiver's.
	Discard()
}

// discard lets go of what a failed attempt left behind.
func discard(err error) {
	if x, ok := err.(Leftover); ok {
		x.Discard()
	}
}

// bound starts an attempt.
func (c *call) bound(ctx context.Context) attempt {
	timeout := c.policy.AttemptTimeout
	if timeout == 0 {
		return attempt{ctx: ctx}
	}
	child, cancel := context.WithCancelCause(ctx)
	timer := c.config.Clock.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	return attempt{ctx: child, timer: timer, release: func() { cancel(nil) }}
}

// disarm stops the timer: the attempt has returned.
func (a attempt) disarm() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// drop ends an attempt that will not return.
func (a attempt) drop() {
	a.disarm()
	if a.release != nil {
		a.release()
	}
}

// giveUp releases a failed attempt, or leaves that to its error, and reports
// whether it was its timeout that ended it, while the caller's context is
// alive.
func (a attempt) giveUp(caller context.Context, err error) (timedOut bool) {
	if a.release == nil {
		return false
	}
	timedOut = context.Cause(a.ctx) == context.DeadlineExceeded && caller.Err() == nil
	if x, ok := err.(Leftover); ok {
		x.Hold(a.release)
	} else {
		a.release()
	}
	return timedOut
}
