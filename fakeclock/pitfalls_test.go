package fakeclock_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/fakeclock/bubble"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file, or writes the file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "run go test ./fakeclock -update if this is what you want")
}

// A pitfall is something that code under test, or the test, stumbles over on the
// fake clock of clockwork v0.5.0. If fault fails, clockwork has been repaired and
// the row has to go.
type pitfall struct {
	name   string
	theirs string // what clockwork does
	cure   string // what this package does
	modes  string // in which modes
	fault  func(t *testing.T)
	cured  func(t *testing.T, w world)
}

// world is a clock of this package in one mode.
type world struct {
	mode string
	*fakeclock.Clock
}

// pass lets time pass.
func (w world) pass(d time.Duration) {
	if w.mode == "manual" {
		w.Advance(d)
	} else {
		w.Sleep(d)
	}
}

// inModes calls f with a new clock in each mode.
func inModes(t *testing.T, modes string, f func(t *testing.T, w world)) {
	if modes == "all" {
		modes = "manual, auto, run, bubble"
	}
	for mode := range strings.SplitSeq(modes, ", ") {
		t.Run(mode, func(t *testing.T) {
			cfg := fakeclock.Config{Record: fakeclock.Waits, BusyLoop: -1}
			switch mode {
			case "auto":
				cfg.Mode = fakeclock.Auto
				fallthrough
			case "manual":
				f(t, world{mode, fakeclock.New(cfg)})
			case "run":
				require.NoError(t, fakeclock.Run(cfg, func(clk *fakeclock.Clock) error { f(t, world{mode, clk}); return nil }))
			case "bubble":
				bubble.Test(t, cfg, func(t *testing.T, clk *fakeclock.Clock) { f(t, world{mode, clk}) })
			}
		})
	}
}

var year2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func theirs() *clockwork.FakeClock { return clockwork.NewFakeClockAt(year2000) }

// waiters reports whether clockwork counts at least n waiters.
func waiters(fc *clockwork.FakeClock, n int) bool {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	return fc.BlockUntilContext(over, n) == nil
}

// wrapped is a clock of another type, such as one that counts its calls.
type wrapped struct{ clockwork.Clock }

