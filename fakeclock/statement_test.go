package fakeclock_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// Statements in which time must not move before the goroutine has blocked, or not
// as far as the first timer that is asked for. The random programs contain them
// all; here they have names.
func TestStatements(t *testing.T) {
	bg := context.Background()
	type seen struct {
		what string
		at   time.Duration
	}
	tests := []struct {
		name string
		auto bool // only there
		run  func(clk *fakeclock.Clock) string
		want seen
	}{
		{"the last timer is the first to fire, before the context", false, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, 8*time.Second)
			defer cancel()
			late, early := clk.NewTimer(9*time.Second), clk.NewTimer(3*time.Second)
			select {
			case <-ctx.Done():
				return "context"
			case <-late.Chan():
				return "late"
			case <-early.Chan():
				return "early"
			}
		}, seen{"early", 3 * time.Second}},
		{"a standard child that has ended", false, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, time.Hour)
			defer cancel()
			child, cancelChild := context.WithCancel(ctx)
			cancelChild()
			tm := clk.NewTimer(time.Second)
			select {
			case <-child.Done():
				return "child"
			case <-tm.Chan():
				return "timer"
			}
		}, seen{"child", 0}},
		{"a standard child beside a context", false, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, time.Hour)
			defer cancel()
			parent, cancelParent := fakeclock.WithTimeout(bg, clk, time.Second)
			defer cancelParent()
			child, cancelChild := context.WithCancel(parent)
			defer cancelChild()
			tm := clk.NewTimer(2 * time.Second)
			select {
			case <-ctx.Done():
				return "context"
			case <-child.Done():
				return "child"
			case <-tm.Chan():
				return "timer"
			}
		}, seen{"child", time.Second}},
		{"a bare wait while a context ends", false, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, time.Second)
			defer cancel()
			<-clk.After(5 * time.Second)
			return ctx.Err().Error()
		}, seen{context.DeadlineExceeded.Error(), 5 * time.Second}},
		{"a stopped timer beside a context", false, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, time.Second)
			defer cancel()
			tm := clk.NewTimer(time.Millisecond)
			tm.Stop()
			select {
			case <-tm.Chan():
				return "timer"
			case <-ctx.Done():
				return "context"
			}
		}, seen{"context", time.Second}},
		{"a timer that was read beside a context", false, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, time.Second)
			defer cancel()
			tm := clk.NewTimer(time.Millisecond)
			<-tm.Chan()
			select {
			case <-ctx.Done():
				return "context"
			case <-tm.Chan():
				return "timer"
			}
		}, seen{"context", time.Second}},
		{"a value that has waited keeps its time", false, func(clk *fakeclock.Clock) string {
			first, second := clk.NewTimer(2*time.Second), clk.NewTimer(time.Second)
			start := clk.Now()
			clk.Sleep(3 * time.Second)
			select {
			case <-first.Chan():
				return "first"
			case at := <-second.Chan():
				return at.Sub(start).String() + " " + (<-first.Chan()).Sub(start).String()
			}
		}, seen{"1s 2s", 3 * time.Second}},
		{"a context that the goroutine has cancelled, behind a timer", false, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithCancel(bg, clk)
			other, cancelOther := fakeclock.WithTimeout(bg, clk, time.Millisecond)
			defer cancelOther()
			cancel()
			tm := clk.NewTimer(time.Second)
			select {
			case <-tm.Chan():
				return "timer"
			case <-ctx.Done():
				return "context " + fmtErr(other.Err())
			}
		}, seen{"context <nil>", 0}},
		{"two timers made in the statement", true, func(clk *fakeclock.Clock) string {
			select {
			case <-clk.NewTimer(2 * time.Second).Chan():
				return "late"
			case <-clk.NewTimer(time.Second).Chan():
				return "early"
			}
		}, seen{"early", time.Second}},
		{"a channel given to a function", true, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, time.Second)
			defer cancel()
			receive(clk.NewTimer(2 * time.Second).Chan())
			return ctx.Err().Error()
		}, seen{context.DeadlineExceeded.Error(), 2 * time.Second}},
		{"a context alone", true, func(clk *fakeclock.Clock) string {
			ctx, cancel := fakeclock.WithTimeout(bg, clk, time.Second)
			defer cancel()
			<-ctx.Done()
			return "context"
		}, seen{"context", time.Second}},
		{"a channel that is kept", true, func(clk *fakeclock.Clock) string {
			timeout := clk.After(3500 * time.Millisecond)
			for n := 0; ; n++ {
				select {
				case <-timeout:
					return "timeout"
				case <-clk.After(time.Second):
				}
				if n == 10 {
					return "never"
				}
			}
		}, seen{"timeout", 3500 * time.Millisecond}},
		{"a channel that is kept and polled", true, func(clk *fakeclock.Clock) string {
			timeout := clk.After(2500 * time.Millisecond)
			for {
				clk.Sleep(time.Second)
				select {
				case <-timeout:
					return "timeout"
				default:
				}
			}
		}, seen{"timeout", 3 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 {
				clk := newAuto(t)
				require.Equal(t, tt.want, seen{tt.run(clk), clk.Elapsed()}, "auto")
				if tt.auto {
					continue
				}
				require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
					g := clk.NewGroup()
					g.Go("other", func(clk *fakeclock.Clock) error {
						for range 10 {
							clk.Sleep(700 * time.Millisecond)
						}
						return nil
					})
					require.Equal(t, tt.want, seen{tt.run(clk), clk.Elapsed()}, "run")
					return g.Wait()
				}))
			}
		})
	}
}

