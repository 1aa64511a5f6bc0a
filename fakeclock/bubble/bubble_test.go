package bubble_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

// Goroutines that wake at one instant run one after the other, whatever the
// scheduler does: first in the order of their names, or by seed.
func TestSimultaneous(t *testing.T) {
	program := func(seed uint64) (order string) {
		bubble.Test(t, fakeclock.Config{Seed: seed}, func(t *testing.T, clk *fakeclock.Clock) {
			turns := make(chan int)
			var wg sync.WaitGroup
			for i := range 6 {
				own := clk.Named(fmt.Sprint("g", i))
				wg.Go(func() {
					for range 3 {
						own.Sleep(time.Second)
						turns <- i
					}
				})
			}
			go func() { wg.Wait(); close(turns) }()
			for i := range turns {
				order += fmt.Sprint(i)
			}
			assert.Equal(t, 3*time.Second, clk.Elapsed())
		})
		return order
	}
	for range 200 {
		require.Equal(t, "012345012345012345", program(0))
	}
	orders := make(map[string]bool)
	for seed := range uint64(50) {
		orders[program(seed+1)] = true
	}
	t.Logf("%d orders from 50 seeds", len(orders))
	assert.Greater(t, len(orders), 10)
}

// Timers of package time and of the clock share one time.
func TestMixed(t *testing.T) {
	bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
		start := time.Now()
		var mu sync.Mutex
		var log []string
		say := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprint(time.Since(start), " ", clk.Elapsed(), " ", s))
		}
		time.AfterFunc(1500*time.Millisecond, func() { say("std") })
		clk.AfterFunc(time.Second, func() { clk.Sleep(time.Second); say("function that sleeps") })
		clk.AfterFunc(1700*time.Millisecond, func() { say("ours") })
		never := clk.NewTimer(time.Millisecond)
		never.Stop()
		ctx, cancel := fakeclock.WithTimeout(t.Context(), clk, 3*time.Second)
		defer cancel()
		std, stop := context.WithTimeout(ctx, time.Hour)
		defer stop()
		assert.Equal(t, context.DeadlineExceeded, fakeclock.SleepContext(std, clk, time.Minute), "a deadline of package context is fine here")
		say("end")
		assert.Equal(t, []string{"1.5s 1.5s std", "1.7s 1.7s ours", "2s 2s function that sleeps", "3s 3s end"}, log)
	})
}

func TestSettle(t *testing.T) {
	bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
		n := 0
		for range 3 {
			go func() {
				clk.Sleep(time.Second)
				clk.Sleep(0)
				n++
			}()
		}
		clk.Settle()
		clk.Sleep(time.Second)
		clk.Settle()
		assert.Equal(t, 3, n)
	})
}

func TestErrorsLeaveTheBubble(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := time.Duration(rapid.IntRange(0, 1000).Draw(rt, "ms")) * time.Millisecond
		var err error
		bubble.Test(t, fakeclock.Config{}, func(_ *testing.T, clk *fakeclock.Clock) {
			clk.Sleep(d)
			if clk.Elapsed() != d {
				err = errors.New("wrong time")
			}
		})
		require.NoError(rt, err)
	})
}

func TestNilFunction(t *testing.T) {
	assert.PanicsWithValue(t, "bubble: Test with a nil function", func() { bubble.Test(t, fakeclock.Config{}, nil) })
}

// Some things end the test, or the program, so they happen in a child process.
func TestInChild(t *testing.T) {
	for _, tt := range []struct {
		name string
		want []string
	}{
		{"Deadlock", []string{
			"fakeclock: deadlock: all goroutines in bubble are blocked", "virtual now +1s", "--- FAIL: TestChildDeadlock",
		}},
		{"Lock", []string{
			"fakeclock: stall: all goroutines of the bubble have been blocked for 100ms, but time cannot move because one waits for what the bubble does not see",
			"[sync.Mutex.Lock] at bubble_test.go:", "do not hold a lock while sleeping",
			"sleep        holder     until +1h0m0s",
		}},
		{"Failure", []string{"fakeclock: follow clock, Seed: 3", "+1s        a          sleep        1s"}},
		{"Ticker", []string{"fakeclock: deadlock: all goroutines in bubble are blocked", "ticker"}},
		{"Time", []string{"fakeclock: limit exceeded: the next event is at +1h1m0s, beyond the limit on virtual time, 1h0m0s", "--- FAIL: TestChildTime"}},
		{"Events", []string{"fakeclock: limit exceeded: one event more than the limit of 100", "--- FAIL: TestChildEvents"}},
		{"Panic", []string{"panic: boom"}},
		{"Wait", []string{"wait already in progress"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestChild"+tt.name+"$", "-test.timeout", "20s")
			cmd.Env = append(os.Environ(), "BUBBLE_CHILD=1")
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			for _, want := range tt.want {
				assert.Contains(t, string(out), want)
			}
		})
	}
}

func child(t *testing.T) {
	if os.Getenv("BUBBLE_CHILD") == "" {
		t.Skip("fails on purpose: run by TestInChild in a process of its own")
	}
}

func TestChildDeadlock(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
		clk.Sleep(time.Second)
		<-make(chan int)
	})
}

// A live ticker does not hide a deadlock.
func TestChildTicker(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{BusyLoop: 1000}, func(t *testing.T, clk *fakeclock.Clock) {
		defer clk.NewTicker(time.Second).Stop()
		<-make(chan int)
	})
}

func TestChildTime(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{MaxTime: time.Hour}, func(t *testing.T, clk *fakeclock.Clock) {
		for {
			clk.Sleep(time.Minute)
		}
	})
}

func TestChildEvents(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{MaxEvents: 100}, func(t *testing.T, clk *fakeclock.Clock) {
		for {
			clk.Sleep(time.Minute)
		}
	})
}

// A ticker that nobody reads for long does not stand still for good.
func TestPatientTicker(t *testing.T) {
	bubble.Test(t, fakeclock.Config{BusyLoop: 100}, func(t *testing.T, clk *fakeclock.Clock) {
		tk := clk.NewTicker(time.Second)
		defer tk.Stop()
		time.Sleep(time.Hour + time.Second/2)
		for range 3 {
			<-tk.Chan()
		}
		clk.Sleep(time.Second)
		assert.Equal(t, time.Hour+3*time.Second, clk.Elapsed())
	})
}

func TestChildLock(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{Stall: 100 * time.Millisecond}, func(t *testing.T, clk *fakeclock.Clock) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, name := range []string{"holder", "other"} {
			own := clk.Named(name)
			wg.Go(func() {
				mu.Lock()
				defer mu.Unlock()
				own.Sleep(time.Hour)
			})
			clk.Settle()
		}
		wg.Wait()
	})
}

func TestChildFailure(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{Seed: 3}, func(t *testing.T, clk *fakeclock.Clock) {
		clk.Named("a").Sleep(time.Second)
		t.Error("failed")
	})
}

func TestChildPanic(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) { panic("boom") })
}

func TestChildWait(t *testing.T) {
	child(t)
	bubble.Test(t, fakeclock.Config{}, func(t *testing.T, clk *fakeclock.Clock) {
		for range 1000 { // the clock waits at the same instant, now before and now after
			clk.AfterFunc(time.Second, func() {})
			time.Sleep(time.Second)
			synctest.Wait()
		}
		t.Error("the two never met")
	})
}
