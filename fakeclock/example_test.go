package fakeclock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/fakeclock"
)

// poll tries something every minute until its context ends.
func poll(ctx context.Context, clk clockwork.Clock) (tries int, err error) {
	for {
		tries++
		t := clk.NewTimer(time.Minute)
		select {
		case <-ctx.Done():
			t.Stop()
			return tries, ctx.Err()
		case <-t.Chan():
		}
	}
}

// A loop that waits for half an hour is tested in no time.
func Example() {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, 30*time.Minute+time.Second)
	defer cancel()
	tries, err := poll(ctx, clk)
	fmt.Println(tries, err, clk.Elapsed())
	// Output: 31 context deadline exceeded 30m1s
}

func ExampleClock_Advance() {
	clk := fakeclock.New(fakeclock.Config{})
	for _, d := range []time.Duration{3, 1, 2} {
		clk.AfterFunc(d*time.Second, func() { fmt.Println("now", clk.Elapsed()) })
	}
	clk.Advance(10 * time.Second)
	fmt.Println("end", clk.Elapsed())
	// Output:
	// now 1s
	// now 2s
	// now 3s
	// end 10s
}

func ExampleClock_AdvanceNext() {
	clk := fakeclock.New(fakeclock.Config{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		clk.Named("worker").Sleep(time.Hour)
	}()
	_ = clk.Await(context.Background(), 1, fakeclock.Match{Owner: "worker"})
	w, _ := clk.AdvanceNext()
	<-done
	fmt.Println(w.Owner, w.Kind, w.Asked())
	// Output: worker sleep 1h0m0s
}

func ExampleRun() {
	err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		for _, name := range []string{"slow", "fast"} {
			pause := map[string]time.Duration{"slow": 3 * time.Second, "fast": 2 * time.Second}[name]
			g.Go(name, func(clk *fakeclock.Clock) error {
				for range 3 {
					clk.Sleep(pause)
					fmt.Println(clk.Elapsed(), name)
				}
				return nil
			})
		}
		return g.Wait()
	})
	fmt.Println(err)
	// Output:
	// 2s fast
	// 3s slow
	// 4s fast
	// 6s slow
	// 6s fast
	// 9s slow
	// <nil>
}

// Five hundred seeds are five hundred orders in which simultaneous events may
// happen. One that breaks the program can be replayed.
func ExampleConfig_seed() {
	race := func(seed uint64) (order string) {
		_ = fakeclock.Run(fakeclock.Config{Seed: seed}, func(clk *fakeclock.Clock) error {
			g := clk.NewGroup()
			for _, name := range []string{"a", "b", "c"} {
				g.Go(name, func(clk *fakeclock.Clock) error {
					clk.Sleep(time.Second)
					order += name
					return nil
				})
			}
			return g.Wait()
		})
		return order
	}
	orders := make(map[string]bool)
	for seed := range uint64(500) {
		orders[race(seed+1)] = true
	}
	again := race(7)
	fmt.Println(race(0), len(orders), race(7) == again)
	// Output: abc 6 true
}

func ExampleGroup() {
	err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		g.Go("late", func(clk *fakeclock.Clock) error {
			clk.Sleep(time.Minute)
			return errors.New("late")
		})
		g.Go("early", func(clk *fakeclock.Clock) error {
			clk.Sleep(time.Second)
			return errors.New("early")
		})
		return g.Wait()
	})
	fmt.Println(err)
	// Output: early
}

// Two places for three clients.
func ExampleCond() {
	_ = fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		free, places := clk.NewCond("a place"), 2
		g := clk.NewGroup()
		for _, name := range []string{"a", "b", "c"} {
			g.Go(name, func(clk *fakeclock.Clock) error {
				for places == 0 {
					if err := free.Wait(context.Background()); err != nil {
						return err
					}
				}
				places--
				fmt.Println(clk.Elapsed(), name)
				clk.Sleep(time.Minute)
				places++
				free.Signal()
				return nil
			})
		}
		return g.Wait()
	})
	// Output:
	// 0s a
	// 0s b
	// 1m0s c
}

func ExampleReport() {
	err := fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		g.Go("client", func(clk *fakeclock.Clock) error {
			clk.Sleep(time.Second)
			return clk.NewCond("an answer").Wait(context.Background())
		})
		return g.Wait()
	})
	var r *fakeclock.Report
	fmt.Println(errors.As(err, &r), r.Reason == fakeclock.ErrDeadlock)
	fmt.Println(err)
	// Output:
	// true true
	// fakeclock: deadlock: all 2 goroutines are blocked and nothing is armed
	// virtual now +1s (2000-01-01T00:00:01Z), 3 events fired, 0 armed
	//   goroutine "main"         waiting  since +0s    the group of client
	//   goroutine "client"       waiting  since +1s    an answer
}

