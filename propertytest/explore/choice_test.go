package explore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// A failure says how the options would declare what was seen, where they can,
// and says nothing of the kind about a mistake.
func TestAFailureSaysHowItWouldBeDeclared(t *testing.T) {
	t.Parallel()
	policy := retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 5 * time.Second}
	obeys := func(change func(*retry.Policy)) explore.Subject {
		return explore.Func(func(e explore.Env) explore.Do {
			change(&e.Policy)
			return looped(retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client)})
		})
	}
	for _, c := range []struct {
		name, rule, script, says string
		subject                  explore.Subject
	}{
		{"hints are not read", "early-retry", "transient:9000; ok", "RetryAfter: retry.HintIgnored in the policy",
			obeys(func(p *retry.Policy) { p.RetryAfter = retry.HintIgnored })},
		{"the longer wait counts", "over-wait", "transient:50; ok", "RetryAfter: retry.HintIgnored or RetryAfter: retry.HintOrBackoff in the policy",
			obeys(func(p *retry.Policy) { p.RetryAfter = retry.HintOrBackoff })},
		{"the cap cuts hints", "early-retry", "transient:9000; ok", "MaxRetryAfter: 5s in the policy",
			obeys(func(p *retry.Policy) { p.MaxRetryAfter = 5 * time.Second })},
		{"a millisecond early", "early-retry", "transient:9000; ok", "",
			explore.Func(func(e explore.Env) explore.Do {
				return plain(e, func(l *loop, ctx context.Context, d time.Duration) { l.wait(ctx, d-time.Millisecond) })
			})},
		{"one attempt more", "extra-attempt", "transient forever", "", obeys(func(p *retry.Policy) { p.MaxAttempts++ })},
		{"waits for the deadline", "slept-to-deadline", "timeout total=1500ms; transient:2000; ok", `Lacks: []verdict.Feature{"deadline"}`,
			explore.Func(func(e explore.Env) explore.Do {
				do := looped(retry.Config{Policy: e.Policy, Clock: e.Clock})
				return func(ctx context.Context, op func(context.Context) error) error { return do(endless{ctx}, op) }
			})},
	} {
		t.Run(c.name, func(t *testing.T) {
			script, err := scripted.Parse("", c.script)
			require.NoError(t, err)
			r := explore.Replay(c.subject, explore.Options{Policies: []retry.Policy{policy}}, script)
			require.Equal(t, explore.Failed, r.Result(c.rule).Status, "%v", r)
			text := r.Result(c.rule).Failure.String()
			if c.says == "" {
				assert.NotContains(t, text, "unless")
				return
			}
			assert.Contains(t, text, "unless    it is meant, and explore.Options say so: "+c.says+"\n")
		})
	}
}

// endless is a context that does not tell its deadline.
type endless struct{ context.Context }

func (endless) Deadline() (time.Time, bool) { return time.Time{}, false }
