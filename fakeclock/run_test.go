package fakeclock_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// five is a program of five goroutines with many ties, timers, contexts and
// functions. It waits in every way Run knows.
func five(clk *fakeclock.Clock) error {
	g := clk.NewGroup()
	refill := clk.NewCond("refill")
	tokens := 2
	for i := range 4 {
		g.Go("client", func(clk *fakeclock.Clock) error {
			for n := range 5 {
				for tokens == 0 {
					if err := refill.Wait(context.Background()); err != nil {
						return err
					}
				}
				tokens--
				ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Duration(n+1)*time.Second)
				wait(ctx, clk, 3*time.Second, i%2 == 0)
				cancel()
				clk.Sleep(0)
				clk.AfterFunc(time.Second, func() { tokens++; refill.Signal() })
			}
			return nil
		})
	}
	g.Go("ticker", func(clk *fakeclock.Clock) error {
		tk := clk.NewTicker(time.Second)
		defer tk.Stop()
		for range 5 {
			<-tk.Chan()
		}
		return nil
	})
	return g.Wait()
}

func TestOneTracePerSeed(t *testing.T) {
	trace := func(seed uint64) string {
		var clk *fakeclock.Clock
		require.NoError(t, fakeclock.Run(fakeclock.Config{Seed: seed, Record: fakeclock.Waits}, func(c *fakeclock.Clock) error {
			clk = c
			return five(c)
		}))
		return clk.Trace()
	}
	for _, procs := range []int{1, 2} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			want := trace(0)
			for range 500 {
				require.Equal(t, want, trace(0))
			}
			golden(t, "testdata/five.txt", want)
			different := make(map[string]bool)
			for seed := range uint64(200) {
				want := trace(seed + 1)
				require.Equal(t, want, trace(seed+1), "seed %d", seed+1)
				different[want] = true
			}
			t.Logf("%d interleavings from 200 seeds", len(different))
			assert.Greater(t, len(different), 150)
		})
	}
}

func TestDeadlockBehindTicker(t *testing.T) {
	err := fakeclock.Run(fakeclock.Config{BusyLoop: 1000}, func(clk *fakeclock.Clock) error {
		clk.NewTicker(time.Second)
		return clk.NewCond("an answer").Wait(context.Background())
	})
	require.ErrorIs(t, err, fakeclock.ErrDeadlock)
	assert.Contains(t, err.Error(), "only timers that nobody waits for go on")
}

// A limit on calls at one instant is none on a program that takes its time.
func TestLongRunIsNotBusy(t *testing.T) {
	require.NoError(t, fakeclock.Run(fakeclock.Config{BusyLoop: 100}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		for range 2 {
			g.Go("g", func(clk *fakeclock.Clock) error {
				for range 1000 {
					clk.Sleep(time.Second)
				}
				return nil
			})
		}
		return g.Wait()
	}))
}

// closed reports whether the channel was closed.
func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestStallOfRun(t *testing.T) {
	tests := []struct {
		name  string
		block func(clk *fakeclock.Clock, release chan struct{})
		where string
	}{
		{"raw channel", func(_ *fakeclock.Clock, release chan struct{}) { <-release }, "[chan receive] at run_test.go:"},
		{"lock", func(_ *fakeclock.Clock, release chan struct{}) {
			var mu sync.Mutex
			mu.Lock()
			go func() { <-release; mu.Unlock() }()
			mu.Lock()
		}, "[sync.Mutex.Lock] at run_test.go:"},
		{"spin", func(_ *fakeclock.Clock, release chan struct{}) {
			for !closed(release) {
			}
		}, "[run"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			release := make(chan struct{})
			unwound := false
			// Real time: that a goroutine does not come back can only be waited for.
			err := fakeclock.Run(fakeclock.Config{Stall: 40 * time.Millisecond}, func(clk *fakeclock.Clock) error {
				g := clk.NewGroup()
				g.Go("stuck", func(clk *fakeclock.Clock) error {
					clk.Sleep(time.Second)
					tt.block(clk, release)
					clk.Sleep(time.Second) // refused: the run is over
					return nil
				})
				defer func() { unwound = true }()
				return g.Wait()
			})
			close(release)
			var r *fakeclock.Report
			require.ErrorAs(t, err, &r)
			require.ErrorIs(t, err, fakeclock.ErrStall)
			assert.Equal(t, []string{"stuck"}, r.Alive)
			assert.Contains(t, r.Text, `goroutine "stuck" has not parked for 40ms and is still alive`)
			assert.Contains(t, r.Text, tt.where)
			assert.Contains(t, r.Text, "belongs in a bubble")
			assert.Contains(t, r.Dump, `goroutine "main"         waiting  since +0s    the group of stuck`)
			assert.True(t, unwound)
		})
	}
}

