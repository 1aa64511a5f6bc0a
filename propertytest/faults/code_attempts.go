package faults

import (
	"context"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
)

func extraAttemptFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n <= e.Policy.MaxAttempts && passing(err); n++ { // counts retries: the first call is one more
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func extraAttemptFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func retriedPermanentFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && err != nil; n++ { // whatever the error is
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func retriedPermanentFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func gaveUpEarlyFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts; n++ {
			if r, ok := err.(interface{ Temporary() bool }); !ok || !r.Temporary() { // blind to a wrapped error
				return err
			}
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func gaveUpEarlyFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ { // asks with errors.As
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func ignoredTimeoutFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		start := e.Clock.Now()
		err := call(ctx)
		if e.Clock.Since(start) > e.Policy.AttemptTimeout { // looks at the time when it is too late
			return context.DeadlineExceeded
		}
		return err
	}
}

func ignoredTimeoutFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		bounded, cancel := fakeclock.WithTimeout(ctx, e.Clock, e.Policy.AttemptTimeout)
		defer cancel()
		return call(bounded)
	}
}
