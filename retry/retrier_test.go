package retry_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

// weather is an operation that meets the given errors, one a call, and then
// succeeds. It notes when it was called.
type weather struct {
	clock  clockwork.Clock
	start  time.Time
	errs   []error
	took   time.Duration // of each call
	starts []time.Duration
}

func newWeather(clock clockwork.Clock, errs ...error) *weather {
	return &weather{clock: clock, start: clock.Now(), errs: errs}
}

func (w *weather) call(context.Context) (string, error) {
	n := len(w.starts)
	w.starts = append(w.starts, w.clock.Since(w.start))
	w.clock.Sleep(w.took)
	if n < len(w.errs) {
		return "partial", w.errs[n]
	}
	return "fine", nil
}

func auto() *fakeclock.Clock { return fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto}) }

func newRetrier(t testing.TB, c retry.Config) *retry.Retrier {
	t.Helper()
	r, err := retry.New(c)
	require.NoError(t, err)
	return r
}

// exact is a policy without jitter, for schedules that are exact.
func exact(attempts int) retry.Policy {
	return retry.Policy{MaxAttempts: attempts, BaseDelay: time.Second, MaxDelay: 4 * time.Second}
}

func repeat(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func TestDoKeepsToTheSchedule(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	busy, denied := transient("503"), permanent("401")
	tests := []struct {
		name   string
		policy retry.Policy
		took   time.Duration
		errs   []error
		want   error
		starts []time.Duration
		end    time.Duration
	}{
		{"first attempt succeeds", exact(3), 0, nil, nil, []time.Duration{0}, 0},
		{"second attempt succeeds", exact(3), 0, []error{busy}, nil, []time.Duration{0, 1 * s}, 1 * s},
		{"C6: backoff doubles up to the cap", exact(6), 0, repeat(5, busy), nil, []time.Duration{0, 1 * s, 3 * s, 7 * s, 11 * s, 15 * s}, 15 * s},
		{"waits begin when the attempt ends", exact(3), 100 * ms, repeat(2, busy), nil, []time.Duration{0, 1100 * ms, 3200 * ms}, 3300 * ms},
		{"C2: the last error returns at once", exact(3), 0, repeat(9, busy), busy, []time.Duration{0, 1 * s, 3 * s}, 3 * s},
		{"C1: one attempt", exact(1), 0, repeat(9, busy), busy, []time.Duration{0}, 0},
		{"C1: no attempts act as one", exact(0), 0, repeat(9, busy), busy, []time.Duration{0}, 0},
		{"C1: fewer act as one", exact(math.MinInt), 0, repeat(9, busy), busy, []time.Duration{0}, 0},
		{"C1: the zero policy makes one call", retry.Policy{}, 0, repeat(9, busy), busy, []time.Duration{0}, 0},
		{"C3: a permanent error returns at once", exact(5), 0, []error{busy, denied, busy}, denied, []time.Duration{0, 1 * s}, 1 * s},
		{"C5: a hint replaces the backoff of its wait only", exact(4), 0, []error{busy, hinted("429", 50*ms), busy}, nil, []time.Duration{0, 1 * s, 1050 * ms, 5050 * ms}, 5050 * ms},
		{"C5: no cap cuts a hint", exact(3), 0, []error{hinted("429", time.Hour)}, nil, []time.Duration{0, time.Hour}, time.Hour},
		{"C5: a zero hint means at once", exact(3), 0, repeat(2, hinted("429", 0)), nil, []time.Duration{0, 0, 0}, 0},
		{"C3: a wrapped error keeps its class", exact(3), 0, []error{fmt.Errorf("chat: %w", busy)}, nil, []time.Duration{0, 1 * s}, 1 * s},
		{"C6: no cap", retry.Policy{MaxAttempts: 8, BaseDelay: s}, 0, repeat(7, busy), nil, []time.Duration{0, 1 * s, 3 * s, 7 * s, 15 * s, 31 * s, 63 * s, 127 * s}, 127 * s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := &timerCount{Clock: auto()}
			w := newWeather(clock, tt.errs...)
			w.took = tt.took
			got, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: tt.policy, Clock: clock}), w.call)
			assert.Equal(t, tt.starts, w.starts)
			assert.Equal(t, tt.end, clock.Since(w.start), "time of return")
			assert.True(t, err == tt.want, "the error is the last one, the same value: %v", err)
			if tt.want == nil {
				assert.Equal(t, "fine", got)
			} else {
				assert.Empty(t, got, "the zero value comes with an error")
			}
			assert.Zero(t, clock.live, "timers left")
		})
	}
}

