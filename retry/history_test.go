package retry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

func TestHistory(t *testing.T) {
	clock := auto()
	start := clock.Now()
	first, second := transient("502"), hinted("429", 7*time.Second)
	w := newWeather(clock, first, second)
	w.took = time.Millisecond
	var all, one retry.History
	r := newRetrier(t, retry.Config{Policy: exact(3), Clock: clock, Observer: &all})
	assert.Zero(t, one.Reason())
	_, err := retry.Do(retry.WithObserver(t.Context(), &one), r, w.call)
	require.NoError(t, err)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	const s, ms = time.Second, time.Millisecond
	assert.Equal(t, []retry.AttemptRecord{
		{at(0), at(ms), first, s},
		{at(s + ms), at(s + 2*ms), second, 7 * s},
		{at(8*s + 2*ms), at(8*s + 3*ms), nil, 0},
	}, one.Attempts())
	assert.Equal(t, 8*s+3*ms, one.Elapsed())
	assert.Equal(t, retry.Succeeded, one.Reason())
	assert.Equal(t, one.Attempts(), all.Attempts(), "the retrier's observer is told as well")
}

func TestWithCallAndWithObserverGoTogether(t *testing.T) {
	for _, ctx := range []func(o retry.Observer) context.Context{
		func(o retry.Observer) context.Context { return retry.WithObserver(retry.WithCall(t.Context(), 7), o) },
		func(o retry.Observer) context.Context { return retry.WithCall(retry.WithObserver(t.Context(), o), 7) },
	} {
		var calls []uint64
		o := retry.ObserverFunc(func(e retry.Event) {
			if end, ok := e.(retry.CallEnded); ok {
				calls = append(calls, end.Call)
			}
		})
		_, err := retry.Do(ctx(o), newRetrier(t, retry.Config{}), func(context.Context) (int, error) { return 0, nil })
		require.NoError(t, err)
		assert.Equal(t, []uint64{7}, calls)
	}
}

// The observer of a call is not told of the calls below it.
func TestAnObserverIsOfOneCall(t *testing.T) {
	clock := auto()
	r := newRetrier(t, retry.Config{Policy: exact(2), Clock: clock})
	var h retry.History
	_, err := retry.Do(retry.WithObserver(t.Context(), &h), r, func(ctx context.Context) (int, error) {
		return retry.Do(ctx, r, func(context.Context) (int, error) { return 0, transient("503") })
	})
	require.Error(t, err)
	assert.Len(t, h.Attempts(), 2)
}

// An observer that ends the context starts no further attempt.
func TestAnObserverMayEndTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	clock := auto()
	w := newWeather(clock, transient("503"))
	_, err := retry.Do(ctx, newRetrier(t, retry.Config{
		Policy: exact(3), Clock: clock,
		Observer: retry.ObserverFunc(func(e retry.Event) {
			if _, ok := e.(retry.WaitEnded); ok {
				cancel()
			}
		}),
	}), w.call)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Len(t, w.starts, 1)
}

func TestCounters(t *testing.T) {
	var c retry.Counters
	clock := auto()
	call := func(l retry.Limit, ctx context.Context, errs ...error) {
		r := newRetrier(t, retry.Config{Policy: exact(3), Clock: clock, Observer: &c, Limit: l})
		_, _ = retry.Do(ctx, r, newWeather(clock, errs...).call)
	}
	busy := transient("503")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	call(nil, t.Context())
	call(nil, t.Context(), busy, hinted("429", 5*time.Second))
	call(nil, t.Context(), busy, busy, busy)
	call(nil, t.Context(), permanent("401"))
	call(nil, gone)
	call(&ledger{}, t.Context())
	got := make(map[string]int64)
	var names []string
	for name, n := range c.All() {
		got[name] = n
		names = append(names, name)
	}
	assert.Equal(t, map[string]int64{
		"retry.calls": 6, "retry.calls.succeeded": 2, "retry.calls.exhausted": 1, "retry.calls.permanent": 1,
		"retry.calls.cancelled": 1, "retry.calls.refused": 1,
		"retry.attempts": 8, "retry.retries": 4, "retry.waits.hinted": 1, "retry.wait.duration": int64(9 * time.Second),
	}, got)
	assert.Equal(t, "retry.calls", names[0])
	for range c.All() {
		break
	}
}

func ExampleHistory() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}, Clock: clock})
	if err != nil {
		panic(err)
	}
	var h retry.History
	_, err = retry.Do(retry.WithObserver(context.Background(), &h), r, func(context.Context) (int, error) {
		return 0, &statusError{code: 503}
	})
	fmt.Printf("%v (%d attempts in %v, %v)\n", err, len(h.Attempts()), h.Elapsed(), h.Reason())
	// Output: status 503 (3 attempts in 3s, last attempt)
}

func ExampleCounters() {
	var c retry.Counters
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 3}, Observer: &c})
	if err != nil {
		panic(err)
	}
	_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, &statusError{code: 503} })
	for name, n := range c.All() {
		if n > 0 {
			fmt.Println(name, n)
		}
	}
	// Output:
	// retry.calls 1
	// retry.calls.exhausted 1
	// retry.attempts 3
	// retry.retries 2
}

// An observer that logs with log/slog: a line for each retry, and one for a
// call that failed for good.
func ExampleObserver_slog() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	observer := retry.ObserverFunc(func(e retry.Event) {
		switch e := e.(type) {
		case retry.WaitStarted:
			logger.Info("retrying", "call", e.Call, "attempt", e.Attempt, "wait", e.Decision.Wait, "why", e.Decision.Reason)
		case retry.CallEnded:
			var cancelled *retry.CancelledError
			if e.Err != nil && !errors.As(e.Err, &cancelled) {
				logger.Warn("gave up", "call", e.Call, "attempts", e.Attempt, "elapsed", e.Elapsed, "err", e.Err)
			}
		}
	})
	r, err := retry.New(retry.Config{
		Policy:   retry.Policy{MaxAttempts: 2, BaseDelay: time.Second},
		Clock:    fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto}),
		Observer: observer,
	})
	if err != nil {
		panic(err)
	}
	_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, &statusError{code: 503} })
	// Output:
	// level=INFO msg=retrying call=1 attempt=1 wait=1s why=backoff
	// level=WARN msg="gave up" call=1 attempts=2 elapsed=1s err="status 503"
}
