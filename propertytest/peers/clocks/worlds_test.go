package clocks_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/quartz"
	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

// A world is a number of goroutines that sleep, on one of the clocks, and
// whatever that clock needs to move. It returns the number of sleeps.
type world func(t *testing.T, goroutines int) (sleeps int)

// Each goroutine sleeps for 1 to 7 seconds, again and again, until the virtual
// time is up. Sleeps that end at one instant are common.
func pause(i int) time.Duration { return time.Duration(i%7+1) * time.Second }

// span is a multiple of 420 s, in which every goroutine ends at the last instant.
func span(goroutines int) time.Duration {
	if goroutines >= 1000 {
		return 2 * 420 * time.Second
	}
	return 10 * 420 * time.Second
}

func sleepsOf(goroutines int) (n int) {
	for i := range goroutines {
		n += int(span(goroutines) / pause(i))
	}
	return n
}

// due returns how many goroutines wake at a second, and how many of them will
// sleep again: clockwork and quartz do not tell, so their drivers must know.
func due(goroutines int, at time.Duration) (wake, again int) {
	for i := range goroutines {
		if at%pause(i) == 0 {
			wake++
		}
	}
	if at < span(goroutines) {
		again = wake
	}
	return wake, again
}

func auto(cfg fakeclock.Config) world {
	cfg.Mode = fakeclock.Auto
	return func(_ *testing.T, _ int) int {
		clk := fakeclock.New(cfg)
		n := sleepsOf(1)
		for range n {
			clk.Sleep(pause(0))
		}
		return n
	}
}

func autoSelect(_ *testing.T, _ int) int {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithCancel(context.Background(), clk)
	defer cancel()
	n := sleepsOf(1)
	for range n {
		selectOn(ctx, clk)
	}
	return n
}

// selectOn is the wait of a retry loop.
func selectOn(ctx context.Context, clk clockwork.Clock) {
	t := clk.NewTimer(pause(0))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.Chan():
	}
}

func run(cfg fakeclock.Config) world {
	return func(t *testing.T, goroutines int) int {
		err := fakeclock.Run(cfg, func(clk *fakeclock.Clock) error {
			g := clk.NewGroup()
			for i := range goroutines {
				g.Go("sleeper", func(clk *fakeclock.Clock) error {
					for range span(goroutines) / pause(i) {
						clk.Sleep(pause(i))
					}
					return nil
				})
			}
			return g.Wait()
		})
		if err != nil {
			t.Fatal(err)
		}
		return sleepsOf(goroutines)
	}
}

func inBubble(t *testing.T, goroutines int) int {
	bubble.Test(t, fakeclock.Config{TB: quiet{}}, func(t *testing.T, clk *fakeclock.Clock) {
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				for range span(goroutines) / pause(i) {
					clk.Sleep(pause(i))
				}
			})
		}
		wg.Wait()
	})
	return sleepsOf(goroutines)
}

func inSynctest(t *testing.T, goroutines int) int {
	synctest.Test(t, func(*testing.T) {
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				for range span(goroutines) / pause(i) {
					time.Sleep(pause(i))
				}
			})
		}
		wg.Wait()
	})
	return sleepsOf(goroutines)
}

func inSynctestSelect(t *testing.T, _ int) int {
	n := sleepsOf(1)
	synctest.Test(t, func(t *testing.T) {
		clk := clockwork.NewRealClock()
		for range n {
			selectOn(t.Context(), clk)
		}
	})
	return n
}

func onClockwork(wait func(context.Context, *clockwork.FakeClock, time.Duration)) world {
	return func(t *testing.T, goroutines int) int {
		fc := clockwork.NewFakeClock()
		ctx := t.Context()
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				for range span(goroutines) / pause(i) {
					wait(ctx, fc, pause(i))
				}
			})
		}
		asleep := goroutines
		for at := time.Second; at <= span(goroutines); at += time.Second {
			if err := fc.BlockUntilContext(ctx, asleep); err != nil {
				t.Fatal(err)
			}
			fc.Advance(time.Second)
			wake, again := due(goroutines, at)
			asleep += again - wake
		}
		wg.Wait()
		return sleepsOf(goroutines)
	}
}

func onQuartz(t *testing.T, goroutines int) int {
	mock := quartz.NewMock(quiet{})
	ctx := t.Context()
	if goroutines == 1 {
		n := sleepsOf(1)
		for range n {
			timer := mock.NewTimer(pause(0))
			_, w := mock.AdvanceNext()
			w.MustWait(ctx)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
		return n
	}
	trap := mock.Trap().NewTimer()
	defer trap.Close()
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for range span(goroutines) / pause(i) {
				<-mock.NewTimer(pause(i)).C
			}
		})
	}
	arming := goroutines
	for at := time.Second; at <= span(goroutines); at += time.Second {
		for range arming {
			trap.MustWait(ctx).MustRelease(ctx)
		}
		wake, again := due(goroutines, at)
		if mock.Advance(time.Second).MustWait(ctx); wake > 0 {
			arming = again
		} else {
			arming = 0
		}
	}
	wg.Wait()
	return sleepsOf(goroutines)
}

// quiet is a test that keeps nothing, so that a clock which logs or registers
// cleanups for every timer is not charged for the growth.
type quiet struct{ testing.TB }

func (quiet) Helper()             {}
func (quiet) Failed() bool        { return false }
func (quiet) Cleanup(func())      {}
func (quiet) Log(...any)          {}
func (quiet) Logf(string, ...any) {}