func fmtErr(err error) string {
	if err == nil {
		return "<nil>"
	}
	return err.Error()
}

func receive(c <-chan time.Time) { <-c }

// What Run cannot do right it refuses.
func TestWaitsForNothing(t *testing.T) {
	other := func(clk *fakeclock.Clock) {
		clk.NewGroup().Go("other", func(clk *fakeclock.Clock) error {
			for range 10 {
				clk.Sleep(300 * time.Millisecond)
			}
			return nil
		})
	}
	err := caught(func() {
		_ = fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			other(clk)
			timeout := clk.After(time.Second)
			clk.Sleep(time.Second)
			<-timeout
			return nil
		})
	})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "fakeclock: the value of this wait (after) was not received before the next call: in Run the call of Chan or After is the wait.")

	err = caught(func() {
		_ = fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			other(clk)
			quit, cancel := fakeclock.WithCancel(context.Background(), clk)
			ctx, cancel2 := fakeclock.WithCancel(context.Background(), clk)
			defer cancel2()
			cancel()
			tm := clk.NewTimer(time.Second)
			select {
			case <-ctx.Done():
			case <-tm.Chan():
			case <-quit.Done():
			}
			return nil
		})
	})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "fakeclock: a context that had ended before is a case of a select statement behind a timer: in Run put the contexts first")
}

// A function that Advance waits for cannot wait for Advance.
func TestSleepInFunction(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	clk.AfterFunc(time.Second, func() { clk.Sleep(time.Second) })
	assert.PanicsWithValue(t, "fakeclock: Sleep in a function armed with AfterFunc, while the Advance that calls it waits for its return: start a goroutine in it",
		func() { clk.Advance(time.Minute) })
	clk.AfterFunc(time.Second, func() { _ = fakeclock.SleepContext(t.Context(), clk, time.Second) })
	assert.Panics(t, func() { clk.Advance(time.Minute) })
	// Another goroutine may sleep meanwhile.
	asleep := make(chan struct{})
	clk.AfterFunc(time.Second, func() {
		go func() { clk.Sleep(time.Second); close(asleep) }()
		assert.NoError(t, clk.Await(t.Context(), 1, fakeclock.Match{Kind: fakeclock.KindSleep}))
	})
	clk.Advance(time.Minute)
	<-asleep
}

func TestAdvanceNextSaysDropped(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{})
	defer clk.NewTicker(time.Second).Stop()
	w, _ := clk.AdvanceNext()
	assert.Equal(t, fakeclock.Fired, w.Outcome)
	w, _ = clk.AdvanceNext()
	assert.Equal(t, fakeclock.Dropped, w.Outcome)
}