var pitfalls = []pitfall{
	{
		name:   "`ctx.Err()` of a live context",
		theirs: "blocks until the context ends, so a loop that begins with a check of the context hangs",
		cure:   "returns nil at once",
		modes:  "all",
		fault: func(t *testing.T) {
			ctx, cancel := clockwork.WithTimeout(context.Background(), theirs(), time.Hour)
			answered := make(chan struct{})
			go func() { _ = ctx.Err(); close(answered) }()
			select {
			case <-answered:
				assert.Fail(t, "Err returned")
			case <-time.After(50 * time.Millisecond): // real: that it never returns can only be waited for
			}
			cancel()
			<-answered
		},
		cured: func(t *testing.T, w world) {
			ctx, cancel := fakeclock.WithTimeout(context.Background(), w.Clock, time.Hour)
			defer cancel()
			assert.NoError(t, ctx.Err())
		},
	},
	{
		name:   "`cancel()`",
		theirs: "leaves the timer of the context armed, and the timer counts as a sleeper",
		cure:   "disarms it; Await counts contexts only if asked to",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			_, cancel := clockwork.WithTimeout(context.Background(), fc, time.Hour)
			cancel()
			assert.True(t, waiters(fc, 1))
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			_, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Hour)
			assert.Len(t, clk.Pending(), 1)
			cancel()
			assert.Empty(t, clk.Pending())
		},
	},
	{
		name:   "the end of a context",
		theirs: "comes some time after the clock was moved, through a goroutine for each context",
		cure:   "comes before the clock moves on, that of standard children included, without a goroutine",
		modes:  "all",
		fault: func(t *testing.T) {
			late := 0
			for range 100 {
				fc := theirs()
				ctx, cancel := clockwork.WithTimeout(context.Background(), fc, time.Second)
				fc.Advance(time.Second)
				select {
				case <-ctx.Done():
				default:
					late++
				}
				cancel()
				<-ctx.Done()
			}
			t.Logf("clockwork: not done after Advance: %d of 100", late)
			assert.Positive(t, late)
		},
		cured: func(t *testing.T, w world) {
			for range 100 {
				clk := w.Clock
				before := runtime.NumGoroutine()
				ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
				child, stop := context.WithCancel(ctx)
				w.pass(time.Second)
				for _, c := range []context.Context{ctx, child} {
					select {
					case <-c.Done():
					default:
						assert.Fail(t, "not done after Advance")
					}
				}
				if w.mode != "bubble" { // where time itself needs goroutines
					assertGoroutines(t, before)
				}
				stop()
				cancel()
			}
		},
	},
	{
		name:   "the error at a deadline",
		theirs: "is a wrapper, so `err == context.DeadlineExceeded` is false and it has no `Timeout` method",
		cure:   "is context.DeadlineExceeded itself",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			ctx, cancel := clockwork.WithTimeout(context.Background(), fc, time.Second)
			defer cancel()
			fc.Advance(time.Second)
			<-ctx.Done()
			assert.False(t, ctx.Err() == context.DeadlineExceeded)
			_, timeout := ctx.Err().(interface{ Timeout() bool })
			assert.False(t, timeout)
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
			defer cancel()
			child, stop := context.WithCancel(ctx)
			defer stop()
			w.pass(time.Second)
			assert.True(t, ctx.Err() == context.DeadlineExceeded)
			assert.True(t, child.Err() == context.DeadlineExceeded)
			assert.True(t, context.Cause(child) == context.DeadlineExceeded)
		},
	},
	{
		name:   "`WithTimeout` on a clock that wraps the fake",
		theirs: "uses the wall clock without a word",
		cure:   "uses the clock, whatever its type",
		modes:  "all",
		fault: func(t *testing.T) {
			ctx, cancel := clockwork.WithTimeout(context.Background(), wrapped{theirs()}, time.Hour)
			defer cancel()
			d, _ := ctx.Deadline()
			assert.Greater(t, d.Year(), 2000)
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			ctx, cancel := fakeclock.WithTimeout(context.Background(), wrapped{clk}, time.Hour)
			defer cancel()
			d, _ := ctx.Deadline()
			assert.Equal(t, year2000.Add(time.Hour), d)
			w.pass(time.Hour)
			assert.Equal(t, context.DeadlineExceeded, ctx.Err())
		},
	},
	{
		name:   "the deadline of a child",
		theirs: "is its own even if the parent's is earlier",
		cure:   "is the earlier of the two",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			parent, cancel := clockwork.WithTimeout(context.Background(), fc, time.Second)
			defer cancel()
			child, stop := clockwork.WithTimeout(parent, fc, time.Hour)
			defer stop()
			d, _ := child.Deadline()
			assert.Equal(t, year2000.Add(time.Hour), d)
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			parent, cancel := fakeclock.WithTimeout(context.Background(), clk, time.Second)
			defer cancel()
			child, stop := fakeclock.WithTimeout(parent, clk, time.Hour)
			defer stop()
			d, _ := child.Deadline()
			assert.Equal(t, year2000.Add(time.Second), d)
			assert.Len(t, clk.Pending(), 1)
		},
	},
	{
		name:   "timers of one instant",
		theirs: "fire in an order that an unstable sort left, from 13 timers on",
		cure:   "fire by owner, then in the order they were armed; or in the order of a seed",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			place := make(map[uintptr]int)
			for i := range 13 {
				tm := fc.NewTimer(time.Duration(1+i%2) * time.Second)
				place[reflect.ValueOf(tm).Pointer()] = i
			}
			queue := reflect.ValueOf(fc).Elem().FieldByName("waiters")
			var order []int
			for i := range queue.Len() {
				order = append(order, place[queue.Index(i).Elem().Pointer()])
			}
			t.Logf("clockwork will fire: %v", order)
			assert.NotEqual(t, []int{0, 2, 4, 6, 8, 10, 12, 1, 3, 5, 7, 9, 11}, order)
		},
		cured: func(t *testing.T, w world) {
			thirteen := func(w world) (order []int) {
				for i := range 13 {
					w.AfterFunc(time.Duration(1+i%2)*time.Second, func() { order = append(order, i) })
				}
				w.pass(3 * time.Second)
				return order
			}
			inOrder := []int{0, 2, 4, 6, 8, 10, 12, 1, 3, 5, 7, 9, 11}
			assert.Equal(t, inOrder, thirteen(w))
			seeded := thirteen(world{"manual", fakeclock.New(fakeclock.Config{Seed: 1})})
			t.Logf("Seed 1: %v", seeded)
			assert.NotEqual(t, inOrder, seeded)
		},
	},
	{
		name:   "goroutines that wake at one instant",
		theirs: "run in the order of the Go scheduler",
		cure:   "run one after the other, in a fixed order or in that of a seed",
		modes:  "run, bubble",
		fault: func(t *testing.T) {
			orders := make(map[string]int)
			for range 200 {
				orders[sixSleepers()]++
			}
			t.Logf("clockwork: %d orders in 200 runs on %d processors", len(orders), runtime.GOMAXPROCS(0))
		},
		cured: func(t *testing.T, w world) {
			orders := make(map[string]int)
			if w.mode == "bubble" {
				return // where TestSimultaneous of package bubble shows it
			}
			for range 200 {
				orders[sixCoroutines(t, 0)]++
			}
			assert.Equal(t, map[string]int{"012345": 200}, orders)
			for seed := range uint64(200) {
				orders[sixCoroutines(t, seed+1)]++
			}
			t.Logf("fakeclock: 1 order in 200 runs, %d orders from 200 seeds", len(orders))
			assert.Greater(t, len(orders), 100)
		},
	},
	{
		name:   "`Now()` in a function armed with `AfterFunc`",
		theirs: "is the end of the Advance, and functions of different deadlines run in any order",
		cure:   "is the deadline, and they run in order",
		modes:  "manual, auto, run",
		fault: func(t *testing.T) {
			fc := theirs()
			saw := make(chan time.Time, 3)
			for i := range 3 {
				fc.AfterFunc(time.Duration(i+1)*time.Second, func() { saw <- fc.Now() })
			}
			fc.Advance(10 * time.Second)
			for range 3 {
				assert.Equal(t, year2000.Add(10*time.Second), <-saw)
			}
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			var saw []time.Duration
			for i := range 3 {
				clk.AfterFunc(time.Duration(i+1)*time.Second, func() { saw = append(saw, clk.Elapsed()) })
			}
			w.pass(10 * time.Second)
			assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, saw)
		},
	},
	{
		name:   "one Advance of 3s over a loop of three sleeps of 1s",
		theirs: "wakes the loop once, at 3s, and the loop ends at 5s",
		cure:   "each event is settled before the next, so the loop ends at 3s",
		modes:  "auto, run, bubble",
		fault: func(t *testing.T) {
			fc := theirs()
			var woke atomic.Int32
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 3 {
					fc.Sleep(time.Second)
					woke.Add(1)
				}
			}()
			require.NoError(t, fc.BlockUntilContext(t.Context(), 1))
			fc.Advance(3 * time.Second)
			require.NoError(t, fc.BlockUntilContext(t.Context(), 1))
			assert.EqualValues(t, 1, woke.Load())
			fc.Advance(time.Second)
			require.NoError(t, fc.BlockUntilContext(t.Context(), 1))
			fc.Advance(time.Second)
			<-done
			assert.Equal(t, year2000.Add(5*time.Second), fc.Now())
		},
		cured: func(t *testing.T, w world) {
			var woke []time.Duration
			loop := func(clk *fakeclock.Clock) error {
				for range 3 {
					clk.Sleep(time.Second)
					woke = append(woke, clk.Elapsed())
				}
				return nil
			}
			switch w.mode {
			case "auto":
				_ = loop(w.Clock)
			case "run":
				g := w.NewGroup()
				g.Go("loop", loop)
				w.Sleep(3 * time.Second)
				require.NoError(t, g.Wait())
			case "bubble":
				var wg sync.WaitGroup
				wg.Go(func() { _ = loop(w.Clock) })
				w.Sleep(3 * time.Second)
				wg.Wait()
			}
			assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, woke)
		},
	},
	{
		name:   "ten ticks in one Advance",
		theirs: "deliver one, as the real ticker would",
		cure:   "the same; the trace shows those dropped",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			tk := fc.NewTicker(time.Second)
			fc.Advance(10 * time.Second)
			assert.Len(t, tk.Chan(), 1)
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			tk := clk.NewTicker(time.Second)
			w.pass(10*time.Second + time.Millisecond)
			assert.Len(t, tk.Chan(), 1)
			assert.Equal(t, 9, strings.Count(clk.Trace(), "dropped"))
		},
	},
	{
		name:   "`Ticker.Reset`",
		theirs: "arms the ticker twice, so it ticks after Stop; a period of zero is accepted",
		cure:   "arms it once; a period of zero panics, as in package time",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			tk := fc.NewTicker(time.Second)
			tk.Reset(time.Second)
			assert.True(t, waiters(fc, 2))
			tk.Stop()
			fc.Advance(time.Second)
			assert.Len(t, tk.Chan(), 1, "ticks after Stop")
			assert.NotPanics(t, func() { theirs().NewTicker(1).Reset(0) })
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			tk := clk.NewTicker(time.Second)
			tk.Reset(time.Second)
			assert.Len(t, clk.Pending(), 1)
			tk.Stop()
			w.pass(time.Second)
			assert.Empty(t, tk.Chan())
			assert.Panics(t, func() { tk.Reset(0) })
		},
	},
	{
		name:   "`Stop` and `Reset` of a timer that has fired",
		theirs: "leave the stale value in the channel",
		cure:   "take it back, as package time does since Go 1.23",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			tm := fc.NewTimer(time.Second)
			fc.Advance(time.Second)
			tm.Reset(10 * time.Second)
			assert.Len(t, tm.Chan(), 1)
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			tm := clk.NewTimer(time.Second)
			w.pass(time.Second)
			tm.Reset(10 * time.Second)
			if w.mode == "manual" {
				assert.Empty(t, tm.Chan())
				w.Advance(10 * time.Second)
			}
			assert.Equal(t, year2000.Add(11*time.Second), (<-tm.Chan()).UTC())
		},
	},
	{
		name:   "a channel of `After` that nobody reads",
		theirs: "stays armed and cannot be found; Advance(-1h) goes back in time; each registration sorts all",
		cure:   "Leaks lists it; a negative Advance panics; arming is O(log n)",
		modes:  "all",
		fault: func(t *testing.T) {
			fc := theirs()
			fc.After(time.Hour)
			assert.True(t, waiters(fc, 1))
			fc.Advance(-time.Hour)
			assert.Equal(t, year2000.Add(-time.Hour), fc.Now())
		},
		cured: func(t *testing.T, w world) {
			clk := w.Clock
			clk.After(time.Hour)
			require.Len(t, clk.Leaks(), 1)
			assert.Equal(t, fakeclock.KindAfter, clk.Leaks()[0].Kind)
			assert.Panics(t, func() { clk.Advance(-time.Hour) })
			for i := range 20_000 { // 6 s on clockwork
				clk.NewTimer(time.Duration(30_000-i) * time.Second)
			}
		},
	},
	{
		name:   "the race detector",
		theirs: "finds nothing when many goroutines use the clock",
		cure:   "the same",
		modes:  "manual, auto",
		fault: func(t *testing.T) {
			fc := theirs()
			hammer(fc, fc.Advance, func(ctx context.Context) context.CancelFunc {
				_, cancel := clockwork.WithTimeout(ctx, fc, time.Second)
				return cancel
			})
		},
		cured: func(t *testing.T, w world) {
			hammer(w, w.Advance, func(ctx context.Context) context.CancelFunc {
				ctx, cancel := fakeclock.WithTimeout(ctx, w.Clock, time.Second)
				_ = ctx.Err()
				_ = w.Dump()
				return cancel
			})
		},
	},
}

