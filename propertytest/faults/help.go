package faults

import (
	"context"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

// What the examples share, so that each shows little but its fault.

type op = func(context.Context) error

// passing reports whether an error may be gone by the next attempt.
func passing(err error) bool { return retry.Classify(err).IsTransient() }

// asked returns the wait that the server asked for, else the backoff.
func asked(err error, backoff time.Duration) time.Duration {
	if d, ok := retry.Classify(err).RetryAfter(); ok {
		return d
	}
	return backoff
}

// backoff is 1 s, 2 s, 4 s, 8 s and so on.
func backoff(retry int) time.Duration { return time.Second << (retry - 1) }

// sleep waits for d, or until ctx ends, and then returns its error.
func sleep(ctx context.Context, clock clockwork.Clock, d time.Duration) error {
	return fakeclock.SleepContext(ctx, clock, d)
}
