package simulate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/simulate"
)

const second = time.Second

// full is a policy whose n-th wait is drawn from [0, base·2^(n-1)).
func full(base time.Duration, attempts int) retry.Policy {
	return retry.Policy{MaxAttempts: attempts, BaseDelay: base, Jitter: retry.JitterFull}
}

func timetable(t require.TestingT, p retry.Policy, o simulate.ScheduleOptions) *simulate.Timetable {
	got, err := simulate.Schedule(p, o)
	require.NoError(t, err)
	return got
}

// The sums of independent, evenly spread waits of 500 ms, 1 s, 2 s, ... have
// known quantiles (inclusion and exclusion, worked out by hand elsewhere).
func TestScheduleMatchesTheClosedForm(t *testing.T) {
	for _, tt := range []struct {
		base                time.Duration
		attempts            int
		p50, p90, p99, p999 float64 // in seconds; 0: not given
	}{
		{500 * time.Millisecond, 3, .75, 1.1838, 1.4, 0},
		{500 * time.Millisecond, 4, 1.75, 2.6342, 3.1085, 0},
		{500 * time.Millisecond, 5, 3.75, 5.5270, 6.4936, 0},
		{second, 6, 15.5, 22.6164, 26.5010, 28.3285},
	} {
		got := timetable(t, full(tt.base, tt.attempts), simulate.ScheduleOptions{})
		require.True(t, got.Exact)
		last := got.Attempts[tt.attempts-1].Start
		assert.InDelta(t, tt.p50, last.P50.Seconds(), 1e-8)
		assert.InDelta(t, tt.p90, last.P90.Seconds(), 5e-5)
		assert.InDelta(t, tt.p99, last.P99.Seconds(), 5e-5)
		if tt.p999 > 0 {
			assert.InDelta(t, tt.p999, last.P999.Seconds(), 5e-5)
		}
		assert.Equal(t, last, got.Total, "nothing follows an attempt that fails at once")
		assert.Equal(t, time.Duration(0), last.Min)
		assert.InDelta(t, float64(last.Max)/2, float64(last.Mean), 1)
	}
}

// The mean wait of uncapped decorrelated jitter is e_k = (b + 3·e_(k-1)) / 2.
func TestScheduleDrawsWhatHasNoClosedForm(t *testing.T) {
	p := retry.Policy{MaxAttempts: 6, BaseDelay: 5 * time.Millisecond, Jitter: retry.JitterDecorrelated}
	got := timetable(t, p, simulate.ScheduleOptions{Runs: 200_000})
	assert.False(t, got.Exact)
	assert.Equal(t, uint64(1), got.Seed)
	sum := 0.0
	for i, e := range []float64{10, 17.5, 28.75, 45.625, 70.9375} {
		sum += e
		start := got.Attempts[i+1].Start
		assert.InEpsilon(t, sum, float64(start.Mean)/1e6, .01, "attempt %d", i+2)
		assert.Equal(t, p.BaseDelay*time.Duration(i+1), start.Min)
	}
	assert.Equal(t, 15*time.Millisecond-1, got.Attempts[1].Start.Max)

	again := timetable(t, p, simulate.ScheduleOptions{Runs: 200_000})
	assert.Equal(t, got, again, "the same seed")
	other := uint64(2)
	again = timetable(t, p, simulate.ScheduleOptions{Runs: 200_000, Seed: &other})
	assert.NotEqual(t, got.Total, again.Total)
}