func TestPitfalls(t *testing.T) {
	for i, p := range pitfalls {
		t.Run(fmt.Sprintf("%d %s", i+1, p.name), func(t *testing.T) {
			t.Run("clockwork", p.fault)
			inModes(t, p.modes, p.cured)
		})
	}
}

func TestPitfallsFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Pitfalls of fake time, and what cures them\n\n" +
		"Each row is a test: `go test ./fakeclock -run TestPitfalls -v` shows the fault on clockwork v0.5.0 and its absence here.\n\n" +
		"| # | what | clockwork v0.5.0 | fakeclock | modes |\n|---|---|---|---|---|\n")
	for i, p := range pitfalls {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", i+1, p.name, p.theirs, p.cure, p.modes)
	}
	golden(t, "PITFALLS.md", b.String())
}

// sixSleepers returns the order in which six sleepers on clockwork's clock wake.
func sixSleepers() string {
	fc := theirs()
	var mu sync.Mutex
	var order []byte
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			fc.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, byte('0'+i))
		})
	}
	_ = fc.BlockUntilContext(context.Background(), 6)
	fc.Advance(time.Second)
	wg.Wait()
	return string(order)
}

func sixCoroutines(t *testing.T, seed uint64) string {
	var order []byte
	require.NoError(t, fakeclock.Run(fakeclock.Config{Seed: seed}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		for i := range 6 {
			g.Go("sleeper", func(clk *fakeclock.Clock) error {
				clk.Sleep(time.Second)
				order = append(order, byte('0'+i))
				return nil
			})
		}
		return g.Wait()
	}))
	return string(order)
}

// hammer uses everything at once.
func hammer(clk clockwork.Clock, advance func(time.Duration), withTimeout func(context.Context) context.CancelFunc) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				tm := clk.NewTimer(time.Duration(i) * time.Second)
				tk := clk.NewTicker(time.Second)
				cancel := withTimeout(context.Background())
				clk.AfterFunc(time.Second, func() { clk.Now() })
				advance(time.Second)
				tm.Reset(time.Second)
				tm.Stop()
				tk.Stop()
				cancel()
			}
		})
	}
	wg.Wait()
}
