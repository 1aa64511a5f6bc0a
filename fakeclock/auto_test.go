package fakeclock_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
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

// The statement of wait against every fate of its context: a long function, since
// the table is.
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
			type key struct{}
			ctx, cancel := fakeclock.WithCancel(bg, clk)
			clk.AfterFunc(1500*ms, cancel)
			return context.WithValue(ctx, key{}, "v")
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

// A statement that waits for the timer alone is not cut short for good by a
// context that ends meanwhile, although the clock cannot know at first.
func TestAutoBareReceive(t *testing.T) {
	for range 20 {
		clk := newAuto(t)
		ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		other, cancel2 := fakeclock.WithTimeout(context.Background(), clk, 2*time.Second)
		tm := clk.NewTimer(3 * time.Second)
		<-tm.Chan()
		require.Equal(t, 3*time.Second, clk.Elapsed())
		require.Equal(t, context.DeadlineExceeded, ctx.Err())

		tm.Reset(time.Second)
		clk.Sleep(2 * time.Second)
		<-ctx.Done()
		<-other.Done()
		<-tm.Chan()
		require.Equal(t, 5*time.Second, clk.Elapsed())
		cancel()
		cancel2()
	}
}

// A context that ends after the wait began, and another that does not.
func TestAutoTwoContexts(t *testing.T) {
	for range 20 {
		clk := newAuto(t)
		short, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		long, cancel2 := fakeclock.WithTimeout(context.Background(), clk, 2*time.Second)
		tm := clk.NewTimer(3 * time.Second)
		got := ""
		select {
		case <-tm.Chan():
			got = "timer"
		case <-long.Done():
			got = "long"
		}
		require.Equal(t, "long", got)
		require.Equal(t, 2*time.Second, clk.Elapsed())
		select {
		case <-tm.Chan():
			got = "timer"
		case <-long.Done():
			got = "long"
		case <-short.Done():
			got = "short"
		}
		require.NotEqual(t, "timer", got)
		tm.Stop()
		cancel()
		cancel2()
	}
}

func TestAutoTickerLoop(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		clk := newAuto(t)
		ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, 3500*time.Millisecond)
		tk := clk.NewTicker(time.Second)
		ticks := 0
		for ctx.Err() == nil {
			if swapped {
				select {
				case <-tk.Chan():
					ticks++
				case <-ctx.Done():
				}
				continue
			}
			select {
			case <-ctx.Done():
			case <-tk.Chan():
				ticks++
			}
		}
		assert.Equal(t, 3, ticks)
		assert.Equal(t, 3500*time.Millisecond, clk.Elapsed())
		// A context that has ended comes before a tick that waits unread.
		clk.Sleep(time.Minute)
		for range 20 {
			if swapped {
				select {
				case <-tk.Chan():
					assert.Fail(t, "tick")
				case <-ctx.Done():
				}
				continue
			}
			select {
			case <-ctx.Done():
			case <-tk.Chan():
				assert.Fail(t, "tick")
			}
		}
		assert.Equal(t, time.Minute+3500*time.Millisecond, clk.Elapsed())
		tk.Reset(time.Second)
		select {
		case <-tk.Chan():
			assert.Fail(t, "tick")
		case <-ctx.Done():
		}
		assert.Equal(t, time.Minute+3500*time.Millisecond, clk.Elapsed(), "time did not move")
		tk.Stop()
		cancel()
		assert.Empty(t, clk.Leaks())
	}
}

// Three timers in one statement: the earliest is the only one ready, and time is
// where it fired.
func TestAutoThreeTimers(t *testing.T) {
	for range 20 {
		clk := newAuto(t)
		var order []string
		a, b, c := clk.NewTimer(3*time.Second), clk.NewTimer(time.Second), clk.NewTimer(2*time.Second)
		for range 3 {
			select {
			case <-a.Chan():
				order = append(order, "a "+clk.Elapsed().String())
			case <-b.Chan():
				order = append(order, "b "+clk.Elapsed().String())
			case <-c.Chan():
				order = append(order, "c "+clk.Elapsed().String())
			}
		}
		require.Equal(t, []string{"b 1s", "c 2s", "a 3s"}, order)
	}
}

