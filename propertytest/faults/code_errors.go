package faults

import (
	"context"
	"errors"
	"fmt"

	"github.com/retrykit/retrykit/propertytest/explore"
)

func lostErrorFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		if err != nil {
			return fmt.Errorf("all attempts failed: %v", err) // %v makes a text of it
		}
		return nil
	}
}

func lostErrorFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func inventedSuccessFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		for n := 1; n <= e.Policy.MaxAttempts; n++ {
			err := call(ctx) // another err than the one that is returned
			if !passing(err) {
				return err
			}
			e.Clock.Sleep(backoff(n))
		}
		return nil
	}
}

func inventedSuccessFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func lostResultFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		var all error
		for n := 1; n <= e.Policy.MaxAttempts; n++ {
			err := call(ctx)
			all = errors.Join(all, err) // what failed before the success is returned with it
			if !passing(err) {
				break
			}
			e.Clock.Sleep(backoff(n))
		}
		return all
	}
}

func lostResultFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func panickedFault(e explore.Env) explore.Do {
	waits := []int{1, 2} // seconds: enough, it is thought
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(waits[n-1]))
			err = call(ctx)
		}
		return err
	}
}

func panickedFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}