// timerCount counts the timers that were armed and not yet stopped.
type timerCount struct {
	clockwork.Clock
	armed, live int
}

func (c *timerCount) NewTimer(d time.Duration) clockwork.Timer {
	c.armed++
	c.live++
	return &countedTimer{c.Clock.NewTimer(d), c}
}

type countedTimer struct {
	clockwork.Timer
	count *timerCount
}

func (t *countedTimer) Stop() bool {
	t.count.live--
	return t.Timer.Stop()
}

// oneWay is a clock that waits by its timers only.
type oneWay struct {
	clockwork.Clock
	other []string // the calls that wait in another way
}

func (c *oneWay) Sleep(d time.Duration) { c.other = append(c.other, fmt.Sprint("Sleep ", d)) }
func (c *oneWay) After(d time.Duration) <-chan time.Time {
	c.other = append(c.other, fmt.Sprint("After ", d))
	return c.Clock.After(d)
}
func (c *oneWay) NewTicker(d time.Duration) clockwork.Ticker {
	c.other = append(c.other, fmt.Sprint("NewTicker ", d))
	return c.Clock.NewTicker(d)
}

func TestEachWaitIsATimerOfTheGivenClock(t *testing.T) {
	holds(t, "C12")
	clock := &oneWay{Clock: auto()}
	counted := &timerCount{Clock: clock}
	w := newWeather(auto(), transient("503"), hinted("429", 0), hinted("429", time.Hour), transient("503"))
	_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: exact(5), Clock: counted}), w.call)
	require.NoError(t, err)
	assert.Equal(t, 3, counted.armed, "one for each wait but the zero one")
	assert.Empty(t, clock.other)
}

func TestAZeroWaitArmsNoTimer(t *testing.T) {
	holds(t, "C10")
	clock := &timerCount{Clock: auto()}
	w := newWeather(clock, repeat(2, hinted("429", 0))...)
	_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: exact(3), Clock: clock}), w.call)
	require.NoError(t, err)
	assert.Zero(t, clock.armed)
}

// A sleeper is a clock that can wait for a context, and perhaps will not.
type sleeper struct {
	*fakeclock.Clock
	refuses bool
	asked   []time.Duration
}

func (s *sleeper) SleepContext(ctx context.Context, d time.Duration) error {
	s.asked = append(s.asked, d)
	if s.refuses {
		return errors.New("no such context")
	}
	return s.Clock.SleepContext(ctx, d)
}

func TestAClockThatCanWaitForAContextIsAsked(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		for d, asked := range map[time.Duration][]time.Duration{
			time.Second:   {time.Second},
			math.MaxInt64: nil, // which may mean for ever there
		} {
			clock := &sleeper{Clock: auto(), refuses: refuses}
			r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 2, BaseDelay: d, Jitter: retry.JitterNone}, Clock: clock})
			require.NoError(t, err)
			_, _ = retry.Do(t.Context(), r, func(context.Context) (int, error) { return 0, transient("503") })
			assert.Equal(t, asked, clock.asked)
			assert.Equal(t, d, clock.Elapsed(), "refused: %v", refuses)
		}
	}
}