func ExamplePanic() {
	defer func() {
		p := recover().(*fakeclock.Panic)
		fmt.Println(p.Goroutine, p.Value)
	}()
	_ = fakeclock.Run(fakeclock.Config{}, func(*fakeclock.Clock) error { panic("boom") })
	// Output: main boom
}

func ExampleClock_Trace() {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Record: fakeclock.Waits})
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, 90*time.Second)
	defer cancel()
	_, _ = poll(ctx, clk)
	fmt.Print(clk.Trace())
	// Output:
	// +1m0s      -          timer        1m0s
	// +1m30s     -          ctx-deadline 1m30s
	// +1m30s     -          timer        1m0s stopped
}

func ExampleWait() {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Record: fakeclock.Waits})
	for _, d := range []time.Duration{1, 2, 4} {
		clk.Sleep(d * time.Second)
	}
	for _, w := range clk.Waits() {
		fmt.Println(w.Kind, w.Asked(), w.Outcome)
	}
	// Output:
	// sleep 1s fired
	// sleep 2s fired
	// sleep 4s fired
}

func ExampleMatch() {
	fmt.Println(fakeclock.Match{})
	fmt.Println(fakeclock.Match{Kind: fakeclock.KindSleep, Owner: "worker"})
	// Output:
	// waits
	// sleep waits of "worker"
}

func ExampleDeterministic() {
	weights := map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7, "h": 8}
	err := errors.New("not yet")
	for i := 0; i < 100 && (i == 0 || err == nil); i++ { // a map may keep its order for once
		err = fakeclock.Deterministic(fakeclock.Config{Mode: fakeclock.Auto}, func(clk *fakeclock.Clock) error {
			for _, w := range weights {
				clk.Sleep(time.Duration(w) * time.Second)
			}
			return nil
		})
	}
	line, _, _ := strings.Cut(err.Error(), ": line")
	fmt.Println(line)
	// Output: fakeclock: not deterministic (Seed: 0)
}

func ExampleMode() {
	fmt.Println(fakeclock.Manual, fakeclock.Auto, fakeclock.Follow)
	// Output: manual auto follow
}

func ExampleKind() {
	clk := fakeclock.New(fakeclock.Config{})
	clk.NewTicker(time.Second)
	fmt.Println(clk.Pending()[0].Kind == fakeclock.KindTicker)
	// Output: true
}

func ExampleOutcome() {
	clk := fakeclock.New(fakeclock.Config{Record: fakeclock.Waits})
	clk.NewTimer(time.Second).Stop()
	fmt.Println(clk.Waits()[0].Outcome)
	// Output: stopped
}

// Call sites cost more than the waits themselves, but say who armed what.
func ExampleRecording() {
	clk := fakeclock.New(fakeclock.Config{Record: fakeclock.Sites})
	clk.After(time.Minute)
	file, _, _ := strings.Cut(clk.Leaks()[0].Site, ":")
	fmt.Println(file)
	// Output: example_test.go
}

// printer is a test that has failed.
type printer struct{ cleanup func() }

func (p *printer) Failed() bool                    { return true }
func (p *printer) Logf(format string, args ...any) { fmt.Printf(format, args...) }
func (p *printer) Cleanup(f func())                { p.cleanup = f }

// What a failed test prints.
func ExampleTB() {
	t := &printer{}
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Seed: 42, TB: t})
	clk.Sleep(time.Second)
	t.cleanup() // as package testing does at the end
	// Output:
	// fakeclock: auto clock, Seed: 42
	// trace:
	// +1s        -          sleep        1s
	// dump:
	// virtual now +1s (2000-01-01T00:00:01Z), 0 events fired, 0 armed
	// order of simultaneous events drawn from Seed: 42
}

// Cancelled by a function of the clock, the sleep ends at that instant.
func ExampleSleepContext() {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithCancel(context.Background(), clk)
	clk.AfterFunc(1500*time.Millisecond, cancel)
	err := fakeclock.SleepContext(ctx, clk, time.Hour)
	fmt.Println(err, clk.Elapsed())
	// Output: context canceled 1.5s
}
