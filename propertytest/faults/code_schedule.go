package faults

import (
	"context"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
)

func earlyRetryFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(min(asked(err, backoff(n)), e.Policy.MaxDelay)) // the cap is for our backoff, not for the server's word
			err = call(ctx)
		}
		return err
	}
}

func earlyRetryFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(asked(err, min(backoff(n), e.Policy.MaxDelay)))
			err = call(ctx)
		}
		return err
	}
}

func overWaitFault(e explore.Env) explore.Do {
	wait := time.Second // belongs to the retrier, so a call begins where the last one stopped
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(asked(err, wait))
			wait = min(2*wait, e.Policy.MaxDelay)
			err = call(ctx)
		}
		return err
	}
}

func overWaitFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		wait := time.Second
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(asked(err, wait))
			wait = min(2*wait, e.Policy.MaxDelay)
			err = call(ctx)
		}
		return err
	}
}

func hammerFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			if n > 1 { // the first retry costs nothing, it is thought
				e.Clock.Sleep(asked(err, min(backoff(n), e.Policy.MaxDelay)))
			}
			err = call(ctx)
		}
		return err
	}
}

func hammerFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		err := call(ctx)
		for n := 1; n < e.Policy.MaxAttempts && passing(err); n++ {
			e.Clock.Sleep(asked(err, min(backoff(n), e.Policy.MaxDelay)))
			err = call(ctx)
		}
		return err
	}
}

func overranLimitFault(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		start := e.Clock.Now()
		err := call(ctx)
		for n := 1; passing(err); n++ {
			if e.Clock.Since(start) > e.Policy.MaxElapsed { // looks back only
				return err
			}
			e.Clock.Sleep(asked(err, min(backoff(n), e.Policy.MaxDelay)))
			err = call(ctx)
		}
		return err
	}
}

func overranLimitFixed(e explore.Env) explore.Do {
	return func(ctx context.Context, call op) error {
		start := e.Clock.Now()
		err := call(ctx)
		for n := 1; passing(err); n++ {
			wait := asked(err, min(backoff(n), e.Policy.MaxDelay))
			if e.Clock.Since(start)+wait > e.Policy.MaxElapsed {
				return err
			}
			e.Clock.Sleep(wait)
			err = call(ctx)
		}
		return err
	}
}
