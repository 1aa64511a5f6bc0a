package propertytest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
)

// Faults that show in a bubble only: they take goroutines, or package time.
func TestBubblesShow(t *testing.T) {
	o := explore.Options{
		Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second, RetryAfter: retry.HintIgnored}},
		Lacks:    []verdict.Feature{verdict.Deadline, verdict.LastError, verdict.Cause},
		Checks:   100, Clients: -1,
	}
	type loop struct {
		wait func(e explore.Env, ctx context.Context, d time.Duration) error
		call func(ctx context.Context, op func(context.Context) error) error
	}
	do := func(l loop) func(explore.Env) explore.Do {
		return func(e explore.Env) explore.Do {
			return func(ctx context.Context, op func(context.Context) error) error {
				for n := 1; ; n++ {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					err := l.call(ctx, op)
					if err == nil || n == 3 || !retry.Classify(err).IsTransient() || ctx.Err() != nil {
						return err
					}
					if err := l.wait(e, ctx, time.Second<<(n-1)); err != nil {
						return err
					}
				}
			}
		}
	}
	plainly := func(ctx context.Context, op func(context.Context) error) error { return op(ctx) }
	onTimer := func(_ explore.Env, ctx context.Context, d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, tt := range []struct {
		name    string
		subject explore.Subject
		want    string // the subtest that fails
	}{
		{"no fault", explore.Clockless(do(loop{onTimer, plainly})), ""},
		{"a default in the select of a wait", explore.Func(do(loop{func(e explore.Env, ctx context.Context, d time.Duration) error {
			timer := e.Clock.NewTimer(d)
			defer timer.Stop()
			select {
			case <-ctx.Done():
			case <-timer.Chan():
			default:
				e.Clock.Sleep(d)
			}
			return ctx.Err()
		}, plainly})), "cancel/ignored-cancel"},
		{"time.Sleep", explore.Clockless(do(loop{func(_ explore.Env, ctx context.Context, d time.Duration) error {
			time.Sleep(d)
			return ctx.Err()
		}, plainly})), "cancel/ignored-cancel"},
		{"asks package time whether the wait is over", explore.Clockless(do(loop{func(_ explore.Env, ctx context.Context, d time.Duration) error {
			for until := time.Now().Add(d); !time.Now().After(until); { // one tick too many
				if ctx.Err() != nil {
					return ctx.Err()
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}, plainly})), "schedule/over-wait"},
		{"time.Now for a clock that was given", explore.Func(do(loop{func(e explore.Env, ctx context.Context, d time.Duration) error {
			return onTimer(e, ctx, d)
		}, plainly})), "waiting/wrong-clock"},
		{"attempts at once", explore.Clockless(do(loop{onTimer, func(ctx context.Context, op func(context.Context) error) error {
			answers := make(chan error, 2)
			for range 2 {
				go func() { answers <- op(ctx) }()
			}
			first := <-answers
			<-answers
			return first
		}})), "attempts/extra-attempt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var failed []string
			for _, r := range judge(t, tt.subject, o).Rules {
				if r.Fail {
					failed = append(failed, r.Name)
				}
			}
			if tt.want == "" {
				assert.Empty(t, failed)
			} else {
				assert.Contains(t, failed, tt.want)
			}
		})
	}
}