func TestUnlimitedGoesOn(t *testing.T) {
	holds(t, "C1")
	clock := auto()
	w := newWeather(clock, repeat(999, transient("503"))...)
	p := retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: time.Second, MaxDelay: time.Hour}
	_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: p, Clock: clock}), w.call)
	require.NoError(t, err)
	assert.Len(t, w.starts, 1000)
	// 1+2+4+...+2048 s, then 987 waits of an hour: forty-one days.
	assert.Equal(t, 4095*time.Second+987*time.Hour, clock.Elapsed())
}

func TestTheLastErrorIsNotClassified(t *testing.T) {
	holds(t, "C2")
	var asked []string
	r := newRetrier(t, retry.Config{
		Policy: exact(3),
		Clock:  auto(),
		Classify: func(err error) retry.Classification {
			asked = append(asked, err.Error())
			return retry.Transient()
		},
	})
	w := newWeather(auto(), errors.New("first"), errors.New("second"), errors.New("third"))
	_, err := retry.Do(t.Context(), r, w.call)
	assert.EqualError(t, err, "third")
	assert.Equal(t, []string{"first", "second"}, asked)
}

func TestNewRefusesAnInvalidPolicy(t *testing.T) {
	r, err := retry.New(retry.Config{Policy: retry.Policy{BaseDelay: -1}})
	assert.Nil(t, r)
	assert.ErrorContains(t, err, "BaseDelay")
	m, err := retry.NewModel(nil, retry.Config{Policy: retry.Policy{MaxDelay: -1}})
	assert.Nil(t, m)
	assert.ErrorContains(t, err, "MaxDelay")
}

func TestThePolicyCanBeReplaced(t *testing.T) {
	clock := auto()
	r := newRetrier(t, retry.Config{Policy: exact(7), Clock: clock})
	assert.Equal(t, exact(7), r.Policy())

	calls := 0
	_, err := retry.Do(t.Context(), r, func(context.Context) (int, error) {
		if calls++; calls == 1 {
			require.NoError(t, r.SetPolicy(exact(2)))
		}
		return 0, transient("503")
	})
	require.Error(t, err)
	assert.Equal(t, 7, calls, "a call keeps the policy it began with")

	w := newWeather(clock, repeat(9, transient("503"))...)
	_, err = retry.Do(t.Context(), r, w.call)
	require.Error(t, err)
	assert.Len(t, w.starts, 2, "the next call has the new one")

	assert.ErrorContains(t, r.SetPolicy(retry.Policy{BaseDelay: -1}), "BaseDelay")
	assert.Equal(t, exact(2), r.Policy(), "an invalid policy changes nothing")
}

func TestThePolicyCanBeReplacedWhileCallsRun(t *testing.T) {
	m, err := retry.NewModel(stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) { return &emptyStream{}, nil }), retry.Config{})
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 {
				assert.NoError(t, m.Retrier().SetPolicy(exact(i)))
				_, err := m.ChatStream(t.Context(), retry.ChatRequest{})
				assert.NoError(t, err)
			}
		})
	}
	group.Wait()
}

func TestACancelledContextStartsNoAttempt(t *testing.T) {
	holds(t, "C10")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := newWeather(auto())
	_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: exact(3), Clock: auto()}), w.call)
	assert.Empty(t, w.starts)
	assert.ErrorIs(t, err, context.Canceled)
	assert.EqualError(t, err, "retry: cancelled before the first attempt: context canceled")
}

