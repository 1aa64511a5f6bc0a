package fakeclock_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

// A program uses a clock from one goroutine and says what it saw.
type program struct {
	name string
	run  func(clk clockwork.Clock, say func(format string, args ...any))
}

// conformance is what code can rely on, whatever the clock. The clock of package
// time, in a bubble, is the judge.
var conformance = []program{
	{"sleep", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		clk.Sleep(time.Second)
		clk.Sleep(0)
		clk.Sleep(-time.Second)
		say("slept %v", clk.Since(start))
		say("left %v", clk.Until(start.Add(time.Minute)))
	}},
	{"timer fires at its deadline", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tm := clk.NewTimer(time.Second)
		say("sent %v at %v", (<-tm.Chan()).Sub(start), clk.Since(start))
		say("stop after: %t", tm.Stop())
	}},
	{"timer of no duration", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		say("zero: %v", (<-clk.NewTimer(0).Chan()).Sub(start))
		say("negative: %v", (<-clk.NewTimer(-time.Hour).Chan()).Sub(start))
		say("after: %v", (<-clk.After(0)).Sub(start))
		tm := clk.NewTimer(time.Hour)
		say("reset to zero: %t", tm.Reset(0))
		say("got %v", (<-tm.Chan()).Sub(start))
	}},
	{"stop before", func(clk clockwork.Clock, say func(string, ...any)) {
		tm := clk.NewTimer(time.Second)
		say("%t %t", tm.Stop(), tm.Stop())
		clk.Sleep(2 * time.Second)
		say("unread: %d", len(tm.Chan()))
	}},
	{"stop takes back an unread value", func(clk clockwork.Clock, say func(string, ...any)) {
		tm := clk.NewTimer(time.Second)
		clk.Sleep(2 * time.Second)
		say("%t %t", tm.Stop(), tm.Stop())
	}},
	{"reset takes back an unread value", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tm := clk.NewTimer(time.Second)
		clk.Sleep(2 * time.Second)
		say("active: %t", tm.Reset(10*time.Second))
		say("got %v", (<-tm.Chan()).Sub(start))
		say("active: %t", tm.Reset(time.Second))
		say("got %v", (<-tm.Chan()).Sub(start))
	}},
	{"a value waits for its reader", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tm := clk.NewTimer(time.Second)
		clk.Sleep(5 * time.Second)
		say("got %v at %v", (<-tm.Chan()).Sub(start), clk.Since(start))
	}},
	{"after", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		say("got %v", (<-clk.After(time.Second)).Sub(start))
	}},
	{"ticker", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tk := clk.NewTicker(time.Second)
		for range 3 {
			say("tick %v", (<-tk.Chan()).Sub(start))
		}
		tk.Reset(10 * time.Second)
		say("tick %v", (<-tk.Chan()).Sub(start))
		tk.Stop()
		clk.Sleep(time.Minute)
		say("end %v", clk.Since(start))
		tk.Reset(time.Second)
		say("tick %v", (<-tk.Chan()).Sub(start))
	}},
	{"ticker drops what nobody reads", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tk := clk.NewTicker(time.Second)
		defer tk.Stop()
		clk.Sleep(10*time.Second + time.Millisecond)
		say("tick %v", (<-tk.Chan()).Sub(start))
		say("tick %v", (<-tk.Chan()).Sub(start))
	}},
	{"ticker reset takes back an unread tick", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tk := clk.NewTicker(time.Second)
		defer tk.Stop()
		clk.Sleep(1500 * time.Millisecond)
		tk.Reset(time.Minute)
		say("tick %v", (<-tk.Chan()).Sub(start))
	}},
	{"functions", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		for _, d := range []time.Duration{3, 1, 2} {
			clk.AfterFunc(d*time.Second, func() { say("called at %v", clk.Since(start)) })
		}
		never := clk.AfterFunc(4*time.Second, func() { say("called at %v", clk.Since(start)) })
		clk.Sleep(3500 * time.Millisecond)
		say("stop: %t %t", never.Stop(), never.Stop())
		say("reset: %t", never.Reset(time.Second))
		clk.Sleep(10 * time.Second)
		say("end %v, channel %v", clk.Since(start), never.Chan() == nil)
	}},
	{"function of no duration", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		clk.AfterFunc(0, func() { say("called at %v", clk.Since(start)) })
		clk.Sleep(time.Second)
		say("end %v", clk.Since(start))
	}},
	{"select of timer and context", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		for _, d := range []time.Duration{time.Second, 3 * time.Second} {
			ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, 2*time.Second)
			tm := clk.NewTimer(d)
			select {
			case <-ctx.Done():
				say("context at %v: %v", clk.Since(start), ctx.Err())
			case <-tm.Chan():
				say("timer at %v: %v", clk.Since(start), ctx.Err())
			}
			say("stop: %t", tm.Stop())
			cancel()
		}
	}},
	{"context", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		parent, cancel := fakeclock.WithCancel(context.Background(), clk)
		ctx, stop := fakeclock.WithDeadline(parent, clk, start.Add(time.Minute))
		defer stop()
		child, drop := context.WithCancelCause(ctx)
		defer drop(nil)
		d, ok := ctx.Deadline()
		say("deadline %v %t", d.Sub(start), ok)
		say("%v %v %v", parent.Err(), ctx.Err(), child.Err())
		clk.AfterFunc(time.Second, cancel)
		clk.Sleep(2 * time.Second)
		say("%v %v %v", parent.Err(), ctx.Err(), child.Err())
		<-ctx.Done()
		<-child.Done()
		past, stop2 := fakeclock.WithTimeout(context.Background(), clk, -1)
		defer stop2()
		say("%v", past.Err())
	}},
	{"two timers in one select", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		long, short := clk.NewTimer(2*time.Second), clk.NewTimer(time.Second)
		for range 2 {
			select {
			case <-long.Chan():
				say("long at %v", clk.Since(start))
			case <-short.Chan():
				say("short at %v", clk.Since(start))
			}
		}
	}},
	{"functions that arm functions", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		clk.AfterFunc(time.Second, func() {
			say("first at %v", clk.Since(start))
			clk.AfterFunc(0, func() { say("at once at %v", clk.Since(start)) })
			clk.AfterFunc(time.Second, func() { say("later at %v", clk.Since(start)) })
		})
		clk.Sleep(3 * time.Second)
	}},
	{"a function that arms itself anew", func(clk clockwork.Clock, say func(string, ...any)) {
		start, n := clk.Now(), 0
		var tm clockwork.Timer
		var mu sync.Mutex // functions of package time run on goroutines of their own
		mu.Lock()
		tm = clk.AfterFunc(time.Second, func() {
			mu.Lock()
			defer mu.Unlock()
			n++
			say("call %d at %v, stop: %t", n, clk.Since(start), tm.Stop())
			if n < 3 {
				say("reset: %t", tm.Reset(2*time.Second))
			}
		})
		mu.Unlock()
		clk.Sleep(10 * time.Second)
		say("stop: %t, reset: %t", tm.Stop(), tm.Reset(time.Second))
		clk.Sleep(2 * time.Second)
	}},
	{"reset while armed", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tm := clk.NewTimer(time.Second)
		say("%t %t", tm.Reset(3*time.Second), tm.Reset(2*time.Second))
		say("got %v", (<-tm.Chan()).Sub(start))
		say("%t %t", tm.Reset(-time.Second), tm.Stop())
		say("%t", tm.Reset(time.Second))
		say("got %v", (<-tm.Chan()).Sub(start))
	}},
	{"a ticker whose reader is late", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		tk := clk.NewTicker(time.Second)
		defer tk.Stop()
		for range 3 {
			say("tick %v at %v", (<-tk.Chan()).Sub(start), clk.Since(start))
			clk.Sleep(2500 * time.Millisecond)
		}
		tk.Reset(300 * time.Millisecond)
		say("tick %v at %v", (<-tk.Chan()).Sub(start), clk.Since(start))
	}},
	{"contexts of no duration", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		now, stop := fakeclock.WithDeadline(context.Background(), clk, start)
		defer stop()
		say("%v %v", now.Err(), context.Cause(now))
		none, stop2 := fakeclock.WithTimeout(context.Background(), clk, 0)
		defer stop2()
		<-none.Done()
		d, ok := none.Deadline()
		say("%v %v %t", none.Err(), d.Sub(start), ok)
		child, stop3 := fakeclock.WithTimeout(none, clk, time.Hour)
		defer stop3()
		std, stop4 := context.WithCancel(child)
		defer stop4()
		say("%v %v %v", child.Err(), std.Err(), context.Cause(std))
		select {
		case <-std.Done():
			say("ended")
		case <-clk.After(time.Second):
			say("after")
		}
		say("%v", clk.Since(start))
	}},
	{"a context cancelled twice, and after its deadline", func(clk clockwork.Clock, say func(string, ...any)) {
		ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		clk.Sleep(2 * time.Second)
		cancel()
		cancel()
		say("%v %v", ctx.Err(), context.Cause(ctx))
		ctx, cancel = fakeclock.WithTimeout(context.Background(), clk, time.Second)
		cancel()
		cancel()
		clk.Sleep(2 * time.Second)
		say("%v %v", ctx.Err(), context.Cause(ctx))
	}},
	{"interrupted sleep", func(clk clockwork.Clock, say func(string, ...any)) {
		start := clk.Now()
		ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
		defer cancel()
		say("%v", fakeclock.SleepContext(ctx, clk, time.Millisecond))
		say("%v", fakeclock.SleepContext(ctx, clk, time.Minute))
		say("%v", fakeclock.SleepContext(ctx, clk, 0))
		say("%v", clk.Since(start))
	}},
}