// In a bubble the watchdog's timer is virtual, so a stall is found at once.
func TestStallInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		err := fakeclock.Run(fakeclock.Config{}, func(*fakeclock.Clock) error { <-release; return nil })
		require.ErrorIs(t, err, fakeclock.ErrStall)
		close(release)
		synctest.Wait()
	})
}

func TestDeferredCallThatBlocks(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	err := fakeclock.Run(fakeclock.Config{Stall: 20 * time.Millisecond}, func(clk *fakeclock.Clock) error {
		defer func() { <-release }()
		return clk.NewCond("nothing").Wait(context.Background())
	})
	var r *fakeclock.Report
	require.ErrorAs(t, err, &r)
	assert.Equal(t, []string{"main"}, r.Alive)
}

func TestBusyLoop(t *testing.T) {
	loops := map[string]func(*fakeclock.Clock){
		"now":    func(clk *fakeclock.Clock) { clk.Now() },
		"sleep":  func(clk *fakeclock.Clock) { clk.Sleep(0) },
		"select": func(clk *fakeclock.Clock) { wait(context.Background(), clk, 0, false) },
	}
	for name, loop := range loops {
		t.Run(name, func(t *testing.T) {
			forever := func(clk *fakeclock.Clock) error {
				clk.Sleep(time.Second)
				for {
					loop(clk)
				}
			}
			cfg := fakeclock.Config{Mode: fakeclock.Auto, BusyLoop: 1000}
			err := fakeclock.Run(cfg, forever)
			require.ErrorIs(t, err, fakeclock.ErrBusyLoop)
			assert.Contains(t, err.Error(), "1000 calls on the clock while it stands at +1s")
			err = caught(func() { _ = forever(fakeclock.New(cfg)) })
			require.ErrorIs(t, err, fakeclock.ErrBusyLoop)
		})
	}
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, BusyLoop: -1})
	for range 1_100_000 {
		clk.Sleep(0)
	}
}

