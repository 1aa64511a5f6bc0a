package retry

import (
	"context"

	"github.com/jonboulle/clockwork"
)

// attempt is what one attempt runs in: the caller's context, or a child of it
// with a timer when the policy bounds attempts.
type attempt struct {
	ctx     context.Context
	timer   clockwork.Timer         // nil without a bound
	release context.CancelCauseFunc // nil without a bound
}

// bound starts an attempt.
func (c *call) bound(ctx context.Context) attempt {
	timeout := c.policy.AttemptTimeout
	if timeout == 0 {
		return attempt{ctx: ctx}
	}
	child, cancel := context.WithCancelCause(ctx)
	timer := c.config.Clock.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	return attempt{ctx: child, timer: timer, release: cancel}
}

// disarm stops the timer: the attempt has returned.
func (a attempt) disarm() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// giveUp releases a failed attempt and reports whether it was its timeout that
// ended it, while the caller's context is alive.
func (a attempt) giveUp(caller context.Context) (timedOut bool) {
	if a.release == nil {
		return false
	}
	timedOut = context.Cause(a.ctx) == context.DeadlineExceeded && caller.Err() == nil
	a.release(nil)
	return timedOut
}