func TestCancelInAWait(t *testing.T) {
	holds(t, "C10")
	clock := auto()
	ctx, cancel := fakeclock.WithCancel(t.Context(), clock)
	defer clock.AfterFunc(1500*time.Millisecond, cancel).Stop()
	counted := &timerCount{Clock: clock}
	first, last := transient("502"), transient("503")
	w := newWeather(counted, first, last)
	_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: exact(9), Clock: counted}), w.call)

	assert.Equal(t, []time.Duration{0, time.Second}, w.starts)
	assert.Equal(t, 1500*time.Millisecond, clock.Elapsed(), "the wait ends with the context")
	assert.Zero(t, counted.live, "timers left")
	assert.EqualError(t, err, "retry: cancelled in wait 2 after 1.5s: context canceled (last failure: 503)")
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, err, last)
	assert.NotErrorIs(t, err, first)
	var cancelled *retry.CancelledError
	require.ErrorAs(t, err, &cancelled)
	assert.Equal(t, &retry.CancelledError{
		Attempts: 2, Elapsed: 1500 * time.Millisecond, Wait: 2 * time.Second,
		Err: context.Canceled, Cause: context.Canceled, Last: last,
	}, cancelled)
}

func TestTheCauseOfACancellationIsFound(t *testing.T) {
	holds(t, "C10")
	clock := auto()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("user closed the tab")
	w := newWeather(clock, transient("503"), nil)
	_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: exact(3), Clock: clock}), func(ctx context.Context) (string, error) {
		cancel(cause)
		return w.call(ctx)
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorIs(t, err, cause)
	assert.EqualError(t, err, "retry: cancelled after attempt 1 and 0s: context canceled: user closed the tab (last failure: 503)")
	assert.Zero(t, clock.Elapsed(), "no wait begins")
}

func TestADeadlineThatComesFirstEndsTheCallWithoutTheWait(t *testing.T) {
	holds(t, "C10")
	for _, tt := range []struct {
		timeout time.Duration
		starts  int
	}{
		{3*time.Second - 1, 2}, // before the third start
		{3 * time.Second, 2},   // at the third start
		{3*time.Second + 1, 3}, // just after it
	} {
		t.Run(tt.timeout.String(), func(t *testing.T) {
			clock := &timerCount{Clock: auto()}
			ctx, cancel := fakeclock.WithTimeout(t.Context(), clock.Clock, tt.timeout)
			defer cancel()
			w := newWeather(clock, repeat(9, transient("503"))...)
			_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: exact(3), Clock: clock}), w.call)
			assert.Len(t, w.starts, tt.starts)
			assert.Equal(t, tt.starts-1, clock.armed, "no timer is armed for a wait that cannot end in time")
			if tt.starts == 3 {
				assert.Equal(t, transient("503"), err)
				return
			}
			assert.Equal(t, time.Second, clock.Since(w.start), "the call ends before the wait")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.EqualError(t, err, "retry: no time left for wait 2 of 2s after 1s: context deadline exceeded (last failure: 503)")
			var cancelled *retry.CancelledError
			require.ErrorAs(t, err, &cancelled)
			assert.Nil(t, cancelled.Cause, "the context is still alive")
		})
	}
}

// The order after a failure is: last attempt, permanent error, context.
func TestTheInnerErrorComesBeforeTheContext(t *testing.T) {
	holds(t, "C4")
	for name, err := range map[string]error{"last attempt": transient("503"), "permanent": permanent("401")} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			policy := exact(1)
			if name == "permanent" {
				policy = exact(5)
			}
			_, got := retry.Do(ctx, newRetrier(t, retry.Config{Policy: policy, Clock: auto()}), func(context.Context) (int, error) {
				cancel()
				return 1, err
			})
			assert.True(t, got == err)
		})
	}
}

func TestTheElapsedLimit(t *testing.T) {
	holds(t, "C13")
	for _, tt := range []struct {
		limit  time.Duration
		starts int
	}{
		{3*time.Second - 1, 2},
		{3 * time.Second, 3}, // a start at the limit is allowed
		{3*time.Second + 1, 3},
	} {
		t.Run(tt.limit.String(), func(t *testing.T) {
			clock := &timerCount{Clock: auto()}
			policy := exact(9)
			policy.MaxElapsed = tt.limit
			last := transient("503")
			w := newWeather(clock, repeat(9, last)...)
			_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: policy, Clock: clock}), w.call)
			assert.True(t, err == last, "a refused retry returns the last error")
			require.Len(t, w.starts, tt.starts)
			assert.Equal(t, w.starts[tt.starts-1], clock.Since(w.start), "at once")
			assert.Equal(t, tt.starts-1, clock.armed)
		})
	}
}