// What is drawn agrees with what is exact, for any policy: the oracle is the
// plain loop of a caller.
func TestScheduleAgreesWithTheLoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := retry.Policy{
			MaxAttempts:    rapid.IntRange(1, 6).Draw(t, "attempts"),
			Schedule:       rapid.SampledFrom([]retry.Schedule{retry.Exponential, retry.Constant, retry.Linear}).Draw(t, "schedule"),
			BaseDelay:      time.Microsecond * time.Duration(rapid.IntRange(0, 1e3).Draw(t, "base")),
			MaxDelay:       time.Microsecond * time.Duration(rapid.IntRange(0, 4e3).Draw(t, "cap")),
			Jitter:         rapid.SampledFrom([]retry.Jitter{retry.JitterNone, retry.JitterAdditive, retry.JitterFull, retry.JitterEqual, retry.JitterBetween(250, 500)}).Draw(t, "jitter"),
			AttemptTimeout: time.Duration(rapid.IntRange(0, 1e6).Draw(t, "timeout")),
			MaxElapsed:     time.Duration(rapid.SampledFrom([]int{0, 1e6, 5e6}).Draw(t, "elapsed")),
		}
		if p.MaxDelay > 0 && rapid.Bool().Draw(t, "after") {
			p.Cap = retry.CapAfterJitter
		}
		o := simulate.ScheduleOptions{
			Took: time.Duration(rapid.IntRange(0, 1e6).Draw(t, "took")), Deadline: time.Duration(rapid.IntRange(0, 6e6).Draw(t, "deadline")), Runs: 2000,
		}
		got := timetable(t, p, o)
		starts, totals := loops(p, o, 2000)
		require.NotEmpty(t, got.Attempts)
		for i, a := range got.Attempts {
			require.Equal(t, []int{i + 1}, a.Path)
			require.InDelta(t, float64(len(starts[i]))/2000, a.Reached, .05)
			late := 0
			for _, at := range starts[i] {
				require.GreaterOrEqual(t, at, a.Start.Min)
				require.LessOrEqual(t, at, a.Start.Max)
				if o.Deadline > 0 && at >= o.Deadline {
					late++
				}
			}
			if n := len(starts[i]); n > 1000 {
				require.InDelta(t, float64(late)/float64(n), a.Late, .06)
				for _, q := range []struct {
					share float64
					value time.Duration
				}{{.05, a.Start.P5}, {.5, a.Start.P50}, {.95, a.Start.P95}, {.99, a.Start.P99}} {
					require.GreaterOrEqual(t, below(starts[i], q.value+10), q.share-.06)
					require.LessOrEqual(t, below(starts[i], q.value-10), q.share+.06)
				}
			}
		}
		require.InDelta(t, .5, below(totals, got.Total.P50+10)/2+below(totals, got.Total.P50-10)/2, .5)
		require.GreaterOrEqual(t, below(totals, got.Total.P95+10), .89)
	})
}

func below(times []time.Duration, t time.Duration) float64 {
	n := 0
	for _, at := range times {
		if at <= t {
			n++
		}
	}
	return float64(n) / float64(len(times))
}

// loops makes calls in the plainest way.
func loops(p retry.Policy, o simulate.ScheduleOptions, runs int) (starts [][]time.Duration, totals []time.Duration) {
	src := rand.NewPCG(7, 7)
	starts = make([][]time.Duration, p.MaxAttempts)
	for range runs {
		var now, previous time.Duration
		for n := 1; ; n++ {
			starts[n-1] = append(starts[n-1], now)
			class, took := retry.Transient(), o.Took
			if p.AttemptTimeout > 0 && took >= p.AttemptTimeout {
				class, took = class.TimedOut(), p.AttemptTimeout
			}
			now += took
			d := p.Decide(retry.Failure{Attempt: n, Class: class, Elapsed: now, Previous: previous}, src)
			if !d.Retry() {
				break
			}
			previous = d.Wait
			now += d.Wait
		}
		totals = append(totals, now)
	}
	return starts, totals
}

func TestScheduleOfStackedPolicies(t *testing.T) {
	outer := retry.Policy{MaxAttempts: 2, BaseDelay: 10 * second}
	inner := retry.Policy{MaxAttempts: 3, BaseDelay: second}
	got := timetable(t, outer, simulate.ScheduleOptions{Over: []retry.Policy{inner}, Took: second, Runs: 10})
	var lines []string
	for _, a := range got.Attempts {
		lines = append(lines, fmt.Sprint(a.Path, a.WaitMin, a.Start.P50))
	}
	assert.Equal(t, []string{"[1 1] 0s 0s", "[1 2] 1s 2s", "[1 3] 2s 5s", "[2 1] 10s 16s", "[2 2] 1s 18s", "[2 3] 2s 21s"}, lines)
	assert.Equal(t, 22*second, got.Total.P50)

	got = timetable(t, outer, simulate.ScheduleOptions{Over: []retry.Policy{inner}, Took: second, Runs: 10, Deadline: 16 * second})
	assert.Equal(t, []float64{0, 1}, []float64{got.Attempts[2].Late, got.Attempts[3].Late}, "a start at the deadline is too late")

	// The outer timeout ends the inner call, in its wait.
	outer.AttemptTimeout = 3 * second
	got = timetable(t, outer, simulate.ScheduleOptions{Over: []retry.Policy{inner}, Took: second, Runs: 10})
	assert.Len(t, got.Attempts, 4)
	assert.Equal(t, 3*second+10*second, got.Attempts[2].Start.P50)

	assert.Equal(t, 64, simulate.Multiplied(full(1, 4), full(1, 4), full(1, 4)))
	assert.Equal(t, retry.Unlimited, simulate.Multiplied(full(1, retry.Unlimited), full(1, 4)))
	assert.Equal(t, 3, simulate.Multiplied(retry.Policy{}, full(1, 3)))
}

