package retry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

// bounded is exact with an attempt timeout of 3 s.
func bounded(attempts int) retry.Policy {
	p := exact(attempts)
	p.AttemptTimeout = 3 * time.Second
	return p
}

// slow is an operation whose n-th call takes took[n] unless its context ends,
// and then fails with errs[n]. The call after them fails for good.
func slow(clock *fakeclock.Clock, took []time.Duration, errs []error, starts *[]time.Duration) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		n := len(*starts)
		*starts = append(*starts, clock.Elapsed())
		if n >= len(took) {
			return "", permanent("an attempt too many")
		}
		if err := fakeclock.SleepContext(ctx, clock, took[n]); err != nil {
			return "", err
		}
		return "fine", errs[n]
	}
}

func TestAnAttemptThatTimedOutIsTransient(t *testing.T) {
	holds(t, "C3")
	const s = time.Second
	busy := transient("503")
	tests := []struct {
		name   string
		took   []time.Duration
		errs   []error
		want   error
		starts []time.Duration
		end    time.Duration
	}{
		{"in time", []time.Duration{3*s - 1}, []error{nil}, nil, []time.Duration{0}, 3*s - 1},
		{"too long, then in time", []time.Duration{3*s + 1, s}, []error{nil, nil}, nil, []time.Duration{0, 4 * s}, 5 * s},
		{"the timer is disarmed in the wait", []time.Duration{2 * s, 2 * s, 2 * s}, []error{busy, busy, nil}, nil, []time.Duration{0, 3 * s, 7 * s}, 9 * s},
		{"the last attempt's error returns as it is", []time.Duration{time.Hour, time.Hour, time.Hour}, []error{nil, nil, nil}, context.Canceled, []time.Duration{0, 4 * s, 9 * s}, 12 * s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := auto()
			var starts []time.Duration
			r := newRetrier(t, retry.Config{Policy: bounded(3), Clock: clock})
			_, err := retry.Do(t.Context(), r, slow(clock, tt.took, tt.errs, &starts))
			assert.Equal(t, tt.want, err)
			assert.Equal(t, tt.starts, starts)
			assert.Equal(t, tt.end, clock.Elapsed())
		})
	}
}

// A timeout that did not fire changes nothing about an error.
func TestAnErrorInTimeKeepsItsClass(t *testing.T) {
	denied := permanent("401")
	clock := auto()
	var starts []time.Duration
	r := newRetrier(t, retry.Config{Policy: bounded(5), Clock: clock})
	errs := []error{hinted("429", 7*time.Second), denied}
	_, err := retry.Do(t.Context(), r, slow(clock, []time.Duration{0, 0}, errs, &starts))
	assert.Equal(t, denied, err)
	assert.Equal(t, []time.Duration{0, 7 * time.Second}, starts)
}

// An error that knows its class is an answer, even if it came too late.
func TestAnAnswerAfterTheTimeoutKeepsItsClass(t *testing.T) {
	denied := permanent("401")
	clock := auto()
	r := newRetrier(t, retry.Config{Policy: bounded(5), Clock: clock})
	_, err := retry.Do(t.Context(), r, func(context.Context) (int, error) {
		clock.Sleep(time.Hour)
		return 0, denied
	})
	assert.Equal(t, denied, err)
	assert.Equal(t, time.Hour, clock.Elapsed(), "no second attempt")
}

// rest is an error that leaves something behind.
type rest struct {
	classed
	log     *[]string
	release func()
}

func (r *rest) Hold(release func()) { r.release = release; *r.log = append(*r.log, "hold "+r.text) }
func (r *rest) Discard() {
	*r.log = append(*r.log, "discard "+r.text)
	if r.release != nil {
		r.release()
	}
}

