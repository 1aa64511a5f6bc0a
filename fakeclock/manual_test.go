package fakeclock_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
)

var (
	_ fakeclock.TB = (*testing.T)(nil)
	_ fakeclock.TB = (*testing.B)(nil)
	_ fakeclock.TB = (*testing.F)(nil)
	_ fakeclock.TB = (*rapid.T)(nil)
)

func TestStepByStep(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{TB: t})
	done := make(chan []time.Duration)
	go func() {
		var woke []time.Duration
		for _, d := range []time.Duration{3, 1, 2} {
			clk.Named("worker").Sleep(d * time.Second)
			woke = append(woke, clk.Elapsed())
		}
		done <- woke
	}()
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Hour) // is not counted
	defer cancel()
	for range 3 {
		require.NoError(t, clk.Await(t.Context(), 1, fakeclock.Match{Owner: "worker"}))
		next, ok := clk.Next()
		require.True(t, ok)
		w, ok := clk.AdvanceNext()
		require.True(t, ok)
		assert.Equal(t, next, clk.Now())
		assert.Equal(t, fakeclock.KindSleep, w.Kind)
		assert.Equal(t, "worker", w.Owner)
		assert.Equal(t, clk.Elapsed(), w.Ended)
	}
	assert.Equal(t, []time.Duration{3 * time.Second, 4 * time.Second, 6 * time.Second}, <-done)
	assert.NoError(t, ctx.Err())
	require.NoError(t, clk.Await(t.Context(), 1, fakeclock.Match{Kind: fakeclock.KindDeadline}))
	clk.AfterFunc(time.Hour, func() {})
	require.Error(t, clk.Await(ended(), 1, fakeclock.Match{}), "nobody can be blocked on a context's deadline or a function")
}

func TestAdvanceNextOneOfATie(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	_, ok := clk.AdvanceNext()
	assert.False(t, ok)
	_, ok = clk.Next()
	assert.False(t, ok)
	var fired []int
	for i := range 3 {
		clk.AfterFunc(time.Second, func() { fired = append(fired, i) })
	}
	clk.AdvanceNext()
	assert.Equal(t, []int{0}, fired)
	clk.Advance(0)
	assert.Equal(t, []int{0, 1, 2}, fired)
}

func TestAwaitFails(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	clk.Named("b").NewTimer(time.Second)
	for _, ctx := range []context.Context{ended(), endedOurs(clk)} {
		err := clk.Await(ctx, 2, fakeclock.Match{Kind: fakeclock.KindTimer, Owner: "b"})
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, `fakeclock: waited for 2 timer waits of "b", have 1: context canceled
virtual now +0s (2000-01-01T00:00:00Z), 0 events fired, 1 armed
  #1   timer        b          until +1s (in 1s, armed +0s)
`, err.Error())
	}
	require.NoError(t, clk.Await(t.Context(), 0, fakeclock.Match{}))
	assert.Equal(t, "waits", fakeclock.Match{}.String())
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func endedOurs(clk *fakeclock.Clock) context.Context {
	ctx, cancel := fakeclock.WithCancel(context.Background(), clk)
	cancel()
	return ctx
}

// Time and functions that a function of the clock uses are its own.
func TestFunctionsUseTheClock(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	var at []time.Duration
	clk.AfterFunc(time.Second, func() {
		clk.AfterFunc(time.Second, func() { at = append(at, clk.Elapsed()) })
		clk.AfterFunc(0, func() { at = append(at, clk.Elapsed()) })
		clk.Advance(time.Minute)
	})
	clk.Advance(5 * time.Second)
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second}, at)
	assert.Equal(t, time.Minute+time.Second, clk.Elapsed(), "time never goes back")
}

func TestPanicOfFunctionLeavesTheClockUsable(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	clk.AfterFunc(time.Second, func() { panic("boom") })
	assert.PanicsWithValue(t, "boom", func() { clk.Advance(time.Minute) })
	assert.Equal(t, time.Second, clk.Elapsed())
	clk.Advance(time.Minute)
}

func TestEndOfTime(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	clk.Advance(time.Hour)
	clk.NewTimer(fakeclock.Forever)
	assert.Len(t, clk.Pending(), 1)
	clk.Advance(time.Hour)
	assert.Len(t, clk.Pending(), 1)
	clk.Advance(fakeclock.Forever)
	clk.Advance(fakeclock.Forever)
	assert.Equal(t, fakeclock.Forever, clk.Elapsed())
	assert.Empty(t, clk.Pending())
}

