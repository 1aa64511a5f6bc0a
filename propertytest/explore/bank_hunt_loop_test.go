package explore_test

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// hears adds a mutant, a loop, that hears something else than the server said.
func hears(name, want, says string, heard func(p retry.Policy, asked time.Duration) time.Duration) {
	hunt("hear/"+name, want, says, explore.Func(func(e explore.Env) explore.Do {
		return looped(retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client), Classify: func(err error) retry.Classification {
			class := retry.Classify(err)
			if asked, ok := class.RetryAfter(); ok {
				class = retry.TransientAfter(heard(e.Policy, asked))
			}
			return class
		}})
	}))
}

// looped returns our loop.
func looped(c retry.Config) explore.Do {
	r, err := retry.New(c)
	if err != nil {
		panic(err)
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		_, err := retry.Do(ctx, r, func(ctx context.Context) (struct{}, error) { return struct{}{}, op(ctx) })
		return err
	}
}

func init() {
	hears("a-millisecond-less", "early-retry", "takes a millisecond off, for the network", func(_ retry.Policy, d time.Duration) time.Duration { return d - time.Millisecond })
	hears("ten-caps-at-most", "early-retry", "cuts the Retry-After at ten times the cap", func(p retry.Policy, d time.Duration) time.Duration {
		if p.MaxDelay > 0 {
			return min(d, 10*p.MaxDelay)
		}
		return d
	})
	hears("a-day-at-most", "early-retry", "never waits for more than a day", func(_ retry.Policy, d time.Duration) time.Duration { return min(d, 24*time.Hour) })
	hears("seconds-in-16-bits", "early-retry", "keeps seconds in 16 bits", func(_ retry.Policy, d time.Duration) time.Duration {
		return time.Duration(int16(d/time.Second))*time.Second + d%time.Second
	})
	hears("milliseconds-in-32-bits", "early-retry", "keeps milliseconds in 32 bits", func(_ retry.Policy, d time.Duration) time.Duration {
		return time.Duration(uint32(d.Milliseconds())) * time.Millisecond
	})

	hunt("hunt/nil-before-the-start", "invented-success", "returns no error where the context had ended before the call", explore.Func(func(e explore.Env) explore.Do {
		do := ourLoop(e)
		return func(ctx context.Context, op func(context.Context) error) error {
			if ctx.Err() != nil {
				return nil
			}
			return do(ctx, op)
		}
	}))
	hunt("hunt/spread-by-client", "over-wait", "waits a millisecond more for each client", explore.Delay(func(e explore.Env) func(int) time.Duration {
		delay := ourDelays(e)
		return func(n int) time.Duration { return delay(n) + time.Duration(e.Client)*time.Millisecond }
	}))
	hunt("hunt/some-too-early", "early-retry", "waits a nanosecond less than it may, once in a thousand", explore.Delay(func(e explore.Env) func(int) time.Duration {
		delay, words := ourDelays(e), rand.New(rand.NewPCG(e.Client, 1))
		return func(n int) time.Duration {
			if words.IntN(1000) == 0 && e.Policy.BaseDelay > 0 {
				return e.Policy.Backoff(n) - 1
			}
			return delay(n)
		}
	}))
}
