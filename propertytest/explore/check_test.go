package explore_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// decorator is our own: it obeys any policy and lacks nothing.
func decorator() explore.Subject {
	return explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		m, err := retry.NewModel(inner, retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client)})
		if err != nil {
			panic(err)
		}
		return m
	})
}

func TestOurDecoratorKeepsEveryPromise(t *testing.T) {
	t.Parallel()
	r := explore.Check(decorator(), explore.Options{Name: "retry.Model"})
	require.NoError(t, r.Err())
	assert.Empty(t, r.Unknown, "it has a word for all that a policy says")
	assert.Equal(t, explore.Deviates, r.Result("hammer").Status, "it comes back at once when a server says 0")
	for _, s := range r.Reached {
		assert.Positive(t, s.Count, s.Name)
	}
}

// A schedule that reaches beyond the end of virtual time is no fault.
func TestTheHorizonIsNoFault(t *testing.T) {
	policy := retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 100 * 365 * 24 * time.Hour}
	r := explore.Check(decorator(), explore.Options{Policies: []retry.Policy{policy}, Clients: -1})
	require.NoError(t, r.Err())
}

// Code that polls its context comes to an end, where a wait of 35 years is asked
// for too.
func TestCodeThatPollsIsNoHungTest(t *testing.T) {
	long, err := scripted.Parse("", "policy exp:base=306600h,cap=none,jitter=none,attempts=2; transient; ok")
	require.NoError(t, err)
	r := explore.Check(explore.Func(func(e explore.Env) explore.Do {
		return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
			for end := e.Clock.Now().Add(d); e.Clock.Now().Before(end) && ctx.Err() == nil; {
				e.Clock.Sleep(min(100*time.Millisecond, e.Clock.Until(end)))
			}
		})
	}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 2, BaseDelay: time.Second}}, Scenarios: []*scripted.Script{long}, Checks: -1, Clients: -1})
	assert.Equal(t, explore.Failed, r.Result("ignored-cancel").Status)
	assert.Equal(t, explore.Passed, r.Result("over-wait").Status)
	assert.Equal(t, explore.Passed, r.Result("early-retry").Status)
	assert.Equal(t, explore.Passed, r.Result("stuck").Status)
}

// Code that polls is judged as any other: it comes as late as it looks.
func TestCodeThatPollsIsJudged(t *testing.T) {
	t.Parallel()
	policy := retry.Policy{MaxAttempts: 2, BaseDelay: 250 * time.Millisecond, MaxDelay: 400 * time.Millisecond}
	r := explore.Check(explore.Func(polling(func(time.Duration) time.Duration { return 100 * time.Millisecond })),
		explore.Options{Policies: []retry.Policy{policy}, Checks: -1, Clients: -1})
	assert.Equal(t, explore.Failed, r.Result("over-wait").Status)
	assert.Contains(t, r.Result("over-wait").Failure.What, "attempt 2 came after 300ms")
	assert.Equal(t, explore.Passed, r.Result("early-retry").Status)
	assert.Equal(t, explore.Passed, r.Result("stuck").Status)
}

// Code that polls so often that nothing can be played to its end is told so.
func TestCodeThatPollsTooOftenIsStuck(t *testing.T) {
	r := explore.Check(explore.Func(func(e explore.Env) explore.Do {
		return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
			for end := l.Clock.Now().Add(d); l.Clock.Until(end) > 0 && ctx.Err() == nil; {
				l.Clock.Sleep(time.Millisecond)
			}
		})
	}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 5, BaseDelay: time.Hour}}, Checks: -1, Clients: -1})
	assert.Equal(t, explore.Failed, r.Result("stuck").Status)
	assert.Contains(t, r.Result("stuck").Failure.What, "the code polls its clock so often that most scenarios cannot be played to their end")
	assert.Less(t, r.Played, 1000)
}

// What is no code gets an error, and code that cannot be made a verdict, whatever
// form it has.
func TestASubjectThatIsNone(t *testing.T) {
	t.Parallel()
	few := explore.Options{Checks: -1, Clients: -1}
	for _, s := range []explore.Subject{{}, explore.Model(nil), explore.Func(nil), explore.Delay(nil)} {
		assert.ErrorContains(t, explore.Check(s, few).Err(), "the subject has no code")
	}
	script, err := scripted.Parse("", "ok")
	require.NoError(t, err)
	assert.ErrorContains(t, explore.Replay(explore.Subject{}, few, script).Err(), "the subject has no code")
	for what, s := range map[string]explore.Subject{
		"model":       explore.Model(func(explore.Env, retry.CompletionModel) retry.CompletionModel { return nil }),
		"func":        explore.Func(func(explore.Env) explore.Do { return nil }),
		"delay":       explore.Delay(func(explore.Env) func(int) time.Duration { return nil }),
		"model panic": explore.Model(func(explore.Env, retry.CompletionModel) retry.CompletionModel { panic("no") }),
		"func panic":  explore.Func(func(explore.Env) explore.Do { panic("no") }),
		"delay panic": explore.Delay(func(explore.Env) func(int) time.Duration { panic("no") }),
	} {
		assert.Equal(t, explore.Failed, explore.Check(s, few).Result("panicked").Status, what)
	}
}

// Code that blocks where no clock helps is stuck, whichever client of many it is
// that does: the first call of it that is seen is the last.
func TestAClientThatBlocksIsStuck(t *testing.T) {
	calls, released := 0, make(chan struct{})
	t.Cleanup(func() { close(released) })
	hasty := func(c fakeclock.Config, f func(explore.Stage) error) error {
		c.Stall = 40 * time.Millisecond
		return explore.Coroutines(c, f)
	}
	r := explore.Check(explore.Func(func(e explore.Env) explore.Do {
		return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
			if e.Client != 3 {
				l.wait(ctx, d)
				return
			}
			calls++
			over, wake := context.WithCancel(ctx)
			defer wake()
			defer l.Clock.AfterFunc(d, wake).Stop()
			select {
			case <-over.Done():
			case <-released:
				runtime.Goexit()
			}
		})
	}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second, Jitter: retry.JitterAdditive}}, Checks: -1, Run: hasty})
	assert.Equal(t, explore.Failed, r.Result("stuck").Status)
	assert.Equal(t, 2, calls, "once, and once more to be sure")
	assert.Contains(t, r.Result("stuck").Failure.String(), "stall")
}
