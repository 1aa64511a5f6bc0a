package faults

import (
	"context"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/propertytest/explore"
)

func sleptAfterLastFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) (err error) {
		for n := 1; n <= e.Policy.MaxAttempts; n++ {
			if err = call(ctx); !passing(err) {
				return err
			}
			e.Clock.Sleep(backoff(n)) // after the last attempt too
		}
		return err
	}
}

func sleptAfterLastFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) (err error) {
		for n := 1; ; n++ {
			if err = call(ctx); !passing(err) || n >= e.Policy.MaxAttempts {
				return err
			}
			e.Clock.Sleep(backoff(n))
		}
	}
}

func wrongClockFault(e explore.Env) explore.Do {
	clock := clockwork.NewRealClock() // as a default that somebody forgot to replace
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		if passing(err) {
			clock.Sleep(backoff(1))
			err = call(ctx)
		}
		return err
	}
}

func wrongClockFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		if passing(err) {
			e.Clock.Sleep(backoff(1))
			err = call(ctx)
		}
		return err
	}
}

func leakedFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			select {
			case <-e.Clock.NewTimer(backoff(n)).Chan(): // nobody can stop it
			case <-ctx.Done():
				return ctx.Err()
			}
			err = call(ctx)
		}
		return err
	}
}

func leakedFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			timer := e.Clock.NewTimer(backoff(n))
			select {
			case <-timer.Chan():
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
			err = call(ctx)
		}
		return err
	}
}

func stuckFault(e explore.Env) explore.Do {
	done := make(chan struct{})
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		if passing(err) {
			select { // waits for a channel that nobody closes when the wait is over
			case <-done:
			case <-ctx.Done():
			}
		}
		return err
	}
}

func stuckFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		if passing(err) {
			sleep(ctx, e.Clock, time.Second)
		}
		return err
	}
}