// Limits that SleepContext runs into are errors that it returns.
func TestAutoSleepContextLimits(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, MaxTime: time.Minute})
	assert.ErrorIs(t, fakeclock.SleepContext(t.Context(), clk, time.Hour), fakeclock.ErrLimit)
	assert.NotEmpty(t, clk.Dump(), "the clock is unlocked")
	assert.PanicsWithValue(t, "boom", func() {
		clk.AfterFunc(time.Second, func() { panic("boom") })
		_ = fakeclock.SleepContext(t.Context(), clk, 2*time.Second)
	})
}

// With call sites recorded, Run knows who calls.
func TestStrangerInRun(t *testing.T) {
	require.NoError(t, fakeclock.Run(fakeclock.Config{Record: fakeclock.Sites}, func(clk *fakeclock.Clock) error {
		clk.Sleep(time.Second)
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			clk.Sleep(time.Second)
		}()
		assert.Equal(t, "fakeclock: Sleep in a goroutine that Run does not know: start it with Group.Go, or use a bubble", <-done)
		return nil
	}))
}

// A goroutine that is blocked in its statement goes on at the instant at which a
// function of the clock ends a standard context, though nobody tells.
func TestRunSeesAStandardContextThatAFunctionCancels(t *testing.T) {
	var at time.Duration
	require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		parent, end := fakeclock.WithTimeout(t.Context(), clk, 8*time.Second)
		defer end()
		child, cancel := context.WithCancel(parent)
		defer cancel()
		late := clk.NewTimer(6 * time.Second)
		clk.AfterFunc(4*time.Second, cancel)
		select {
		case <-child.Done():
		case <-late.Chan():
		}
		at = clk.Elapsed()
		return nil
	}))
	assert.Equal(t, 4*time.Second, at)
}

// Whoever cancels a context goes on before anything else that is due, whether or
// not another goroutine is blocked in its statement.
func TestCancelLetsNothingElseHappenFirst(t *testing.T) {
	for _, again := range []bool{false, true} {
		var blocked error
		require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			g := clk.NewGroup()
			g.Go("blocked", func(clk *fakeclock.Clock) error {
				parent, end := fakeclock.WithTimeout(t.Context(), clk, time.Minute)
				defer end()
				child, cancel := context.WithCancel(parent)
				defer cancel()
				late := clk.NewTimer(time.Minute)
				select {
				case <-child.Done():
				case <-late.Chan():
				}
				return nil
			})
			g.Go("canceller", func(clk *fakeclock.Clock) error {
				ctx, cancel := fakeclock.WithCancel(t.Context(), clk)
				if again {
					cancel()
				}
				clk.Sleep(time.Second)
				tie := clk.NewTimer(time.Second)
				due, end := fakeclock.WithTimeout(t.Context(), clk, time.Second)
				defer end()
				<-tie.Chan()
				cancel()
				blocked = due.Err()
				assert.Equal(t, context.Canceled, ctx.Err())
				return nil
			})
			return g.Wait()
		}))
		assert.NoError(t, blocked, "the deadline of this very instant came first; cancelled before: %t", again)
	}
}

// What goes on before anything else happens does so at the start of time too,
// where nothing is before.
func TestCancelAtTheStartTakesNoTime(t *testing.T) {
	var after time.Duration
	require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		g.Go("waits", func(clk *fakeclock.Clock) error {
			parent, cancel := fakeclock.WithCancel(context.Background(), clk)
			defer cancel()
			child, cancelChild := context.WithCancel(parent) // which may end without telling
			defer cancelChild()
			timer := clk.NewTimer(time.Second)
			select {
			case <-child.Done():
			case <-timer.Chan():
			}
			return nil
		})
		g.Go("cancels", func(clk *fakeclock.Clock) error {
			_, cancel := fakeclock.WithCancel(context.Background(), clk)
			cancel()
			after = clk.Elapsed()
			return nil
		})
		return g.Wait()
	}))
	assert.Zero(t, after)
}