// caught returns the error that f panics with.
func caught(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

func TestLimits(t *testing.T) {
	forever := func(clk *fakeclock.Clock) error {
		for {
			clk.Sleep(time.Minute)
		}
	}
	for _, tt := range []struct {
		cfg  fakeclock.Config
		want string
	}{
		{fakeclock.Config{MaxTime: time.Hour}, "the next event is at +1h1m0s, beyond the limit on virtual time, 1h0m0s"},
		{fakeclock.Config{MaxEvents: 100}, "one event more than the limit of 100"},
	} {
		err := fakeclock.Run(tt.cfg, func(clk *fakeclock.Clock) error {
			g := clk.NewGroup()
			g.Go("a", forever)
			g.Go("b", forever)
			return g.Wait()
		})
		require.ErrorIs(t, err, fakeclock.ErrLimit)
		assert.Contains(t, err.Error(), tt.want)
		require.ErrorIs(t, fakeclock.Run(tt.cfg, forever), fakeclock.ErrLimit)

		tt.cfg.Mode = fakeclock.Auto
		clk := fakeclock.New(tt.cfg)
		err = caught(func() {
			for {
				<-clk.After(time.Minute)
			}
		})
		require.ErrorIs(t, err, fakeclock.ErrLimit)
		assert.Contains(t, err.Error(), tt.want)
		assert.NotEmpty(t, clk.Dump(), "the clock is unlocked")
	}
}

func TestPanicOfGoroutine(t *testing.T) {
	cause := errors.New("boom")
	unwound := false
	err := caught(func() {
		_ = fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			g := clk.NewGroup()
			g.Go("fine", func(clk *fakeclock.Clock) error {
				defer func() { unwound = true }()
				clk.Sleep(time.Hour)
				return nil
			})
			g.Go("bad", func(clk *fakeclock.Clock) error { clk.Sleep(time.Second); panic(cause) })
			return g.Wait()
		})
	})
	var p *fakeclock.Panic
	require.ErrorAs(t, err, &p)
	assert.Equal(t, "bad", p.Goroutine)
	assert.Equal(t, cause, p.Value)
	assert.ErrorIs(t, err, cause)
	assert.Contains(t, err.Error(), `fakeclock: panic in goroutine "bad": boom`)
	assert.Contains(t, string(p.Stack), "TestPanicOfGoroutine")
	assert.True(t, unwound)
	assert.NoError(t, (&fakeclock.Panic{Value: "text"}).Unwrap())
}

// A failed require in a goroutine ends the test.
func TestGoexitOfGoroutine(t *testing.T) {
	returned, unwound := false, false
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			g := clk.NewGroup()
			g.Go("failing", func(clk *fakeclock.Clock) error { runtime.Goexit(); return nil })
			defer func() { unwound = true }()
			return g.Wait()
		})
		returned = true
	}()
	<-done
	assert.False(t, returned)
	assert.True(t, unwound)
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 50 {
		var unwound []string
		_ = deadlocked(fakeclock.Config{}, &unwound)
		_ = caught(func() { _ = fakeclock.Run(fakeclock.Config{}, func(*fakeclock.Clock) error { panic("x") }) })
		_ = fakeclock.Run(fakeclock.Config{MaxEvents: 20}, five)
		_ = fakeclock.Run(fakeclock.Config{}, five)
	}
	assertGoroutines(t, before)
}

// assertGoroutines sees that there are no more goroutines than before. One that
// has done its last deed may need a moment to be gone.
func assertGoroutines(t *testing.T, before int) {
	t.Helper()
	for range 100_000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestRunReturnsTheErrorOfMain(t *testing.T) {
	bad := errors.New("bad")
	later := false
	err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		clk.NewGroup().Go("other", func(clk *fakeclock.Clock) error {
			clk.Sleep(time.Hour)
			later = true
			return nil
		})
		return bad
	})
	assert.Equal(t, bad, err)
	assert.True(t, later, "Run waits for all goroutines")
}

func TestGroup(t *testing.T) {
	first := errors.New("first")
	require.NoError(t, fakeclock.Run(fakeclock.Config{TB: t}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		assert.NoError(t, g.Wait(), "of nobody")
		for i := range 7 {
			g.Go("w", func(clk *fakeclock.Clock) error {
				clk.Sleep(time.Duration(10-i) * time.Second)
				switch i {
				case 2:
					return errors.New("second")
				case 3:
					return first
				}
				return nil
			})
		}
		g2 := clk.NewGroup()
		g2.Go("watcher", func(clk *fakeclock.Clock) error {
			clk.Sleep(time.Second)
			assert.Contains(t, clk.Dump(), "the group of w, w#2, w#3, w#4, 3 more")
			assert.Contains(t, clk.Dump(), `goroutine "watcher"      running`)
			return g.Wait()
		})
		assert.Equal(t, first, g.Wait())
		assert.Equal(t, first, g2.Wait())
		assert.Equal(t, 10*time.Second, clk.Elapsed())
		return nil
	}))
}

