package fakeclock_test

// The golden file of this test names lines of this file.

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// deadlocked is a run with three ways to wait, and nothing that will end them.
func deadlocked(cfg fakeclock.Config, unwound *[]string) error {
	return fakeclock.Run(cfg, func(clk *fakeclock.Clock) error {
		refill := clk.NewCond("token bucket refill")
		g := clk.NewGroup()
		g.Go("retry-a", func(clk *fakeclock.Clock) error {
			defer func() { *unwound = append(*unwound, "a") }()
			clk.Sleep(3 * time.Second)
			return refill.Wait(context.Background())
		})
		g.Go("retry-b", func(clk *fakeclock.Clock) error {
			defer func() { *unwound = append(*unwound, "b") }()
			defer clk.Sleep(time.Second) // must not block the end
			ctx, cancel := fakeclock.WithCancel(context.Background(), clk)
			defer cancel()
			clk.Sleep(time.Second)
			return fakeclock.SleepContext(ctx, clk, fakeclock.Forever)
		})
		return g.Wait()
	})
}

func TestDeadlock(t *testing.T) {
	before := runtime.NumGoroutine()
	var unwound []string
	err := deadlocked(fakeclock.Config{Record: fakeclock.Sites}, &unwound)
	require.ErrorIs(t, err, fakeclock.ErrDeadlock)
	golden(t, "testdata/deadlock.txt", err.Error()+"\n")
	assert.Equal(t, []string{"a", "b"}, unwound)
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	var r *fakeclock.Report
	require.ErrorAs(t, err, &r)
	assert.Empty(t, r.Alive)
}
