package faults

import (
	"context"
	"errors"
	"fmt"

	"github.com/retrykit/retrykit/propertytest/explore"
)

func startedAfterCancelFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			sleep(ctx, e.Clock, backoff(n)) // why it ended is not asked
			err = call(ctx)
		}
		return err
	}
}

func startedAfterCancelFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			if stop := sleep(ctx, e.Clock, backoff(n)); stop != nil {
				return errors.Join(stop, err)
			}
			err = call(ctx)
		}
		return err
	}
}

func ignoredCancelFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n)) // to its end, whatever happens
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), err)
			}
			err = call(ctx)
		}
		return err
	}
}

func ignoredCancelFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			if stop := sleep(ctx, e.Clock, backoff(n)); stop != nil {
				return errors.Join(stop, err)
			}
			err = call(ctx)
		}
		return err
	}
}

func sleptToDeadlineFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			if stop := sleep(ctx, e.Clock, backoff(n)); stop != nil { // it was clear from the start that there is no time
				return errors.Join(stop, err)
			}
			err = call(ctx)
		}
		return err
	}
}

func sleptToDeadlineFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			if deadline, ok := ctx.Deadline(); ok && backoff(n) >= e.Clock.Until(deadline) {
				return errors.Join(context.DeadlineExceeded, err)
			}
			if stop := sleep(ctx, e.Clock, backoff(n)); stop != nil {
				return errors.Join(stop, err)
			}
			err = call(ctx)
		}
		return err
	}
}

func lostCancelFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			if sleep(ctx, e.Clock, backoff(n)) != nil {
				return err // the server's, as if it had been tried to the end
			}
			err = call(ctx)
		}
		return err
	}
}

func lostCancelFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			if stop := sleep(ctx, e.Clock, backoff(n)); stop != nil {
				return fmt.Errorf("%w (%w), last failure: %w", stop, context.Cause(ctx), err)
			}
			err = call(ctx)
		}
		return err
	}
}
