package fakeclock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

type contextValue string

func isDone(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// Everything that package context builds on a context of ours ends with it,
// before the call that ended it returns.
func TestStandardDescendants(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{TB: t})
	ctx, cancel := fakeclock.WithTimeout(context.WithValue(context.Background(), contextValue("k"), "v"), clk, time.Second)
	defer cancel()
	withCause, cancel1 := context.WithCancelCause(ctx)
	defer cancel1(nil)
	withValue := context.WithValue(ctx, contextValue("l"), "w")
	grandchild, cancel2 := context.WithCancel(withValue)
	defer cancel2()
	ours, cancel3 := fakeclock.WithCancel(grandchild, clk)
	defer cancel3()
	left, cancel4 := context.WithCancel(ctx)
	cancel4()
	assert.Equal(t, context.Canceled, left.Err())
	assert.NoError(t, ctx.Err())
	assert.Equal(t, "v", ours.Value(contextValue("k")))
	assert.Equal(t, "w", ours.Value(contextValue("l")))
	clk.Advance(time.Second)
	for name, c := range map[string]context.Context{"ctx": ctx, "cause": withCause, "value": withValue, "grandchild": grandchild, "ours": ours} {
		assert.True(t, isDone(c), name)
		assert.True(t, c.Err() == context.DeadlineExceeded, name)
		assert.Equal(t, context.DeadlineExceeded, context.Cause(c), name)
	}
	assert.Equal(t, "v", ours.Value(contextValue("k")), "values outlive the end")
	late, cancel5 := context.WithCancel(ctx)
	defer cancel5()
	assert.Equal(t, context.DeadlineExceeded, late.Err())
	lateOurs, cancel6 := fakeclock.WithTimeout(ctx, clk, time.Hour)
	defer cancel6()
	assert.Equal(t, context.DeadlineExceeded, lateOurs.Err())
	assert.Empty(t, clk.Leaks())
}

func TestAfterFuncOnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := fakeclock.New(fakeclock.Config{TB: t})
		ctx, cancel := fakeclock.WithCancel(context.Background(), clk)
		calls := 0
		context.AfterFunc(ctx, func() { calls++ })
		stop := context.AfterFunc(ctx, func() { calls += 10 })
		assert.True(t, stop())
		assert.False(t, stop())
		cancel()
		synctest.Wait()
		assert.Equal(t, 1, calls)
		context.AfterFunc(ctx, func() { calls++ })
		synctest.Wait()
		assert.Equal(t, 2, calls)
	})
}

func TestCauseOfParent(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{TB: t})
	why := errors.New("why")
	parent, cancelParent := context.WithCancelCause(context.Background())
	ctx, cancel := fakeclock.WithTimeout(parent, clk, time.Hour)
	defer cancel()
	early, cancelEarly := fakeclock.WithCancel(parent, clk)
	cancelEarly()
	cancelParent(why)
	assert.Equal(t, context.Canceled, ctx.Err(), "seen at once, although the parent does not tell")
	assert.True(t, isDone(ctx))
	assert.Equal(t, why, context.Cause(ctx))
	assert.Equal(t, context.Canceled, context.Cause(early), "ended before, for another reason")
	assert.Empty(t, clk.Pending())
}

func TestStandardParentWakesReader(t *testing.T) {
	for _, mode := range []fakeclock.Mode{fakeclock.Manual, fakeclock.Auto} {
		synctest.Test(t, func(t *testing.T) {
			parent, cancelParent := context.WithCancel(context.Background())
			ctx, cancel := fakeclock.WithCancel(parent, fakeclock.New(fakeclock.Config{Mode: mode}))
			defer cancel()
			go cancelParent()
			<-ctx.Done()
			assert.Equal(t, context.Canceled, ctx.Err())
		})
	}
}