// Time that attempts take counts, too.
func TestTheElapsedLimitCountsAttempts(t *testing.T) {
	holds(t, "C13")
	clock := auto()
	policy := exact(9)
	policy.MaxElapsed = 5 * time.Second
	w := newWeather(clock, repeat(9, transient("503"))...)
	w.took = time.Second
	_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: policy, Clock: clock}), w.call)
	require.Error(t, err)
	assert.Equal(t, []time.Duration{0, 2 * time.Second, 5 * time.Second}, w.starts)
}

func TestTheContextComesBeforeTheElapsedLimit(t *testing.T) {
	holds(t, "C13")
	policy := exact(9)
	policy.MaxElapsed = 1
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: policy, Clock: auto()}), func(context.Context) (int, error) {
			cancel()
			return 0, transient("503")
		})
		assert.ErrorIs(t, err, context.Canceled)
	})
	t.Run("no time left", func(t *testing.T) {
		clock := auto()
		ctx, cancel := fakeclock.WithTimeout(t.Context(), clock, time.Second)
		defer cancel()
		_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: policy, Clock: clock}), func(context.Context) (int, error) {
			return 0, transient("503")
		})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestALongRetryAfterEndsTheCall(t *testing.T) {
	holds(t, "C5")
	policy := exact(9)
	policy.MaxRetryAfter, policy.LongRetryAfter = time.Minute, retry.HintGivesUp
	clock := auto()
	long := hinted("429", time.Hour)
	_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: policy, Clock: clock}), newWeather(clock, long).call)
	assert.True(t, err == long)
	assert.Zero(t, clock.Elapsed())
}

// Each decorrelated wait is drawn from the one before it.
func TestDecorrelatedWaitsFollowEachOther(t *testing.T) {
	holds(t, "C7")
	clock := auto()
	policy := retry.Policy{MaxAttempts: 9, BaseDelay: time.Second, Jitter: retry.JitterDecorrelated}
	source := func(uint64) rand.Source { return &words{math.MaxUint64, math.MaxUint64, 0, math.MaxUint64} }
	w := newWeather(clock, repeat(4, transient("503"))...)
	_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: policy, Clock: clock, Source: source}), w.call)
	require.NoError(t, err)
	const s = time.Second
	assert.Equal(t, []time.Duration{0, 3*s - 1, 12*s - 5, 13*s - 5, 16*s - 6}, w.starts)
}

func TestDecorrelatedWaitsAreCapped(t *testing.T) {
	holds(t, "C7")
	p := retry.Policy{MaxAttempts: 9, BaseDelay: time.Second, MaxDelay: 20 * time.Second, Jitter: retry.JitterDecorrelated}
	d := p.Decide(retry.Failure{Attempt: 3, Class: retry.Transient(), Previous: 19 * time.Second}, &words{math.MaxUint64})
	assert.Equal(t, retry.Decision{Reason: retry.Backoff, Wait: 20 * time.Second, Jitter: 19 * time.Second}, d)
}

func TestAttemptsGetTheCallersContext(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	_, err := retry.Do(ctx, newRetrier(t, retry.Config{}), func(got context.Context) (int, error) {
		assert.Equal(t, ctx, got)
		return 0, nil
	})
	require.NoError(t, err)
}

// waits runs one call that fails n times and returns its waits.
func waits(t testing.TB, r *retry.Retrier, clock clockwork.Clock, ctx context.Context, n int) []time.Duration {
	w := newWeather(clock, repeat(n, transient("503"))...)
	_, err := retry.Do(ctx, r, w.call)
	require.NoError(t, err)
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = w.starts[i+1] - w.starts[i]
	}
	return out
}

