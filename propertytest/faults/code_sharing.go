package faults

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
)

func sharedStateFault(e explore.Env) explore.Do {
	attempts := 0 // of the retrier, and not of the call
	return func(ctx context.Context, call op) error {
		for {
			attempts++
			err := call(ctx)
			if !passing(err) || attempts >= e.Policy.MaxAttempts {
				return err
			}
			e.Clock.Sleep(asked(err, min(backoff(attempts), e.Policy.MaxDelay)))
		}
	}
}

func sharedStateFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		for attempts := 1; ; attempts++ {
			err := call(ctx)
			if !passing(err) || attempts >= e.Policy.MaxAttempts {
				return err
			}
			e.Clock.Sleep(asked(err, min(backoff(attempts), e.Policy.MaxDelay)))
		}
	}
}

func nondeterministicFault(e explore.Env) explore.Do {
	chance := rand.New(rand.NewPCG(entropy.Add(1), 0)) // a seed that nobody knows
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(time.Duration(chance.Int64N(int64(backoff(n)))))
			err = call(ctx)
		}
		return err
	}
}

func nondeterministicFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		chance := rand.New(e.Source())
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(time.Duration(chance.Int64N(int64(backoff(n)))))
			err = call(ctx)
		}
		return err
	}
}

func wrongNoticeFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; passing(err); n++ {
			e.Notify(n, err, backoff(n)) // before it is known whether there is a retry
			if n >= e.Policy.MaxAttempts {
				break
			}
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}

func wrongNoticeFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Notify(n, err, backoff(n))
			e.Clock.Sleep(backoff(n))
			err = call(ctx)
		}
		return err
	}
}