func TestDeadlines(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{TB: t})
	at := func(d time.Duration) time.Time { return clk.Now().Add(d) }
	plain, cancel0 := fakeclock.WithCancel(context.Background(), clk)
	defer cancel0()
	_, ok := plain.Deadline()
	assert.False(t, ok)
	assert.Equal(t, "fakeclock.WithCancel", fmt.Sprint(plain))
	hour, cancel1 := fakeclock.WithDeadline(plain, clk, at(time.Hour))
	defer cancel1()
	assert.Equal(t, "fakeclock.WithDeadline(2000-01-01 01:00:00 +0000 UTC)", fmt.Sprint(hour))
	minute, cancel2 := fakeclock.WithTimeout(hour, clk, time.Minute)
	defer cancel2()
	inherited, cancel3 := fakeclock.WithTimeout(minute, clk, time.Hour)
	defer cancel3()
	for ctx, want := range map[context.Context]time.Duration{hour: time.Hour, minute: time.Minute, inherited: time.Minute} {
		d, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.Equal(t, at(want), d)
	}
	assert.Len(t, clk.Pending(), 2)
	never, cancel4 := fakeclock.WithTimeout(context.Background(), clk, fakeclock.Forever)
	defer cancel4()
	clk.Advance(100 * 365 * 24 * time.Hour)
	assert.NoError(t, never.Err())
	assert.Equal(t, context.DeadlineExceeded, hour.Err())
}

func TestContextsOnOtherClocks(t *testing.T) {
	t.Run("clockwork's fake", func(t *testing.T) {
		fc := theirs()
		ctx, cancel := fakeclock.WithTimeout(context.Background(), fc, time.Second)
		assert.NoError(t, ctx.Err())
		fc.Advance(time.Second)
		<-ctx.Done()
		assert.True(t, ctx.Err() == context.DeadlineExceeded)
		cancel()
		ctx, cancel = fakeclock.WithTimeout(context.Background(), fc, time.Second)
		assert.True(t, waiters(fc, 1))
		cancel()
		assert.False(t, waiters(fc, 1), "cancelling disarms the timer")
		assert.Equal(t, context.Canceled, ctx.Err())
	})
	t.Run("real, in a bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			clk := clockwork.NewRealClock()
			ctx, cancel := fakeclock.WithDeadline(context.Background(), clk, clk.Now().Add(time.Minute))
			defer cancel()
			require.NoError(t, fakeclock.SleepContext(ctx, clk, time.Second))
			assert.Equal(t, context.DeadlineExceeded, fakeclock.SleepContext(ctx, clk, time.Hour))
			assert.Equal(t, context.DeadlineExceeded, fakeclock.SleepContext(ctx, clk, time.Hour))
			parent, cancelParent := context.WithCancel(context.Background())
			child, stop := fakeclock.WithCancel(parent, clk)
			defer stop()
			cancelParent()
			assert.Equal(t, context.Canceled, child.Err())
		})
	})
}

func TestRealDeadline(t *testing.T) {
	real, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for _, cfg := range []fakeclock.Config{{}, {Mode: fakeclock.Auto}} {
		clk := fakeclock.New(cfg)
		err := fakeclock.SleepContext(real, clk, time.Second)
		require.ErrorIs(t, err, fakeclock.ErrRealDeadline)
		assert.Contains(t, err.Error(), "on the wall clock, but here it is 2000-01-01T00:00:00Z: make it with fakeclock.WithTimeout")
		assert.Zero(t, clk.Elapsed())

		ctx, stop := fakeclock.WithTimeout(real, clk, time.Second)
		assert.Equal(t, context.Canceled, ctx.Err())
		assert.ErrorIs(t, context.Cause(ctx), fakeclock.ErrRealDeadline)
		stop()

		ours, stop := fakeclock.WithTimeout(context.Background(), clk, time.Minute)
		std, stop2 := context.WithTimeout(ours, time.Hour)
		ctx, stop3 := fakeclock.WithCancel(std, clk)
		assert.NoError(t, ctx.Err(), "the deadline in force is ours")
		stop()
		stop2()
		stop3()

		cfg.RealDeadlines = true
		clk = fakeclock.New(cfg)
		ctx, stop = fakeclock.WithTimeout(real, clk, time.Second)
		assert.NoError(t, ctx.Err())
		d, _ := ctx.Deadline()
		assert.Equal(t, clk.Now().Add(time.Second), d)
		stop()
	}
	require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		assert.ErrorIs(t, fakeclock.SleepContext(real, clk, time.Second), fakeclock.ErrRealDeadline)
		return nil
	}))
}