func TestDelaysDependOnSeedClientAndCallOnly(t *testing.T) {
	holds(t, "C11")
	policy := retry.Policy{MaxAttempts: 9, BaseDelay: time.Second, Jitter: retry.JitterAdditive}
	solo := func(seed, client, call uint64) []time.Duration {
		clock := auto()
		r := newRetrier(t, retry.Config{Policy: policy, Clock: clock, Source: retry.Seeded(seed, client)})
		return waits(t, r, clock, retry.WithCall(t.Context(), call), 4)
	}
	assert.Equal(t, solo(1, 0, 1), solo(1, 0, 1))
	assert.NotEqual(t, solo(1, 0, 1), solo(2, 0, 1))
	assert.NotEqual(t, solo(1, 0, 1), solo(1, 1, 1))
	assert.NotEqual(t, solo(1, 0, 1), solo(1, 0, 2))

	t.Run("calls are numbered from 1", func(t *testing.T) {
		clock := auto()
		r := newRetrier(t, retry.Config{Policy: policy, Clock: clock, Source: retry.Seeded(1, 0)})
		for call := range uint64(3) {
			assert.Equal(t, solo(1, 0, call+1), waits(t, r, clock, t.Context(), 4))
		}
	})
	t.Run("concurrent calls do not disturb each other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			got := make(map[uint64][]time.Duration)
			r := newRetrier(t, retry.Config{
				Policy: policy,
				Source: retry.Seeded(1, 0),
				Observer: retry.ObserverFunc(func(e retry.Event) {
					if wait, ok := e.(retry.WaitStarted); ok {
						mu.Lock()
						defer mu.Unlock()
						got[wait.Call] = append(got[wait.Call], wait.Decision.Wait)
					}
				}),
			})
			var group sync.WaitGroup
			for call := range uint64(50) {
				group.Go(func() {
					w := newWeather(clockwork.NewRealClock(), repeat(4, transient("503"))...)
					_, err := retry.Do(retry.WithCall(t.Context(), call), r, w.call)
					assert.NoError(t, err)
				})
			}
			group.Wait()
			for call := range uint64(50) {
				assert.Equal(t, solo(1, 0, call), got[call], "call %d", call)
			}
		})
	})
}

func TestAnUnseededRetrierIsUnpredictable(t *testing.T) {
	holds(t, "C11")
	policy := retry.Policy{MaxAttempts: 9, BaseDelay: time.Hour, Jitter: retry.JitterAdditive}
	draw := func() []time.Duration {
		clock := auto()
		return waits(t, newRetrier(t, retry.Config{Policy: policy, Clock: clock}), clock, t.Context(), 3)
	}
	if os.Getenv("RETRY_TEST_DRAW") != "" {
		fmt.Println(draw())
		os.Exit(0)
	}
	assert.NotEqual(t, draw(), draw(), "two retriers of one process")

	process := func() string {
		c := exec.Command(os.Args[0], "-test.run=^TestAnUnseededRetrierIsUnpredictable$")
		c.Env = append(os.Environ(), "RETRY_TEST_DRAW=1")
		out, err := c.Output()
		require.NoError(t, err)
		return string(out)
	}
	one := process()
	assert.Contains(t, one, "h", "the child prints its waits: %s", one)
	assert.NotEqual(t, one, process(), "two processes")
}

