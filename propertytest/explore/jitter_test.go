package explore_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// fullJitter is a loop with full jitter whose window before chance is given by
// the number of the attempt and whether any failure so far had a hint.
func fullJitter(window func(p retry.Policy, attempt int, hinted bool) time.Duration) explore.Subject {
	return explore.Func(func(e explore.Env) explore.Do {
		chance := rand.New(e.Source())
		return func(ctx context.Context, op func(context.Context) error) error {
			hinted := false
			for attempt := 1; ; attempt++ {
				err := op(ctx)
				class := retry.Classify(err)
				if err == nil || !class.IsTransient() || attempt == e.Policy.MaxAttempts {
					return err
				}
				wait, ok := class.RetryAfter()
				if !ok {
					wait = time.Duration(chance.Int64N(int64(window(e.Policy, attempt, hinted)) + 1))
				}
				hinted = hinted || ok
				if fakeclock.SleepContext(ctx, e.Clock, wait) != nil {
					return err
				}
			}
		}
	})
}

// Every wait of a long call is measured, and those after a hint.
func TestJitterOfLaterWaits(t *testing.T) {
	p := retry.Policy{MaxAttempts: 9, BaseDelay: 100 * time.Millisecond, MaxDelay: 2 * time.Second, Jitter: retry.JitterFull}
	doubled := func(p retry.Policy, n int) time.Duration { return min(p.BaseDelay<<(n-1), p.MaxDelay) }
	for name, tt := range map[string]struct {
		window func(p retry.Policy, attempt int, hinted bool) time.Duration
		want   explore.Status
	}{
		"as the policy says": {func(p retry.Policy, n int, _ bool) time.Duration { return doubled(p, n) }, explore.Passed},
		"begins again after the fifth": {func(p retry.Policy, n int, _ bool) time.Duration {
			return doubled(p, (n-1)%5+1)
		}, explore.Failed},
		"a hint takes the place of a step": {func(p retry.Policy, n int, hinted bool) time.Duration {
			if hinted {
				n--
			}
			return doubled(p, max(n, 1))
		}, explore.Failed},
	} {
		r := explore.Check(fullJitter(tt.window), explore.Options{Policies: []retry.Policy{p}, Checks: 1, Clients: 1500})
		assert.Equal(t, tt.want, r.Result("biased-jitter").Status, name)
	}
}