func TestCond(t *testing.T) {
	require.NoError(t, fakeclock.Run(fakeclock.Config{TB: t}, func(clk *fakeclock.Clock) error {
		c := clk.NewCond("a turn")
		var woke []string
		g := clk.NewGroup()
		g.Go("impatient", func(clk *fakeclock.Clock) error {
			ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
			defer cancel()
			assert.Equal(t, context.DeadlineExceeded, c.Wait(ctx))
			assert.Equal(t, context.DeadlineExceeded, c.Wait(ctx), "over already")
			woke = append(woke, "impatient "+clk.Elapsed().String())
			return nil
		})
		for _, name := range []string{"a", "b", "c", "d"} {
			g.Go(name, func(clk *fakeclock.Clock) error {
				if err := c.Wait(context.Background()); err != nil {
					return err
				}
				woke = append(woke, name+" "+clk.Elapsed().String())
				return nil
			})
		}
		g.Go("standard", func(clk *fakeclock.Clock) error {
			ctx, cancel := context.WithCancel(context.Background())
			clk.AfterFunc(time.Second, cancel)
			assert.Equal(t, context.Canceled, c.Wait(ctx))
			woke = append(woke, "standard "+clk.Elapsed().String())
			return nil
		})
		c.Signal() // nobody waits yet
		clk.Sleep(2 * time.Second)
		c.Signal()
		clk.Sleep(time.Second)
		c.Broadcast()
		assert.NoError(t, g.Wait())
		assert.Equal(t, []string{"impatient 1s", "standard 1s", "a 2s", "b 3s", "c 3s", "d 3s"}, woke)
		return nil
	}))
}

// Contexts wake the goroutines that wait for them, and no others.
func TestContextsInRun(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		require.NoError(t, fakeclock.Run(fakeclock.Config{TB: t}, func(clk *fakeclock.Clock) error {
			parent, cancel := fakeclock.WithCancel(context.Background(), clk)
			std, cancelStd := context.WithCancel(context.Background())
			var log []string
			say := func(clk *fakeclock.Clock, s string) { log = append(log, clk.Elapsed().String()+" "+s) }
			g := clk.NewGroup()
			g.Go("of parent", func(clk *fakeclock.Clock) error {
				_ = parent.Err()
				say(clk, "of parent: "+wait(parent, clk, time.Hour, false))
				return nil
			})
			g.Go("child", func(clk *fakeclock.Clock) error {
				ctx, cancel := fakeclock.WithTimeout(parent, clk, time.Hour)
				defer cancel()
				say(clk, "child: "+wait(ctx, clk, 2*time.Hour, swapped))
				return nil
			})
			g.Go("standard parent", func(clk *fakeclock.Clock) error {
				ctx, cancel := fakeclock.WithTimeout(std, clk, time.Hour)
				defer cancel()
				say(clk, "standard parent: "+wait(ctx, clk, 2*time.Hour, swapped))
				return nil
			})
			g.Go("sleeper", func(clk *fakeclock.Clock) error {
				say(clk, fmt.Sprint("sleeper: ", fakeclock.SleepContext(std, clk, time.Hour)))
				return nil
			})
			g.Go("standard child", func(clk *fakeclock.Clock) error {
				ctx, cancel := context.WithCancel(parent)
				defer cancel()
				say(clk, fmt.Sprint("standard child: ", fakeclock.SleepContext(ctx, clk, time.Hour)))
				return nil
			})
			g.Go("other", func(clk *fakeclock.Clock) error {
				ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Hour)
				defer cancel()
				say(clk, "other: "+wait(ctx, clk, time.Minute, swapped))
				say(clk, fmt.Sprint("other: ", fakeclock.SleepContext(context.Background(), clk, time.Minute)))
				return nil
			})
			clk.Sleep(time.Second)
			cancel()
			clk.Sleep(time.Second)
			cancelStd()
			err := g.Wait()
			assert.Equal(t, []string{
				"1s of parent: context", "1s child: context", "1s standard child: context canceled",
				"2s standard parent: context", "2s sleeper: context canceled",
				"1m0s other: timer", "2m0s other: <nil>",
			}, log)
			return err
		}))
	}
}