func TestConformance(t *testing.T) {
	transcript := func(p program) (*[]string, func(string, ...any)) {
		var mu sync.Mutex
		var lines []string
		return &lines, func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	modes := []struct {
		name string
		run  func(t *testing.T, p program, say func(string, ...any))
	}{
		{"auto", func(t *testing.T, p program, say func(string, ...any)) {
			p.run(newAuto(t), say)
		}},
		{"auto, seeded", func(t *testing.T, p program, say func(string, ...any)) {
			p.run(fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, TB: t, Seed: 7}), say)
		}},
		{"run", func(t *testing.T, p program, say func(string, ...any)) {
			require.NoError(t, fakeclock.Run(fakeclock.Config{TB: t}, func(clk *fakeclock.Clock) error {
				p.run(clk, say)
				return nil
			}))
		}},
		{"bubble", func(t *testing.T, p program, say func(string, ...any)) {
			bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) { p.run(clk, say) })
		}},
		{"follow", func(t *testing.T, p program, say func(string, ...any)) {
			synctest.Test(t, func(t *testing.T) {
				p.run(fakeclock.New(fakeclock.Config{Mode: fakeclock.Follow, Base: clockwork.NewRealClock()}), say)
			})
		}},
		{"manual", func(t *testing.T, p program, say func(string, ...any)) {
			synctest.Test(t, func(t *testing.T) {
				clk := fakeclock.New(fakeclock.Config{TB: t})
				done := make(chan struct{})
				go func() { defer close(done); p.run(clk, say) }()
				for {
					synctest.Wait()
					select {
					case <-done:
						return
					default:
						clk.AdvanceNext()
					}
				}
			})
		}},
	}
	for _, p := range conformance {
		t.Run(p.name, func(t *testing.T) {
			want, say := transcript(p)
			synctest.Test(t, func(t *testing.T) { p.run(clockwork.NewRealClock(), say) })
			require.NotEmpty(t, *want)
			for _, m := range modes {
				t.Run(m.name, func(t *testing.T) {
					got, say := transcript(p)
					m.run(t, p, say)
					assert.Equal(t, *want, *got)
				})
			}
		})
	}
}
