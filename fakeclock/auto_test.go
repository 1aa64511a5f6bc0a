package fakeclock_test

import (
	"context"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

func newAuto(t testing.TB) *fakeclock.Clock {
	return fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, TB: t})
}

// wait is the statement every retry loop contains, in both orders.
func wait(ctx context.Context, clk clockwork.Clock, d time.Duration, swapped bool) string {
	t := clk.NewTimer(d)
	defer t.Stop()
	if swapped {
		select {
		case <-t.Chan():
			return "timer"
		case <-ctx.Done():
			return "context"
		}
	}
	select {
	case <-ctx.Done():
		return "context"
	case <-t.Chan():
		return "timer"
	}
}

func TestAutoStatement(t *testing.T) {
	const ms = time.Millisecond
	bg := context.Background()
	tests := []struct {
		name    string
		context func(clk *fakeclock.Clock) context.Context
		want    string
		at      time.Duration
	}{
		{"no deadline", func(clk *fakeclock.Clock) context.Context {
			return bg
		}, "timer", 2000 * ms},
		{"earlier deadline", func(clk *fakeclock.Clock) context.Context {
			ctx, _ := fakeclock.WithTimeout(bg, clk, 1000*ms)
			return ctx
		}, "context", 1000 * ms},
		{"deadline at the same instant, armed before", func(clk *fakeclock.Clock) context.Context {
			ctx, _ := fakeclock.WithTimeout(bg, clk, 2000*ms)
			return ctx
		}, "context", 2000 * ms},
		{"later deadline", func(clk *fakeclock.Clock) context.Context {
			ctx, _ := fakeclock.WithTimeout(bg, clk, 2001*ms)
			return ctx
		}, "timer", 2000 * ms},
		{"cancelled by a function of the clock", func(clk *fakeclock.Clock) context.Context {
			ctx, cancel := fakeclock.WithCancel(bg, clk)
			clk.AfterFunc(1500*ms, cancel)
			return ctx
		}, "context", 1500 * ms},
		{"cancelled before", func(clk *fakeclock.Clock) context.Context {
			ctx, cancel := fakeclock.WithCancel(bg, clk)
			cancel()
			return ctx
		}, "context", 0},
		{"deadline passed before", func(clk *fakeclock.Clock) context.Context {
			ctx, _ := fakeclock.WithTimeout(bg, clk, 1000*ms)
			clk.Sleep(1100 * ms)
			return ctx
		}, "context", 1100 * ms},
		{"standard child of a deadline", func(clk *fakeclock.Clock) context.Context {
			ctx, _ := fakeclock.WithTimeout(bg, clk, 1000*ms)
			return standardChild(ctx)
		}, "context", 1000 * ms},
		{"standard child of a cancelled context", func(clk *fakeclock.Clock) context.Context {
			ctx, cancel := fakeclock.WithCancel(bg, clk)
			clk.AfterFunc(1500*ms, cancel)
			return context.WithValue(ctx, "k", "v")
		}, "context", 1500 * ms},
		{"child of a standard parent that a function of the clock cancels", func(clk *fakeclock.Clock) context.Context {
			parent, cancel := context.WithCancel(bg)
			clk.AfterFunc(1500*ms, cancel)
			ctx, _ := fakeclock.WithTimeout(parent, clk, time.Hour)
			return ctx
		}, "context", 1500 * ms},
		{"unrelated deadline, cancelled", func(clk *fakeclock.Clock) context.Context {
			_, cancel := fakeclock.WithTimeout(bg, clk, 1000*ms)
			cancel()
			ctx, _ := fakeclock.WithTimeout(bg, clk, time.Hour)
			return ctx
		}, "timer", 2000 * ms},
		{"unrelated deadline, forgotten", func(clk *fakeclock.Clock) context.Context {
			_, _ = fakeclock.WithTimeout(bg, clk, 1000*ms)
			ctx, _ := fakeclock.WithTimeout(bg, clk, time.Hour)
			return ctx
		}, "timer", 2000 * ms},
	}
	for _, tt := range tests {
		for _, swapped := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				for range 100 {
					clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Stall: -1})
					got := wait(tt.context(clk), clk, 2000*ms, swapped)
					require.Equal(t, tt.want, got, "swapped: %t", swapped)
					require.Equal(t, tt.at, clk.Elapsed(), "swapped: %t", swapped)
				}
			})
		}
	}
}

func TestAutoSleepAllocates(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	assert.Zero(t, testing.AllocsPerRun(1000, func() { clk.Sleep(time.Second) }))
}

func BenchmarkAutoSleep(b *testing.B) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	b.ReportAllocs()
	for b.Loop() {
		clk.Sleep(time.Second)
	}
}

func BenchmarkAutoSelect(b *testing.B) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithCancel(context.Background(), clk)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		wait(ctx, clk, time.Second, false)
	}
}

// standardChild is a child that nobody cancels but its parent.
func standardChild(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(parent)
	context.AfterFunc(parent, cancel)
	return ctx
}
