package howto_test

import (
	"context"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// fetch tries three times, two seconds apart or as far as the server asks.
func fetch(ctx context.Context, clock clockwork.Clock, op func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := op(ctx)
		class := retry.Classify(err)
		if err == nil || attempt == 3 || !class.IsTransient() {
			return err
		}
		wait := 2 * time.Second
		if asked, ok := class.RetryAfter(); ok {
			wait = asked
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.After(wait):
		}
	}
}

func TestFetchObeysTheServer(t *testing.T) {
	script, err := scripted.Parse("test", `transient; transient:20000; ok`)
	require.NoError(t, err)
	server := scripted.NewModel(script)
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, TB: t})

	require.NoError(t, fetch(t.Context(), clock, server.Do))

	assert.Equal(t, 3, server.Calls())
	assert.Equal(t, 22*time.Second, clock.Elapsed()) // its own 2 s, then the server's 20 s
}

func TestFetchWaitsForEveryRefusalButTheLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		script, err := scripted.Parse("drawn", propertytest.Scripts(5).Draw(t, "script"))
		require.NoError(t, err)
		server := scripted.NewModel(script)
		clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})

		err = fetch(t.Context(), clock, server.Do)

		records := server.Records()
		assert.LessOrEqual(t, len(records), 3)
		if last := records[len(records)-1]; !last.Opened {
			assert.Equal(t, last.Err, err, "the last error, as it is")
		}
		var want time.Duration
		for _, r := range records[:len(records)-1] {
			wait := 2 * time.Second
			if asked, ok := retry.Classify(r.Err).RetryAfter(); ok {
				wait = asked
			}
			want += wait
		}
		assert.Equal(t, want, clock.Elapsed())
	})
}

func TestFetchAgainstTheSuite(t *testing.T) {
	propertytest.Run(t, explore.Func(func(e explore.Env) explore.Do {
		return func(ctx context.Context, op func(context.Context) error) error { return fetch(ctx, e.Clock, op) }
	}), explore.Options{
		Policies: []retry.Policy{{MaxAttempts: 3, Schedule: retry.Constant, BaseDelay: 2 * time.Second}},
		Known: map[string]string{
			"leaked":               "After has no Stop: the timer is left until it fires",
			"started-after-cancel": "the context is looked at in a wait only",
			"slept-to-deadline":    "a wait that the deadline will cut is begun",
			"lost-cancel":          "ctx.Err() does not tell the cause",
			"lost-error":           "nor what the server said last",
		},
	})
}
