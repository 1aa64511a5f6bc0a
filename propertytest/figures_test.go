package propertytest

import (
	"context"
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

var figures = flag.Bool("figures", false, "measure how long the suite takes")

// TestFigures measures the suite: the best of three runs of all of it on each
// form of a subject, and what a scenario costs in each runner.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("takes half a minute: run it with -figures")
	}
	model := explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		m, err := retry.NewModel(inner, retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client)})
		require.NoError(t, err)
		return m
	})
	clockless := explore.Clockless(func(e explore.Env) explore.Do {
		r, err := retry.New(retry.Config{Policy: e.Policy, Source: retry.Seeded(e.Seed, e.Client)})
		require.NoError(t, err)
		return func(ctx context.Context, op func(context.Context) error) error {
			_, err := retry.Do(ctx, r, func(ctx context.Context) (struct{}, error) { return struct{}{}, op(ctx) })
			return err
		}
	})
	delay := explore.Delay(func(e explore.Env) func(int) time.Duration {
		return func(n int) time.Duration { return e.Policy.Backoff(n) }
	})
	own := explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}}}
	for _, tt := range []struct {
		name    string
		subject explore.Subject
		options explore.Options
	}{
		{"model, any policy", model, explore.Options{}},
		{"model, one policy", model, own},
		{"func, any policy", explore.Func(obedient{}.do), explore.Options{}},
		{"func, one policy", explore.Func(obedient{}.do), own},
		{"clockless, any policy", clockless, explore.Options{}},
		{"clockless, one policy", clockless, own},
		{"delay, one policy", delay, own},
	} {
		best := time.Duration(1 << 62)
		played := 0
		for range 3 {
			begun := time.Now()
			played = onItsTime(t, tt.subject, tt.options, func(o explore.Options) *explore.Report { return explore.Check(tt.subject, o) }).Played
			relate(t, tt.subject, tt.options)
			best = min(best, time.Since(begun))
		}
		t.Logf("%-22s %8v for %d scenarios", tt.name, best.Round(time.Millisecond), played)
	}
	script, err := scripted.Parse("scenario", "policy exp:base=1s,jitter=none,attempts=4; transient x2; ok \"hi\"")
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		run  explore.Runner
	}{
		{"coroutines", explore.Coroutines},
		{"bubble, driven", newBubbles(t, false, 1).run},
		{"bubble, followed", newBubbles(t, true, 1).run},
	} {
		const n = 20_000
		best, allocs := time.Duration(1<<62), uint64(0)
		for range 3 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			for range n {
				model.Play(script, tt.run)
			}
			best = min(best, time.Since(begun)/n)
			runtime.ReadMemStats(&after)
			allocs = (after.Mallocs - before.Mallocs) / n
		}
		t.Logf("%-22s %8v and %d allocations a scenario", tt.name, best, allocs)
	}
}
