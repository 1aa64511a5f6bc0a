package fakeclock_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// A wait that a context ended leaves no mark on the next one.
func TestRunWaitAfterAnInterruptedOne(t *testing.T) {
	err := fakeclock.Run(fakeclock.Config{Stall: time.Second}, func(clk *fakeclock.Clock) error {
		short, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, clk.SleepContext(short, time.Hour))
		timer := clk.NewTimer(time.Second)
		select {
		case <-timer.Chan():
		case <-context.Background().Done():
		}
		assert.Equal(t, 2*time.Second, clk.Elapsed())
		return nil
	})
	require.NoError(t, err)
}

// Several goroutines may wait for one ticker: each tick is for one of them.
func TestRunSharedTicker(t *testing.T) {
	var order []string
	err := fakeclock.Run(fakeclock.Config{Stall: time.Second}, func(clk *fakeclock.Clock) error {
		ticker := clk.NewTicker(time.Second)
		defer ticker.Stop()
		g := clk.NewGroup()
		for _, name := range []string{"a", "b", "c"} {
			g.Go(name, func(clk *fakeclock.Clock) error {
				<-ticker.Chan()
				order = append(order, fmt.Sprint(name, " ", clk.Elapsed()))
				return nil
			})
		}
		return g.Wait()
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"a 1s", "b 2s", "c 3s"}, order)
}

// One value for two goroutines leaves one of them waiting, which is reported.
func TestRunSharedTimer(t *testing.T) {
	err := fakeclock.Run(fakeclock.Config{Stall: time.Second}, func(clk *fakeclock.Clock) error {
		timer := clk.NewTimer(time.Second)
		g := clk.NewGroup()
		for _, name := range []string{"a", "b"} {
			g.Go(name, func(*fakeclock.Clock) error { <-timer.Chan(); return nil })
		}
		return g.Wait()
	})
	assert.ErrorIs(t, err, fakeclock.ErrDeadlock)
}

// A goroutine that sleeps and sleeps does not stall, however long it takes.
func TestRunASleeperIsNoStall(t *testing.T) {
	start := time.Now()
	err := fakeclock.Run(fakeclock.Config{Stall: 20 * time.Millisecond}, func(clk *fakeclock.Clock) error {
		for time.Since(start) < 60*time.Millisecond { // real time: that is what the watchdog goes by
			clk.Sleep(time.Second)
		}
		return nil
	})
	assert.NoError(t, err)
}

func TestTickerAtTheEndOfTime(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	clk.NewTicker(200 * 365 * 24 * time.Hour)
	clk.Advance(math.MaxInt64)
	assert.Equal(t, time.Duration(math.MaxInt64), clk.Elapsed())
}

func TestADeadlineOfAnotherClockIsForeign(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	for name, other := range map[string]clockwork.Clock{"real": clockwork.NewRealClock(), "virtual": fakeclock.New(fakeclock.Config{})} {
		ctx, cancel := fakeclock.WithTimeout(context.Background(), other, time.Minute)
		assert.ErrorIs(t, fakeclock.SleepContext(ctx, clk, time.Hour), fakeclock.ErrRealDeadline, name)
		cancel()
	}
}

func TestNilArguments(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	var none context.Context
	assert.PanicsWithValue(t, "fakeclock: SleepContext with a nil context: use Sleep, or context.Background()", func() { _ = fakeclock.SleepContext(none, clk, 1) })
	assert.PanicsWithValue(t, "fakeclock: SleepContext with a nil clock", func() { _ = fakeclock.SleepContext(context.Background(), nil, 1) })
	assert.PanicsWithValue(t, "fakeclock: Deterministic with a nil function: give it the program to run twice", func() { _ = fakeclock.Deterministic(fakeclock.Config{}, nil) })
}
