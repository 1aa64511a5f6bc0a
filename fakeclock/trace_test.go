package fakeclock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
)

// everyKind waits in every way, with every outcome.
func everyKind(clk *fakeclock.Clock) {
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clk, 4*time.Second)
	defer cancel()
	clk.Sleep(time.Second)
	clk.Sleep(-time.Second)
	tm := clk.Named("timer").NewTimer(time.Minute)
	tm.Reset(time.Second)
	tm.Stop()
	<-clk.After(500 * time.Millisecond)
	tk := clk.Named("ticker").NewTicker(time.Second)
	clk.AfterFunc(time.Second, func() {})
	_ = fakeclock.SleepContext(ctx, clk, time.Hour)
	tk.Stop()
	clk.AfterFunc(time.Hour, func() {})
}

func TestTrace(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Record: fakeclock.Waits})
	everyKind(clk)
	golden(t, "testdata/trace.txt", clk.Trace())
	ws := clk.Waits()
	for i, w := range ws {
		assert.Equal(t, i+1, w.N)
		assert.Empty(t, w.Site)
		if w.Outcome == fakeclock.Fired {
			assert.Equal(t, max(w.Asked(), 0), w.Ended-w.Armed)
		}
	}
	again := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Record: fakeclock.Waits})
	assert.NotEqual(t, clk.Digest(), again.Digest())
	everyKind(again)
	assert.Equal(t, clk.Digest(), again.Digest())
	assert.Len(t, clk.Digest(), 16)
}

func TestTraceWithSites(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Record: fakeclock.Sites})
	everyKind(clk)
	for _, w := range clk.Waits() {
		assert.Regexp(t, `^trace_test\.go:\d+$`, w.Site)
	}
	assert.Contains(t, clk.Trace(), " at trace_test.go:")
	assert.Contains(t, clk.Dump(), "until +1h0m4s (in 1h0m0s, armed +4s) trace_test.go:")
}

func TestNoRecord(t *testing.T) {
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	everyKind(clk)
	assert.Empty(t, clk.Trace())
	assert.Empty(t, clk.Waits())
	assert.Len(t, clk.Pending(), 1)
}

func TestDeterministic(t *testing.T) {
	for _, cfg := range []fakeclock.Config{{Mode: fakeclock.Auto}, {}, {Seed: 5}} {
		require.NoError(t, fakeclock.Deterministic(cfg, func(clk *fakeclock.Clock) error {
			everyKind(clk)
			return nil
		}))
		bad := errors.New("bad")
		assert.Equal(t, bad, fakeclock.Deterministic(cfg, func(*fakeclock.Clock) error { return bad }))

		calls := 0
		err := fakeclock.Deterministic(cfg, func(clk *fakeclock.Clock) error {
			calls++
			clk.Sleep(time.Second)
			clk.Sleep(time.Duration(calls) * time.Second)
			return nil
		})
		owner := "-   "
		if cfg.Mode != fakeclock.Auto {
			owner = "main"
		}
		assert.EqualError(t, err, fmt.Sprintf(`fakeclock: not deterministic (Seed: %d): line 2 of the trace differs
  before: +1s        %s       sleep        1s
  first:  +2s        %s       sleep        1s
  second: +3s        %s       sleep        2s`, cfg.Seed, owner, owner, owner))

		calls = 0
		err = fakeclock.Deterministic(cfg, func(clk *fakeclock.Clock) error {
			if calls++; calls == 2 {
				clk.Sleep(time.Second)
			}
			return nil
		})
		assert.ErrorContains(t, err, "line 1 of the trace differs\n  before: (start)\n  first:  (end)\n  second: +1s ")
	}
}

// failing is a test that has failed.
type failing struct {
	failed  bool
	log     strings.Builder
	cleanup func()
}

func (f *failing) Failed() bool                    { return f.failed }
func (f *failing) Logf(format string, args ...any) { fmt.Fprintf(&f.log, format, args...) }
func (f *failing) Cleanup(c func())                { f.cleanup = c }

func TestTB(t *testing.T) {
	tb := &failing{}
	clk := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto, Seed: 42, TB: tb})
	clk.Sleep(time.Second)
	clk.NewTimer(time.Minute)
	tb.cleanup()
	assert.Empty(t, tb.log.String(), "silent when the test has passed")
	assert.Panics(t, func() { clk.Sleep(1) }, "the test is over")
	tb.failed = true
	tb.cleanup()
	assert.Equal(t, `fakeclock: auto clock, Seed: 42
trace:
+1s        -          sleep        1s
pending    -          timer        1m0s until +1m1s
dump:
virtual now +1s (2000-01-01T00:00:01Z), 0 events fired, 1 armed
order of simultaneous events drawn from Seed: 42
  #2   timer        -          until +1m1s (in 1m0s, armed +1s)
`, tb.log.String())
}

func TestNames(t *testing.T) {
	assert.Equal(t, "ctx-deadline", fakeclock.KindDeadline.String())
	assert.Equal(t, "Kind(99)", fakeclock.Kind(99).String())
	assert.Equal(t, "rearmed", fakeclock.Rearmed.String())
	assert.Equal(t, "Outcome(99)", fakeclock.Outcome(99).String())
	assert.Equal(t, "follow", fakeclock.Follow.String())
}

// Long lists are cut.
func TestLongDump(t *testing.T) {
	require.NoError(t, fakeclock.Run(fakeclock.Config{}, func(clk *fakeclock.Clock) error {
		g := clk.NewGroup()
		for range 60 {
			g.Go("g", func(clk *fakeclock.Clock) error { clk.Sleep(time.Minute); return nil })
		}
		clk.Sleep(time.Second)
		assert.Contains(t, clk.Dump(), "  ... and 11 more goroutines\n")
		assert.Contains(t, clk.Dump(), "  ... and 10 more\n")
		assert.Contains(t, clk.Dump(), `goroutine "g#2"          sleeping since +0s`)
		return g.Wait()
	}))
}