func TestMisuseOfContexts(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	var none context.Context
	assert.PanicsWithValue(t, "fakeclock: WithTimeout with a nil parent: use context.Background()",
		func() { _, _ = fakeclock.WithTimeout(none, clk, 1) })
	assert.PanicsWithValue(t, "fakeclock: WithCancel with a nil clock",
		func() { _, _ = fakeclock.WithCancel(context.Background(), nil) })
	clk.Close()
	clk.Close()
	assert.PanicsWithValue(t, "fakeclock: WithDeadline on a clock that has ended: it was closed with Close; make a new one for each test",
		func() { _, _ = fakeclock.WithDeadline(context.Background(), clk, time.Time{}) })
}

// A context of package context that is cancelled by a function of the clock
// tells its descendants on another goroutine, which may run before the function
// has returned.
func TestCancelInAFunctionOfAManualClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := fakeclock.New(fakeclock.Config{})
		parent, cancel := context.WithCancel(context.Background())
		ctx, drop := fakeclock.WithTimeout(parent, clk, time.Hour)
		defer drop()
		done := ctx.Done()
		clk.AfterFunc(time.Second, func() {
			cancel()
			synctest.Wait()
		})
		clk.AdvanceNext()
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Fatal("the context has not ended with its parent")
		}
	})
}

// An error and a cause appear together, also while another goroutine ends the
// context.
func TestErrAndCauseAppearTogether(t *testing.T) {
	cause := errors.New("the caller does not want it any more")
	for range 2000 {
		parent, end := context.WithCancelCause(context.Background())
		ctx, cancel := fakeclock.WithCancel(parent, fakeclock.New(fakeclock.Config{}))
		end(cause) // which starts a goroutine that ends ctx
		require.Equal(t, context.Canceled, ctx.Err())
		require.Equal(t, cause, context.Cause(ctx))
		cancel()
	}
}

// Whoever cancels a standard context in Run and then waits lets no time pass before
// those wake that sleep under it, whatever the wait is.
func TestStandardCancelIsSeenBeforeTimeMoves(t *testing.T) {
	for name, wait := range map[string]func(*fakeclock.Clock, context.Context){
		"Sleep":        func(clk *fakeclock.Clock, _ context.Context) { clk.Sleep(time.Second) },
		"SleepContext": func(clk *fakeclock.Clock, ctx context.Context) { _ = clk.SleepContext(ctx, time.Second) },
		"After":        func(clk *fakeclock.Clock, _ context.Context) { <-clk.After(time.Second) },
		"select": func(clk *fakeclock.Clock, ctx context.Context) {
			select {
			case <-ctx.Done():
			case <-clk.After(time.Second):
			}
		},
		"select with a standard child": func(clk *fakeclock.Clock, ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			for range 3 {
				select {
				case <-child.Done():
				case <-clk.After(time.Second):
				}
			}
		},
	} {
		var woke time.Duration
		require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			std, cancel := context.WithCancel(t.Context())
			defer cancel()
			own, end := fakeclock.WithCancel(t.Context(), clk)
			defer end()
			g := clk.NewGroup()
			g.Go("sleeper", func(clk *fakeclock.Clock) error {
				err := clk.SleepContext(std, time.Hour)
				woke = clk.Elapsed()
				assert.ErrorIs(t, err, context.Canceled, name)
				return nil
			})
			g.Go("canceller", func(clk *fakeclock.Clock) error {
				clk.Sleep(time.Second)
				cancel()
				wait(clk, own)
				return nil
			})
			return g.Wait()
		}))
		assert.Equal(t, time.Second, woke, name)
	}
}