func TestLeaks(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Record: fakeclock.Waits})
	go clk.Sleep(time.Minute)
	require.NoError(t, clk.Await(t.Context(), 1, fakeclock.Match{Kind: fakeclock.KindSleep}))
	clk.NewTicker(4 * time.Second)
	clk.AfterFunc(3*time.Second, func() {})
	_, cancel := fakeclock.WithTimeout(context.Background(), clk, 2*time.Second)
	clk.After(time.Second)
	var kinds []string
	for _, w := range clk.Leaks() {
		kinds = append(kinds, w.Kind.String())
		assert.Equal(t, fakeclock.Pending, w.Outcome)
	}
	assert.Equal(t, "after ctx-deadline afterfunc ticker", strings.Join(kinds, " "))
	assert.Len(t, clk.Pending(), 5)
	cancel()
	assert.Len(t, clk.Leaks(), 3)
	clk.Advance(time.Minute)
}

func TestMisuseOfManual(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	tests := []struct {
		want string
		f    func()
	}{
		{"fakeclock: Advance(-1h0m0s): time cannot go back; make a new Clock for an earlier instant", func() { clk.Advance(-time.Hour) }},
		{"fakeclock: AfterFunc with a nil function: use NewTimer for a wait that calls nothing", func() { clk.AfterFunc(1, nil) }},
		{"fakeclock: non-positive interval for NewTicker: use NewTimer for a single wait", func() { clk.NewTicker(0) }},
		{"fakeclock: non-positive interval for Ticker.Reset: use Stop to end the ticks", func() { clk.NewTicker(1).Reset(-1) }},
		{"fakeclock: Settle on a clock in manual mode: only a clock that follows another can wait for rest", func() { clk.Settle() }},
		{"fakeclock: unknown Mode(9): want Manual, Auto or Follow", func() { fakeclock.New(fakeclock.Config{Mode: 9}) }},
		{"fakeclock: a Follow clock needs Config.Base, the clock to follow", func() { fakeclock.New(fakeclock.Config{Mode: fakeclock.Follow}) }},
		{"fakeclock: Config.Base and Settle are for Follow clocks; a manual clock has its own time", func() { fakeclock.New(fakeclock.Config{Base: clk}) }},
		{"fakeclock: negative limit: use zero for no limit", func() { fakeclock.New(fakeclock.Config{MaxTime: -1}) }},
	}
	for _, tt := range tests {
		assert.PanicsWithValue(t, tt.want, tt.f)
	}
	tm, tk := clk.NewTimer(time.Hour), clk.NewTicker(time.Hour)
	clk.Close()
	const closed = " on a clock that has ended: it was closed with Close; make a new one for each test"
	for op, f := range map[string]func(){
		"Sleep": func() { clk.Sleep(1) }, "NewTimer": func() { clk.NewTimer(1) }, "After": func() { clk.After(1) },
		"AfterFunc": func() { clk.AfterFunc(1, func() {}) }, "NewTicker": func() { clk.NewTicker(1) },
		"Reset": func() { tm.Reset(1) }, "Ticker.Reset": func() { tk.Reset(1) },
		"Advance": func() { clk.Advance(1) }, "AdvanceNext": func() { clk.AdvanceNext() },
		"SleepContext": func() { _ = fakeclock.SleepContext(context.Background(), clk, 1) },
	} {
		assert.PanicsWithValue(t, "fakeclock: "+op+closed, f)
	}
	assert.True(t, tm.Stop(), "what only tidies up still works")
	tk.Stop()
	assert.Zero(t, clk.Elapsed())
}

// A function that arms itself again for the instant at which it fires comes to no
// end; many that are due at one instant do.
func TestAFunctionThatArmsItselfAgain(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{BusyLoop: 1000})
	fired := 0
	for range 3000 {
		clk.AfterFunc(time.Second, func() { fired++ })
	}
	clk.Advance(time.Second)
	require.Equal(t, 3000, fired)
	var again func()
	again = func() { fired++; clk.AfterFunc(0, again) }
	clk.AfterFunc(time.Second, again)
	clk.AfterFunc(time.Second, func() {})
	err := caught(func() { clk.Advance(time.Minute) })
	require.ErrorIs(t, err, fakeclock.ErrBusyLoop)
	assert.ErrorContains(t, err, "1000 functions armed by others have fired while the clock stands at +2s")
	assert.Equal(t, 3000+2+1000, fired, "two that were armed before time stood there")
}