// A loop that polls a standard context beside a timer costs no look at the stacks
// of the program each time, once its statement is known. A look allocates the
// goroutine that takes it, its loop, and what it reads.
func TestRunPollsAStandardContextCheaply(t *testing.T) {
	const polls = 2000
	var before, after runtime.MemStats
	require.NoError(t, fakeclock.Run(fakeclock.Config{Stall: time.Minute}, func(clk *fakeclock.Clock) error {
		parent, end := fakeclock.WithTimeout(t.Context(), clk, time.Hour)
		defer end()
		ctx, cancel := context.WithCancel(parent)
		defer cancel()
		poll := func() {
			select {
			case <-ctx.Done():
			case <-clk.After(100 * time.Millisecond):
			}
		}
		for range polls / 100 {
			poll()
		}
		runtime.ReadMemStats(&before)
		for range polls {
			poll()
		}
		runtime.ReadMemStats(&after)
		assert.Equal(t, (polls+polls/100)*100*time.Millisecond, clk.Elapsed())
		return nil
	}))
	assert.Less(t, (after.Mallocs-before.Mallocs)/polls, uint64(12))
}

// A channel that its statement receives from most of the time may be kept as well,
// while its timer fires.
func TestRunGivesAStatementWhatCameBeforeIt(t *testing.T) {
	var at []time.Duration
	require.NoError(t, fakeclock.Run(fakeclock.Config{Stall: 2 * time.Second}, func(clk *fakeclock.Clock) error {
		parent, end := fakeclock.WithTimeout(t.Context(), clk, time.Hour)
		defer end()
		ctx, cancel := context.WithCancel(parent)
		defer cancel()
		var next <-chan time.Time
		for n := range 6 {
			if next != nil {
				select {
				case fired := <-next:
					at = append(at, clk.Elapsed(), clk.Since(fired))
				case <-ctx.Done():
				}
			}
			next = clk.After(time.Second)
			if n == 3 {
				clk.Sleep(3 * time.Second)
			}
		}
		return nil
	}))
	const s = time.Second
	assert.Equal(t, []time.Duration{s, 0, 2 * s, 0, 3 * s, 0, 6 * s, 2 * s, 7 * s, 0}, at)
}

// Goroutines that poll standard contexts side by side take turns as the clock has it.
func TestRunPollsSideBySide(t *testing.T) {
	var log []string
	require.NoError(t, fakeclock.Run(fakeclock.Config{Stall: time.Minute}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		for i, every := range []time.Duration{300 * time.Millisecond, 200 * time.Millisecond, 200 * time.Millisecond} {
			g.Go("poller", func(clk *fakeclock.Clock) error {
				parent, end := fakeclock.WithTimeout(t.Context(), clk, time.Second+time.Millisecond)
				defer end()
				ctx, cancel := context.WithCancel(parent)
				defer cancel()
				for {
					select {
					case <-ctx.Done():
						log = append(log, fmt.Sprintf("%d ends %v", i, clk.Elapsed()))
						return nil
					case <-clk.After(every):
						log = append(log, fmt.Sprintf("%d %v", i, clk.Elapsed()))
					}
				}
			})
		}
		return g.Wait()
	}))
	assert.Equal(t, []string{
		"1 200ms", "2 200ms", "0 300ms", "1 400ms", "2 400ms", "0 600ms", "1 600ms", "2 600ms",
		"1 800ms", "2 800ms", "0 900ms", "1 1s", "2 1s", "0 ends 1.001s", "1 ends 1.001s", "2 ends 1.001s",
	}, log)
}

// A value is handed over at a limit no more than a timer fires there.
func TestRunHandsNothingOverBeyondALimit(t *testing.T) {
	for _, cfg := range []fakeclock.Config{{MaxEvents: 6}, {MaxTime: 5 * time.Second}} {
		n := 0
		var cancel context.CancelFunc
		err := fakeclock.Run(cfg, func(clk *fakeclock.Clock) error {
			parent, end := fakeclock.WithCancel(t.Context(), clk)
			defer end()
			var ctx context.Context
			ctx, cancel = context.WithCancel(parent)
			for {
				select {
				case <-clk.After(time.Second):
					n++
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		cancel() // the goroutine is blocked in its statement
		require.ErrorIs(t, err, fakeclock.ErrLimit)
		assert.Equal(t, 5, n)
	}
}