func TestAutoAfterInSelect(t *testing.T) {
	for range 20 {
		clk := newAuto(t)
		ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		got := ""
		select {
		case <-clk.After(time.Minute):
			got = "after"
		case <-ctx.Done():
			got = "context"
		}
		require.Equal(t, "context", got)
		require.Equal(t, time.Second, clk.Elapsed())
		cancel()
	}
}

func TestAutoForever(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Minute)
	assert.Equal(t, context.DeadlineExceeded, fakeclock.SleepContext(ctx, clk, fakeclock.Forever))
	cancel()
	err := fakeclock.SleepContext(context.Background(), clk, fakeclock.Forever)
	require.ErrorIs(t, err, fakeclock.ErrDeadlock)
	assert.Contains(t, err.Error(), "the wait is for a context alone, and nothing armed will end it")
}

// The standard library's contexts are seen too, if SleepContext does the waiting.
func TestAutoSleepContextStandard(t *testing.T) {
	clk := newAuto(t)
	ctx, cancel := context.WithCancel(context.Background())
	clk.AfterFunc(1500*time.Millisecond, cancel)
	assert.Equal(t, context.Canceled, fakeclock.SleepContext(ctx, clk, time.Minute))
	assert.Equal(t, 1500*time.Millisecond, clk.Elapsed())
}

// A range loop evaluates the channel once.
func TestAutoRangeOverTicker(t *testing.T) {
	clk := newAuto(t)
	tk := clk.NewTicker(time.Second)
	defer tk.Stop()
	n := 0
	for range tk.Chan() {
		if n++; n == 3 {
			break
		}
	}
	assert.Equal(t, 3*time.Second, clk.Elapsed())
}

// Meanwhile a goroutine that waits for something else is left alone.
func TestAutoBlockedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where the clock's millisecond is virtual
		clk := newAuto(t)
		tk := clk.NewTicker(time.Second)
		defer tk.Stop()
		answer := make(chan int)
		time.AfterFunc(time.Minute, func() { answer <- 1 })
		<-tk.Chan()
		<-answer
		assert.Equal(t, time.Second, clk.Elapsed())

		tm := clk.NewTimer(time.Hour)
		ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		defer cancel()
		time.AfterFunc(time.Minute, func() { answer <- 1 })
		select {
		case <-ctx.Done():
		case <-tm.Chan():
		}
		<-answer
		assert.Equal(t, 2*time.Second, clk.Elapsed())
	})
}

// A stall in Auto ends the program, so it happens in a child process.
func TestStallOfAuto(t *testing.T) {
	if os.Getenv("STALL_CHILD") != "" {
		clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Stall: 20 * time.Millisecond})
		clk.Sleep(time.Second)
		tm := clk.NewTimer(time.Second)
		tm.Stop()
		<-tm.Chan()
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestStallOfAuto$", "-test.timeout", "20s")
	cmd.Env = append(os.Environ(), "STALL_CHILD=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "fakeclock: stall: github.com/retrykit/retrykit/fakeclock_test.TestStallOfAuto blocks on a channel that nothing armed will fill: its timer was stopped, or its value has been received, or its context has no deadline")
	assert.Contains(t, string(out), "virtual now +1s")
}

// Whoever the end of a context wakes finds the clock told of it, however long the
// children of package context take to end.
func TestAutoIsToldBeforeWhoeverADeadlineWakes(t *testing.T) {
	clk := newAuto(t)
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
	defer cancel()
	for range 100_000 {
		_, drop := context.WithCancel(ctx)
		defer drop()
	}
	due := clk.NewTimer(time.Second)
	never := clk.NewTimer(time.Hour)
	select {
	case <-ctx.Done():
	case <-never.Chan():
	}
	clk.Sleep(time.Second) // the value of due is unread
	for range 20 {
		select {
		case <-ctx.Done():
		case <-due.Chan():
			require.Fail(t, "the timer, though the context had ended")
		}
	}
	never.Stop()
}