func TestScheduleObeysTheHintAndTheLimits(t *testing.T) {
	p := retry.Policy{MaxAttempts: 4, BaseDelay: second, MaxElapsed: 10 * second}
	got := timetable(t, p, simulate.ScheduleOptions{Class: retry.TransientAfter(4 * second)})
	require.Len(t, got.Attempts, 3, "the fourth would start at 12s")
	assert.Equal(t, 8*second, got.Attempts[2].Start.Max)
	assert.Equal(t, 8*second, got.Total.Max)
	assert.True(t, got.Exact)

	// A limit that some calls reach and others do not.
	p = retry.Policy{MaxAttempts: 3, BaseDelay: 2 * second, Schedule: retry.Constant, Jitter: retry.JitterFull, MaxElapsed: 2 * second}
	got = timetable(t, p, simulate.ScheduleOptions{})
	assert.False(t, got.Exact)
	assert.InDelta(t, .5, got.Attempts[2].Reached, .02, "half of the sums of two such waits are below 2s")
	assert.LessOrEqual(t, got.Attempts[2].Start.Max, 2*second)

	// The deadline is marked: of sums of U(0,1) and U(0,2), a quarter are above 2.
	got = timetable(t, full(second, 3), simulate.ScheduleOptions{Deadline: 2 * second})
	assert.Equal(t, []float64{0, 0, .25}, []float64{got.Attempts[0].Late, got.Attempts[1].Late, got.Attempts[2].Late})
	got = timetable(t, retry.Policy{MaxAttempts: 2, BaseDelay: second}, simulate.ScheduleOptions{Deadline: second})
	assert.Equal(t, 1.0, got.Attempts[1].Late, "a start at the deadline is too late")
}

func TestScheduleHasAnEnd(t *testing.T) {
	p := retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: second, Jitter: retry.JitterFull}
	got := timetable(t, p, simulate.ScheduleOptions{Runs: 10})
	assert.Less(t, len(got.Attempts), simulate.DefaultAttempts, "what no clock can hold is no row")
	assert.True(t, got.Cut)
	assert.Equal(t, simulate.Spread{}, got.Total)
	for _, a := range got.Attempts {
		assert.GreaterOrEqual(t, a.Start.Mean, time.Duration(0), "a mean that does not overflow")
	}

	p.MaxDelay = 30 * second
	got = timetable(t, p, simulate.ScheduleOptions{Runs: 100})
	assert.Len(t, got.Attempts, simulate.DefaultAttempts)

	got = timetable(t, p, simulate.ScheduleOptions{Attempts: 2})
	assert.Len(t, got.Attempts, 2)
	got = timetable(t, retry.Policy{}, simulate.ScheduleOptions{Took: second})
	assert.Len(t, got.Attempts, 1)
	assert.Equal(t, second, got.Total.Max)
}

func TestScheduleRefuses(t *testing.T) {
	ok := full(second, 2)
	for want, o := range map[string]simulate.ScheduleOptions{
		"BaseDelay":  {Over: []retry.Policy{{BaseDelay: -1}}},
		"stacked":    {Over: []retry.Policy{ok, ok, ok, ok}},
		"negative":   {Took: -1},
		"0 to 1000 ": {Attempts: 1001},
		"draws":      {Runs: -1},
	} {
		_, err := simulate.Schedule(ok, o)
		assert.ErrorContains(t, err, want)
	}
}

func ExampleSchedule() {
	policy, _ := retry.ParsePolicy("exp:base=500ms,jitter=full,attempts=3")
	t, _ := simulate.Schedule(policy, simulate.ScheduleOptions{Deadline: 1400 * time.Millisecond})
	last := t.Attempts[2]
	fmt.Println("waits", last.WaitMin, "to", last.WaitMax.Round(time.Millisecond))
	fmt.Println("starts after", last.Start.P50.Round(time.Millisecond), "in half of the calls")
	fmt.Printf("too late in %.0f %%\n", 100*last.Late)
	// Output:
	// waits 0s to 1s
	// starts after 750ms in half of the calls
	// too late in 1 %
}

func BenchmarkSchedule(b *testing.B) {
	for _, n := range []int{3, 6, 10, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := full(second, n)
			p.MaxDelay = 30 * second
			for b.Loop() {
				timetable(b, p, simulate.ScheduleOptions{Deadline: 10 * second})
			}
		})
	}
}