// A context that ends at the instant at which the timer fires, but first, wins.
func TestTieInRun(t *testing.T) {
	for range 100 {
		require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			ctx, cancel := fakeclock.WithCancel(context.Background(), clk)
			clk.AfterFunc(time.Second, cancel)
			assert.Equal(t, "context", wait(ctx, clk, time.Second, false))
			return nil
		}))
	}
}

func TestRunSleepAllocates(t *testing.T) {
	require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		stop := false
		g := clk.NewGroup()
		g.Go("other", func(clk *fakeclock.Clock) error {
			for !stop {
				clk.Sleep(time.Second)
			}
			return nil
		})
		assert.Zero(t, testing.AllocsPerRun(100, func() { clk.Sleep(time.Second) }))
		stop = true
		return g.Wait()
	}))
}

func TestMisuseOfRun(t *testing.T) {
	assert.PanicsWithValue(t, "fakeclock: Run with a nil function: give it the first goroutine of the program", func() { _ = fakeclock.Run(fakeclock.Config{}, nil) })
	var kept *fakeclock.Clock
	require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		kept = clk
		g := clk.NewGroup()
		assert.PanicsWithValue(t, "fakeclock: Go with a nil function: give it what the goroutine does", func() { g.Go("x", nil) })
		assert.PanicsWithValue(t, "fakeclock: Advance in run mode, where time moves by itself: use Sleep to let it pass",
			func() { clk.Advance(1) })
		return nil
	}))
	assert.PanicsWithValue(t, "fakeclock: Sleep on a clock that has ended: the Run that made it has returned", func() { kept.Sleep(1) })
	assert.PanicsWithValue(t, "fakeclock: NewGroup on a clock in manual mode: only Run has goroutines of its own",
		func() { fakeclock.New(fakeclock.Config{}).NewGroup() })
	assert.PanicsWithValue(t, "fakeclock: NewCond on a clock in auto mode: only Run has goroutines of its own",
		func() { newAuto(t).NewCond("x") })
	err := fakeclock.Run(fakeclock.Config{Stall: -1}, func(clk *fakeclock.Clock) error {
		clk.AfterFunc(time.Second, func() {})
		return nil
	})
	assert.NoError(t, err, "a function that nobody waits for is a leak, not an error")
	assert.True(t, strings.HasPrefix(kept.Dump(), "virtual now +0s"))
}

func BenchmarkRunSleep(b *testing.B) {
	for _, n := range []int{1, 2, 8, 64, 1000} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			left := b.N
			err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
				g := clk.NewGroup()
				for i := range n {
					g.Go("sleeper", func(clk *fakeclock.Clock) error {
						for ; left > 0; left-- {
							clk.Sleep(time.Duration(i%7+1) * time.Second)
						}
						return nil
					})
				}
				b.ResetTimer()
				return g.Wait()
			})
			require.NoError(b, err)
		})
	}
}

// A timer that one goroutine waits for and another resets wakes the first at
// the new time, as in package time.
func TestResetByAnotherGoroutine(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, 0, time.Second, time.Hour} {
		var woken time.Duration
		err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
			tm := clk.NewTimer(time.Minute)
			g := clk.NewGroup()
			g.Go("sleeper", func(clk *fakeclock.Clock) error {
				<-tm.Chan()
				woken = clk.Elapsed()
				return nil
			})
			g.Go("waker", func(clk *fakeclock.Clock) error {
				clk.Sleep(time.Second)
				assert.True(t, tm.Reset(d))
				assert.True(t, tm.Reset(d))
				return nil
			})
			return g.Wait()
		})
		require.NoError(t, err)
		assert.Equal(t, time.Second+max(d, 0), woken)
	}
}