// The same loop on clockwork's own clocks: the real one inside a bubble, the
// fake one with a hand to advance it.
func TestDoOnClockworksClocks(t *testing.T) {
	holds(t, "C12")
	t.Run("real", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			clock := clockwork.NewRealClock()
			w := newWeather(clock, repeat(3, transient("503"))...)
			_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: exact(4)}), w.call)
			require.NoError(t, err)
			assert.Equal(t, []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}, w.starts)
		})
	})
	t.Run("real, cancelled in a wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			clock := clockwork.NewRealClock()
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(1500*time.Millisecond, cancel).Stop()
			w := newWeather(clock, repeat(3, transient("503"))...)
			_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: exact(4)}), w.call)
			assert.EqualError(t, err, "retry: cancelled in wait 2 after 1.5s: context canceled (last failure: 503)")
			assert.Equal(t, 1500*time.Millisecond, clock.Since(w.start))
		})
	})
	t.Run("fake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			clock := clockwork.NewFakeClock()
			w := newWeather(clock, repeat(2, transient("503"))...)
			r := newRetrier(t, retry.Config{Policy: exact(3), Clock: clock})
			done := make(chan error)
			go func() {
				_, err := retry.Do(t.Context(), r, w.call)
				done <- err
			}()
			for _, d := range []time.Duration{time.Second, 2 * time.Second} {
				synctest.Wait()
				clock.Advance(d)
			}
			require.NoError(t, <-done)
			assert.Equal(t, []time.Duration{0, time.Second, 3 * time.Second}, w.starts)
		})
	})
}

func TestEventsOfACall(t *testing.T) {
	holds(t, "C4")
	clock := auto()
	start := clock.Now()
	var got []retry.Event
	r := newRetrier(t, retry.Config{
		Policy:   exact(2),
		Clock:    clock,
		Observer: retry.ObserverFunc(func(e retry.Event) { got = append(got, e) }),
	})
	at := func(call uint64, attempt int, d time.Duration) retry.Moment {
		return retry.Moment{Call: call, Attempt: attempt, At: start.Add(d)}
	}
	run := func(ctx context.Context, errs ...error) {
		got = nil
		w := newWeather(clock, errs...)
		w.took = time.Millisecond
		start = clock.Now()
		_, _ = retry.Do(ctx, r, w.call)
	}
	const s, ms = time.Second, time.Millisecond
	busy := hinted("429", s)

	run(t.Context())
	assert.Equal(t, []retry.Event{
		retry.AttemptStarted{at(1, 1, 0)},
		retry.AttemptEnded{at(1, 1, ms), nil},
		retry.CallEnded{at(1, 1, ms), ms, retry.Succeeded, nil},
	}, got)

	run(t.Context(), busy, busy)
	assert.Equal(t, []retry.Event{
		retry.AttemptStarted{at(2, 1, 0)},
		retry.AttemptEnded{at(2, 1, ms), busy},
		retry.WaitStarted{at(2, 1, ms), retry.TransientAfter(s), retry.Decision{Reason: retry.RetryAfter, Wait: s}},
		retry.WaitEnded{at(2, 1, s+ms), nil},
		retry.AttemptStarted{at(2, 2, s+ms)},
		retry.AttemptEnded{at(2, 2, s+2*ms), busy},
		retry.CallEnded{at(2, 2, s+2*ms), s + 2*ms, retry.LastAttempt, busy},
	}, got)

	ctx, cancel := fakeclock.WithCancel(retry.WithCall(t.Context(), 77), clock)
	defer clock.AfterFunc(500*ms, cancel).Stop()
	run(ctx, busy)
	end := got[len(got)-1].(retry.CallEnded)
	assert.Equal(t, []retry.Event{
		retry.AttemptStarted{at(77, 1, 0)},
		retry.AttemptEnded{at(77, 1, ms), busy},
		retry.WaitStarted{at(77, 1, ms), retry.TransientAfter(s), retry.Decision{Reason: retry.RetryAfter, Wait: s}},
		retry.WaitEnded{at(77, 1, 500*ms), context.Canceled},
		retry.CallEnded{at(77, 1, 500*ms), 500 * ms, retry.Cancelled, end.Err},
	}, got)
	assert.ErrorIs(t, end.Err, busy)

	run(ctx)
	require.Len(t, got, 1, "a call that starts no attempt still ends")
	assert.Equal(t, retry.Cancelled, got[0].(retry.CallEnded).Reason)
	assert.Zero(t, got[0].(retry.CallEnded).Attempt)
}