func TestWhatAReplacedAttemptLeftBehindIsDiscarded(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Minute} {
		t.Run(timeout.String(), func(t *testing.T) {
			var log []string
			var contexts []context.Context
			clock := auto()
			policy := exact(3)
			policy.AttemptTimeout = timeout
			r := newRetrier(t, retry.Config{Policy: policy, Clock: clock})
			_, err := retry.Do(t.Context(), r, func(ctx context.Context) (int, error) {
				contexts = append(contexts, ctx)
				text := fmt.Sprint(len(contexts), " at ", clock.Elapsed())
				log = append(log, text)
				return 0, &rest{classed: classed{text, retry.Transient()}, log: &log}
			})
			var last *rest
			require.ErrorAs(t, err, &last)
			if timeout == 0 {
				assert.Equal(t, []string{"1 at 0s", "discard 1 at 0s", "2 at 1s", "discard 2 at 1s", "3 at 3s"}, log)
				return
			}
			assert.Equal(t, []string{
				"1 at 0s", "hold 1 at 0s", "discard 1 at 0s", "2 at 1s", "hold 2 at 1s", "discard 2 at 1s", "3 at 3s", "hold 3 at 3s",
			}, log)
			assert.Error(t, contexts[0].Err())
			assert.NoError(t, contexts[2].Err(), "the last one lives until its receiver is done")
			last.release()
			assert.Error(t, contexts[2].Err())
		})
	}
}

// When the caller's context has ended too, the timeout explains nothing.
func TestATimeoutAfterTheCallersEndIsNone(t *testing.T) {
	clock := auto()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	r := newRetrier(t, retry.Config{Policy: bounded(3), Clock: clock})
	_, err := retry.Do(ctx, r, func(attempt context.Context) (int, error) {
		calls++
		clock.Sleep(time.Hour)
		cancel()
		return 0, context.Cause(attempt)
	})
	assert.Equal(t, context.DeadlineExceeded, err, "the inner error, unclassified and so permanent")
	assert.Equal(t, 1, calls)
}

// A cancel of the caller's is not a timeout, even with one running.
func TestTheCallersCancelIsNoTimeout(t *testing.T) {
	clock := auto()
	ctx, cancel := fakeclock.WithCancel(t.Context(), clock)
	defer clock.AfterFunc(2*time.Second, cancel).Stop()
	var starts []time.Duration
	r := newRetrier(t, retry.Config{Policy: bounded(3), Clock: clock})
	_, err := retry.Do(ctx, r, slow(clock, []time.Duration{time.Hour}, []error{nil}, &starts))
	assert.Equal(t, context.Canceled, err, "an unclassified error is permanent")
	assert.Equal(t, 2*time.Second, clock.Elapsed())
}

// watchedStream knows the context it was opened with.
type watchedStream struct {
	emptyStream
	ctx context.Context
}

func TestABoundedStreamKeepsItsContextUntilItsEnd(t *testing.T) {
	holds(t, "C9")
	open := func(t *testing.T) (retry.Stream, *watchedStream, *fakeclock.Clock) {
		clock := auto()
		inner := &watchedStream{}
		m, err := retry.NewModel(stub(func(ctx context.Context, _ retry.ChatRequest) (retry.Stream, error) {
			inner.ctx = ctx
			return inner, nil
		}), retry.Config{Policy: bounded(3), Clock: clock})
		require.NoError(t, err)
		s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
		require.NoError(t, err)
		clock.Sleep(time.Hour)
		require.NoError(t, inner.ctx.Err(), "the timeout bounds the opening only")
		return s, inner, clock
	}
	t.Run("released by the end", func(t *testing.T) {
		s, inner, _ := open(t)
		_, _ = s.Recv()
		assert.Equal(t, context.Canceled, inner.ctx.Err())
		assert.Equal(t, context.Canceled, context.Cause(inner.ctx), "not by the timeout")
	})
	t.Run("released by Close", func(t *testing.T) {
		s, inner, _ := open(t)
		require.NoError(t, s.Close())
		assert.Equal(t, context.Canceled, inner.ctx.Err())
		assert.Equal(t, 1, inner.closed)
	})
}

func TestDoReleasesTheAttemptsContext(t *testing.T) {
	var seen []context.Context
	r := newRetrier(t, retry.Config{Policy: bounded(2), Clock: auto()})
	_, err := retry.Do(t.Context(), r, func(ctx context.Context) (int, error) {
		seen = append(seen, ctx)
		if len(seen) == 1 {
			return 0, transient("503")
		}
		return 1, nil
	})
	require.NoError(t, err)
	for _, ctx := range seen {
		assert.Error(t, ctx.Err())
	}
}
