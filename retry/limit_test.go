package retry_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
)

func newBucket(t testing.TB, b retry.Budget) *retry.Bucket {
	t.Helper()
	bucket, err := retry.NewBucket(b)
	require.NoError(t, err)
	return bucket
}

// Attempts per call and share of calls that succeed, when every attempt fails
// with the same probability: all the published figures, and the closed forms of
// the saturated branch, by the real loop.
func TestBudgetsUnderConstantFailure(t *testing.T) {
	const tenth = retry.Token / 10
	probabilities := [...]float64{.05, .1, .2, .3, .5, .75, .9, 1}
	const any = -1 // no figure was published
	tests := []struct {
		name     string
		budget   retry.Budget
		attempts int
		throttle bool
		made     [8]float64              // attempts per call
		ok       [8]float64              // % of calls that succeed
		closed   func(p float64) float64 // attempts per call once the budget is what limits
	}{
		{"none", retry.Budget{}, 3, false,
			[8]float64{1.052, 1.110, 1.239, 1.389, 1.748, 2.314, 2.711, 3}, [8]float64{99.99, 99.90, 99.2, 97.3, 87.5, 57.7, 27.1, 0}, nil},
		{"per call", retry.PerCallBudget(5*retry.Token, tenth), 4, false,
			[8]float64{1.052, 1.093, 1.100, 1.100, 1.100, 1.100, 1.100, 1.100}, [8]float64{any, 98.4, 88, 77.2, 55, 27.7, 11.1, 0},
			func(float64) float64 { return 1.1 }},
		{"per success", retry.PerSuccessBudget(5*retry.Token, tenth), 4, false,
			[8]float64{1.052, 1.092, 1.087, 1.075, 1.053, 1.026, 1.010, 1}, [8]float64{any, 98.2, 86.9, 75.4, 52.7, 25.6, 10.2, 0},
			func(p float64) float64 { return 1 / (1 - .1*(1-p)) }},
		{"AWS before 2026", retry.AWSLegacyBudget(), 3, false,
			[8]float64{1.053, 1.111, 1.240, 1.390, 1.253, 1.072, 1.023, 1.001}, [8]float64{any, 99.9, 99.2, 97.3, 62.8, 26.8, 10.3, 0},
			func(p float64) float64 { return 1 + (1-p)/(5*p-(1-p)) }},
		{"AWS since 2026", retry.AWSBudget(), 3, false,
			[8]float64{1.053, 1.111, 1.240, 1.168, 1.072, 1.024, 1.008, 1}, [8]float64{any, 99.9, 99.2, 81.8, 53.7, 25.5, 10, 0},
			func(p float64) float64 { return 1 + (1-p)/(14*p) }},
		{"AWS since 2026, throttled", retry.AWSBudget(), 3, true,
			[8]float64{1.053, 1.110, 1.241, 1.390, 1.201, 1.067, 1.023, 1.001}, [8]float64{any, 99.9, 99.2, 97.3, 60.2, 26.6, 10.2, 0},
			func(p float64) float64 { return 1 + (1-p)/(5*p) }},
		{"gRPC", retry.GRPCBudget(10*retry.Token, tenth), 4, false,
			[8]float64{1.052, 1.020, 1, 1, 1, 1, 1, 1}, [8]float64{99.95, 91.8, 80.1, any, any, any, any, any}, nil},
		{"ratio", retry.RatioBudget(tenth, 2*time.Minute), 3, false,
			[8]float64{1.054, 1.100, 1.100, 1.100, 1.100, 1.100, 1.100, 1.100}, [8]float64{any, 99, 88.1, 77.2, 55, 27.6, 10.9, 0},
			func(float64) float64 { return 1.1 }},
		{"Finagle", retry.FinagleBudget(10*time.Second, 2*tenth, 0), 3, false,
			[8]float64{any, any, any, any, 1.2, any, any, 1.2}, [8]float64{any, any, any, any, 60, any, any, 0},
			func(float64) float64 { return 1.2 }},
		{"Finagle with a floor, at 100 calls a second", retry.FinagleBudget(10*time.Second, 2*tenth, 10), 3, false,
			[8]float64{any, any, any, any, 1.3, any, any, 1.3}, [8]float64{any, any, any, any, any, any, any, 0},
			func(float64) float64 { return 1 + .2 + 10./100 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i, p := range probabilities {
				attempts, succeeded := underFailure(t, tt.budget, tt.attempts, p, tt.throttle)
				if tt.made[i] != any {
					assert.InDelta(t, tt.made[i], attempts, 0.016, "p=%v: attempts per call", p)
				}
				if tt.ok[i] != any {
					assert.InDelta(t, tt.ok[i], succeeded, 1, "p=%v: %% of calls that succeed", p)
				}
				if tt.closed != nil {
					unlimited := (1 - math.Pow(p, float64(tt.attempts))) / (1 - p)
					if p == 1 {
						unlimited = float64(tt.attempts)
					}
					closed := tt.closed(p)
					if closed < 0 || math.Abs(closed-unlimited) < 0.1 { // not saturated, or too near to the crossing
						continue
					}
					assert.InDelta(t, min(closed, unlimited), attempts, 0.016, "p=%v: the closed form", p)
				}
			}
		})
	}
}

// underFailure makes calls whose attempts fail with probability p, one every
// 10 ms and without waits, and returns the attempts per call and the share
// that succeeded in percent.
func underFailure(t *testing.T, b retry.Budget, maxAttempts int, p float64, throttle bool) (attempts, succeeded float64) {
	const calls = 20_000
	class := retry.Transient()
	if throttle {
		class = class.Throttled()
	}
	failure := error(&classed{"503", class})
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	r := newRetrier(t, retry.Config{Policy: retry.Policy{MaxAttempts: maxAttempts}, Clock: clock, Limit: newBucket(t, b)})
	words := rand.New(rand.NewPCG(1, 1))
	made, ok := 0, 0
	for range calls {
		clock.Sleep(10 * time.Millisecond)
		_, err := retry.Do(context.Background(), r, func(context.Context) (int, error) {
			made++
			if words.Float64() < p {
				return 0, failure
			}
			return 0, nil
		})
		if err == nil {
			ok++
		}
	}
	return float64(made) / calls, float64(ok) / calls * 100
}

func TestTokensAsText(t *testing.T) {
	for want, tokens := range map[string]retry.Tokens{
		"0": 0, "1": retry.Token, "0.1": retry.Token / 10, "-0.5": -retry.Token / 2, "12.345": 12345, "-3.2": -3200, "500": 500 * retry.Token,
	} {
		assert.Equal(t, want, tokens.String())
	}
}

func TestBudgetsAsText(t *testing.T) {
	for want, b := range map[string]retry.Budget{
		"none": {},
		"Capacity 10, PerSuccess 0.1, PerFailure 1, Above 5":               retry.GRPCBudget(10*retry.Token, retry.Token/10),
		"Capacity 500, PerFirstSuccess 1, Cost 14, ThrottleCost 5, Refund": retry.AWSBudget(),
		"Capacity 500, PerSuccess 1, Cost 5, TimeoutCost 10, Refund":       retry.AWSLegacyBudget(),
		"PerCall 0.2, Cost 1, Floor 100, Window 10s":                       retry.FinagleBudget(10*time.Second, retry.Token/5, 10),
	} {
		assert.Equal(t, want, b.String())
	}
}

// A bucket so large that it is meant to be never empty stays full.
func TestTheLargestBucketDoesNotOverflow(t *testing.T) {
	b := newBucket(t, retry.Budget{Capacity: math.MaxInt64, PerSuccess: retry.Token, Cost: retry.Token})
	b.Report(time.Time{}, 1, true, retry.Transient())
	assert.Equal(t, retry.Tokens(math.MaxInt64), b.Tokens(time.Time{}))
}

// One bucket, step by step.
func TestBucket(t *testing.T) {
	t0 := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }
	busy, slow, late := retry.Transient(), retry.Transient().Throttled(), retry.Transient().TimedOut()
	type step struct {
		what   string // allow, refuse, ok, fail
		at     float64
		number int
		class  retry.Classification
		tokens retry.Tokens // after it
	}
	tests := []struct {
		name   string
		budget retry.Budget
		steps  []step
	}{
		{"per success", retry.PerSuccessBudget(2*retry.Token, 500), []step{
			{"allow", 0, 1, retry.Permanent(), 2000},
			{"fail", 0, 1, busy, 2000},
			{"allow", 0, 2, slow, 1000},
			{"allow", 0, 3, late, 0},
			{"refuse", 0, 4, busy, 0},
			{"ok", 0, 1, busy, 500},
			{"refuse", 0, 2, busy, 500},
			{"ok", 0, 1, busy, 1000},
			{"allow", 0, 2, busy, 0},
			{"ok", 9, 1, busy, 500},
			{"ok", 9, 1, busy, 1000},
			{"ok", 9, 1, busy, 1500},
			{"ok", 9, 1, busy, 2000},
			{"ok", 9, 1, busy, 2000},
		}},
		{"gRPC: allowed above half, not at half", retry.GRPCBudget(4*retry.Token, 100), []step{
			{"fail", 0, 1, busy, 3000},
			{"allow", 0, 2, busy, 3000},
			{"fail", 0, 2, retry.Permanent(), 3000},
			{"fail", 0, 2, busy, 2000},
			{"refuse", 0, 3, busy, 2000},
			{"ok", 0, 1, busy, 2100},
			{"allow", 0, 2, busy, 2100},
			{"fail", 0, 1, busy, 1100},
			{"fail", 0, 1, busy, 100},
			{"fail", 0, 1, busy, 0},
		}},
		{"AWS before 2026", retry.AWSLegacyBudget(), []step{
			{"allow", 0, 2, busy, 495_000},
			{"allow", 0, 3, late, 485_000},
			{"ok", 0, 3, late, 496_000},
			{"ok", 0, 1, late, 497_000},
		}},
		{"AWS since 2026", retry.AWSBudget(), []step{
			{"allow", 0, 2, busy, 486_000},
			{"allow", 0, 3, slow, 481_000},
			{"ok", 0, 3, slow, 486_000},
			{"ok", 0, 1, slow, 487_000},
		}},
		{"tokens expire with the window", retry.RatioBudget(500, 10*time.Second), []step{
			{"allow", 0, 1, busy, 500},
			{"refuse", 1, 2, busy, 500},
			{"allow", 2, 1, busy, 1000},
			{"allow", 3, 2, busy, 0},
			{"allow", 10.9, 1, busy, 500},
			{"allow", 11, 1, busy, 500},
			{"allow", 13, 1, busy, 500},
			{"allow", 14, 1, busy, 2000},
			{"refuse", 100, 2, busy, 0},
		}},
		{"a floor is always there", retry.FinagleBudget(10*time.Second, 0, 1), []step{
			{"allow", 0, 2, busy, 9000},
			{"allow", 0, 2, busy, 8000},
			{"ok", 12, 1, busy, 10_000},
		}},
		{"the zero budget never refuses", retry.Budget{}, []step{
			{"allow", 0, 2, busy, 0},
			{"fail", 0, 2, busy, 0},
			{"allow", 0, 1000, busy, 0},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t, tt.budget)
			for i, s := range tt.steps {
				switch s.what {
				case "allow", "refuse":
					_, ok := b.Allow(at(s.at), s.number, s.class)
					assert.Equal(t, s.what == "allow", ok, "step %d", i)
				default:
					b.Report(at(s.at), retry.Permit(s.number), s.what == "ok", s.class)
				}
				assert.Equal(t, s.tokens, b.Tokens(at(s.at)), "after step %d", i)
			}
		})
	}
}

func TestInvalidLimits(t *testing.T) {
	for want, b := range map[string]retry.Budget{
		"retry: budget: Capacity is negative: -0.001":                                       {Capacity: -1},
		"retry: budget: PerCall is negative: -1":                                            {PerCall: -retry.Token},
		"retry: budget: Cost is negative: -1":                                               {Cost: -retry.Token},
		"retry: budget: Window is negative: -1s (use 0 for tokens that do not expire)":      {Window: -time.Second},
		"retry: budget: Window is 9ns, shorter than 10 ns":                                  {Window: 9},
		"retry: budget: Capacity is set, but tokens expire (use Floor, or no Window)":       {Window: time.Second, Capacity: 1},
		"retry: budget: Floor is set, but tokens do not expire (use Capacity, or a Window)": {Floor: 1},
		"retry: budget: Capacity is 0, so no retry could ever be paid":                      {Above: 1},
	} {
		_, err := retry.NewBucket(b)
		assert.EqualError(t, err, want)
	}
	for want, b := range map[string]retry.Breaker{
		"retry: breaker: Failures is 0, want at least 1":       {},
		"retry: breaker: OpenFor is negative: -1s":             {Failures: 1, OpenFor: -time.Second},
		"retry: breaker: Probes is negative: -1 (use 0 for 1)": {Failures: 1, Probes: -1},
	} {
		_, err := retry.NewCircuit(b)
		assert.EqualError(t, err, want)
	}
	for want, b := range map[string]retry.RateBreaker{
		"retry: rate breaker: Share is 0, outside (0, 1]":      {Of: 1},
		"retry: rate breaker: Share is 1.001, outside (0, 1]":  {Share: 1001, Of: 1},
		"retry: rate breaker: Of is 0, outside 1 to 10000":     {Share: 1},
		"retry: rate breaker: Of is 10001, outside 1 to 10000": {Share: retry.Token, Of: 10_001},
	} {
		_, err := retry.NewRateCircuit(b)
		assert.EqualError(t, err, want)
	}
	for want, th := range map[string]retry.Throttle{
		"retry: throttle: Multiplier is 0.999, outside 1 to 1000":           {Multiplier: 999, Window: time.Minute},
		"retry: throttle: no source of words (use Seeded(seed, client)(0))": {Multiplier: retry.Token, Window: time.Minute},
		"retry: throttle: Window is 0s, shorter than 10 ns":                 {Multiplier: 2 * retry.Token},
	} {
		_, err := retry.NewThrottler(th, nil)
		assert.EqualError(t, err, want)
	}
}

// What lies on a bound is valid.
func TestLimitsOnTheirBounds(t *testing.T) {
	assert.NoError(t, retry.Budget{Window: 10}.Validate())
	assert.NoError(t, retry.Throttle{Multiplier: retry.Token, Window: 10}.Validate())
	assert.NoError(t, retry.Throttle{Multiplier: 1000 * retry.Token, Window: 10}.Validate())
	assert.NoError(t, retry.RateBreaker{Share: 1, Of: 10_000}.Validate())
}

// One circuit, step by step: which attempt is allowed, and how it ends.
func TestCircuit(t *testing.T) {
	busy, denied := retry.Transient(), retry.Permanent()
	const refused = -1
	type step struct {
		at   int // seconds
		what string
		id   int // of the attempt, in the order they were allowed
	}
	tests := []struct {
		name    string
		breaker retry.Breaker
		steps   []step
	}{
		{"failures in a row open it", retry.Breaker{Failures: 2, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "allow", 2}, {0, "allow", 3}, {0, "allow", 4},
			{0, "fail", 0}, {0, "answer", 1}, {0, "fail", 2}, {0, "allow", 5}, {1, "fail", 3},
			{1, "allow", refused}, {10, "allow", refused}, {11, "allow", 6}}},
		{"a success in between", retry.Breaker{Failures: 2, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "fail", 0}, {0, "allow", 1}, {0, "succeed", 1}, {0, "allow", 2}, {0, "fail", 2}, {0, "allow", 3}}},
		{"so many probes at a time", retry.Breaker{Failures: 1, OpenFor: time.Second, Probes: 2}, []step{
			{0, "allow", 0}, {0, "fail", 0}, {1, "allow", 1}, {1, "allow", 2}, {1, "allow", refused},
			{2, "abandon", 1}, {2, "allow", 3}, {2, "allow", refused},
			{3, "succeed", 2}, {3, "allow", 4}, {3, "allow", refused}, {4, "succeed", 3},
			{4, "allow", 5}, {4, "allow", 6}, {4, "allow", 7}, {4, "allow", 8}}},
		{"a failed probe opens it again, from that moment", retry.Breaker{Failures: 3, OpenFor: 10 * time.Second, Probes: 2}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "allow", 2}, {0, "fail", 0}, {0, "fail", 1}, {0, "fail", 2},
			{10, "allow", 3}, {10, "allow", 4}, {11, "succeed", 3}, {12, "fail", 4},
			{21, "allow", refused}, {22, "allow", 5}, {22, "succeed", 5}, {22, "allow", 6}, {22, "allow", 7}, {22, "allow", refused}}},
		{"an answer to a probe closes it", retry.Breaker{Failures: 1, OpenFor: time.Second}, []step{
			{0, "allow", 0}, {0, "fail", 0}, {1, "allow", 1}, {1, "answer", 1}, {1, "allow", 2}, {1, "allow", 3}}},
		{"failures are counted from the closing", retry.Breaker{Failures: 2, OpenFor: time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {0, "fail", 1}, {1, "allow", 2}, {1, "succeed", 2},
			{1, "allow", 3}, {1, "fail", 3}, {1, "allow", 4}}},

		// Attempts that were allowed before the circuit opened.
		{"a late success does not close it", retry.Breaker{Failures: 1, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {1, "succeed", 1}, {1, "allow", refused}}},
		{"a late failure does not prolong it", retry.Breaker{Failures: 1, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {9, "fail", 1}, {10, "allow", 2}}},
		{"a late success beside a probe is not the probe's", retry.Breaker{Failures: 1, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {10, "allow", 2}, {11, "succeed", 1}, {11, "allow", refused},
			{12, "fail", 2}, {21, "allow", refused}, {22, "allow", 3}}},
		{"a late failure beside a probe is not the probe's", retry.Breaker{Failures: 1, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {10, "allow", 2}, {11, "fail", 1}, {11, "allow", refused},
			{12, "succeed", 2}, {12, "allow", 3}, {12, "allow", 4}}},
		{"one that is abandoned late makes no room", retry.Breaker{Failures: 1, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {10, "allow", 2}, {11, "abandon", 1}, {11, "allow", refused}}},
		{"a late failure after the closing does not count", retry.Breaker{Failures: 1, OpenFor: 10 * time.Second}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {10, "allow", 2}, {10, "succeed", 2}, {11, "fail", 1}, {11, "allow", 3}}},
		{"a probe from before it opened again", retry.Breaker{Failures: 1, OpenFor: 10 * time.Second, Probes: 2}, []step{
			{0, "allow", 0}, {0, "fail", 0}, {10, "allow", 1}, {10, "allow", 2}, {10, "fail", 1}, {20, "allow", 3}, {20, "allow", 4},
			{20, "succeed", 2}, {20, "allow", refused}, {20, "succeed", 3}, {20, "allow", 5}, {20, "allow", refused}}},
		{"all at one instant", retry.Breaker{Failures: 1}, []step{
			{0, "allow", 0}, {0, "allow", 1}, {0, "fail", 0}, {0, "allow", 2}, {0, "succeed", 1}, {0, "allow", refused},
			{0, "fail", 2}, {0, "allow", 3}, {0, "succeed", 3}, {0, "allow", 4}, {0, "allow", 5}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := retry.NewCircuit(tt.breaker)
			require.NoError(t, err)
			var permits []retry.Permit
			for i, s := range tt.steps {
				now := time.Date(2000, 1, 1, 0, 0, s.at, 0, time.UTC)
				switch s.what {
				case "allow":
					permit, ok := c.Allow(now, 1, denied)
					require.Equal(t, s.id != refused, ok, "step %d: %v", i, s)
					if ok {
						require.Equal(t, s.id, len(permits), "the step counts wrong")
						permits = append(permits, permit)
					}
				case "fail":
					c.Report(now, permits[s.id], false, busy)
				case "answer":
					c.Report(now, permits[s.id], false, denied)
				case "succeed":
					c.Report(now, permits[s.id], true, denied)
				case "abandon":
					c.Abandon(now, permits[s.id])
				}
			}
		})
	}
}

// A server that accepts a share of what it gets: a throttler of multiplier K
// refuses nothing while it accepts more than 1/K, and lets through about K
// requests for each one accepted below that.
func TestThrottler(t *testing.T) {
	for _, accept := range []float64{1, 0.6, 0} {
		th, err := retry.NewThrottler(retry.Throttle{Multiplier: 2 * retry.Token, Window: 2 * time.Minute}, retry.Seeded(1, 0)(1))
		require.NoError(t, err)
		words := rand.New(rand.NewPCG(1, 2))
		now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		allowed := 0
		const n = 20_000
		for range n {
			now = now.Add(10 * time.Millisecond)
			if permit, ok := th.Allow(now, 1, retry.Permanent()); ok {
				allowed++
				th.Report(now, permit, words.Float64() < accept, retry.Transient())
			}
		}
		share := float64(allowed) / n
		if accept > 0.5 {
			assert.Greater(t, share, 0.99, "accepting %v", accept)
		} else {
			assert.Less(t, share, 0.01, "accepting %v", accept)
			assert.Greater(t, allowed, 1, "it goes on trying")
		}
	}
	t.Run("a permanent error is an answer", func(t *testing.T) {
		th, err := retry.NewThrottler(retry.Throttle{Multiplier: retry.Token, Window: time.Minute}, &words{})
		require.NoError(t, err)
		now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 5 {
			permit, ok := th.Allow(now, 1, retry.Permanent())
			assert.True(t, ok, "no word is drawn while nothing was turned away")
			th.Report(now, permit, false, retry.Permanent())
		}
	})
	t.Run("the formula", func(t *testing.T) {
		// 3 requests, none accepted: refuse with 3/4.
		for word, want := range map[uint64]bool{3<<62 - 1: false, 3 << 62: true} {
			src := &words{^uint64(0), ^uint64(0), word}
			th, err := retry.NewThrottler(retry.Throttle{Multiplier: 2 * retry.Token, Window: time.Minute}, src)
			require.NoError(t, err)
			now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
			for range 3 {
				require.True(t, allowed(th, now))
			}
			assert.Equal(t, want, allowed(th, now))
		}
	})
}

// allowed asks a limit for a first attempt.
func allowed(l retry.Limit, now time.Time) bool {
	_, ok := l.Allow(now, 1, retry.Permanent())
	return ok
}

// ledger is a limit that writes down what it is asked and allows n attempts.
type ledger struct {
	n   int
	log []string
}

func (l *ledger) Allow(_ time.Time, number int, class retry.Classification) (retry.Permit, bool) {
	l.log = append(l.log, fmt.Sprintf("allow %d %v", number, class))
	l.n--
	return retry.Permit(number), l.n >= 0
}

func (l *ledger) Report(_ time.Time, number retry.Permit, ok bool, class retry.Classification) {
	l.log = append(l.log, fmt.Sprintf("report %d %v %v", number, ok, class))
}

func (l *ledger) Abandon(_ time.Time, number retry.Permit) {
	l.log = append(l.log, fmt.Sprintf("abandon %d", number))
}

// limited is a call of three attempts under a limit.
func limited(t *testing.T, l *ledger, ctx context.Context, clock *fakeclock.Clock, errs ...error) error {
	_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: exact(3), Clock: clock, Limit: l}), newWeather(clock, errs...).call)
	return err
}

func TestALimitIsAskedAndTold(t *testing.T) {
	holds(t, "C13")
	busy := hinted("429", time.Second)
	t.Run("success on a retry", func(t *testing.T) {
		l := &ledger{n: 9}
		require.NoError(t, limited(t, l, t.Context(), auto(), busy))
		assert.Equal(t, []string{
			"allow 1 permanent", "report 1 false transient, retry after 1s",
			"allow 2 transient, retry after 1s", "report 2 true transient, retry after 1s",
		}, l.log)
	})
	t.Run("the last failure is reported with its class, once", func(t *testing.T) {
		l := &ledger{n: 9}
		assert.Equal(t, busy, limited(t, l, t.Context(), auto(), busy, busy, busy))
		assert.Equal(t, "report 3 false transient, retry after 1s", l.log[len(l.log)-1])
		assert.Len(t, l.log, 6)
	})
	t.Run("a refused retry returns the last error at once", func(t *testing.T) {
		l, clock := &ledger{n: 1}, auto()
		assert.True(t, limited(t, l, t.Context(), clock, busy) == busy)
		assert.Zero(t, clock.Elapsed())
	})
	t.Run("a refused first attempt is an error of its own", func(t *testing.T) {
		l := &ledger{}
		err := limited(t, l, t.Context(), auto())
		var refused *retry.RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Same(t, l, refused.Limit)
		assert.EqualError(t, err, "retry: refused before the first attempt by a limit (*retry_test.ledger)")
		assert.Equal(t, retry.Transient(), retry.Classify(err))
		assert.Equal(t, []string{"allow 1 permanent"}, l.log)
	})
	t.Run("a permanent failure asks for nothing", func(t *testing.T) {
		l := &ledger{n: 9}
		require.Error(t, limited(t, l, t.Context(), auto(), permanent("401")))
		assert.Equal(t, []string{"allow 1 permanent", "report 1 false permanent"}, l.log)
	})
}

func TestALimitAndTheEndOfACall(t *testing.T) {
	holds(t, "C13")
	busy := hinted("429", time.Second)
	t.Run("cancelled in the wait", func(t *testing.T) {
		l, clock := &ledger{n: 9}, auto()
		ctx, cancel := fakeclock.WithCancel(t.Context(), clock)
		defer clock.AfterFunc(time.Millisecond, cancel).Stop()
		require.Error(t, limited(t, l, ctx, clock, busy))
		assert.Equal(t, []string{"allow 1 permanent", "report 1 false transient, retry after 1s", "allow 2 transient, retry after 1s", "abandon 2"}, l.log)
	})
	t.Run("no time left: the limit is not asked", func(t *testing.T) {
		l, clock := &ledger{n: 9}, auto()
		ctx, cancel := fakeclock.WithTimeout(t.Context(), clock, time.Second)
		defer cancel()
		require.Error(t, limited(t, l, ctx, clock, busy))
		assert.Equal(t, []string{"allow 1 permanent", "report 1 false transient, retry after 1s"}, l.log)
	})
	t.Run("too late anyway: the limit is not asked", func(t *testing.T) {
		l, clock := &ledger{n: 9}, auto()
		policy := exact(3)
		policy.MaxElapsed = 1
		_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: policy, Clock: clock, Limit: l}), newWeather(clock, busy).call)
		assert.True(t, err == busy)
		assert.Equal(t, []string{"allow 1 permanent", "report 1 false transient, retry after 1s"}, l.log)
	})
	t.Run("cancelled in the attempt", func(t *testing.T) {
		l := &ledger{n: 9}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := retry.Do(ctx, newRetrier(t, retry.Config{Policy: exact(3), Clock: auto(), Limit: l}), func(context.Context) (int, error) {
			cancel()
			return 0, ctx.Err()
		})
		require.Error(t, err)
		assert.Equal(t, []string{"allow 1 permanent", "abandon 1"}, l.log)
	})
	t.Run("an attempt that timed out says so", func(t *testing.T) {
		l, clock := &ledger{n: 9}, auto()
		var starts []time.Duration
		_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: bounded(2), Clock: clock, Limit: l}),
			slow(clock, []time.Duration{time.Hour, 0}, []error{nil, nil}, &starts))
		require.NoError(t, err)
		assert.Equal(t, []string{"allow 1 permanent", "report 1 false timed out", "allow 2 timed out", "report 2 true timed out"}, l.log)
	})
}

// A call that panics, or whose goroutine exits, makes room for another probe,
// wherever that happens.
func TestAPanicLeavesNothingBehind(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("bug") }, "goexit": runtime.Goexit} {
		for _, where := range []string{
			"op", "classify", "keep",
			"AttemptStarted", "AttemptEnded", "WaitStarted", "WaitEnded", "CallEnded",
		} {
			t.Run(name+" in "+where, func(t *testing.T) {
				clock := auto()
				circuit, err := retry.NewCircuit(retry.Breaker{Failures: 1, OpenFor: time.Second})
				require.NoError(t, err)
				here := ""
				ends := func(at string) {
					if at == here {
						end()
					}
				}
				fails := true
				r := newRetrier(t, retry.Config{
					Policy: retry.Policy{MaxAttempts: 3, BaseDelay: 2 * time.Second, AttemptTimeout: time.Hour},
					Clock:  clock,
					Limit:  circuit,
					Classify: func(err error) retry.Classification {
						ends("classify")
						return retry.Classify(err)
					},
					Observer: retry.ObserverFunc(func(e retry.Event) { ends(strings.TrimPrefix(fmt.Sprintf("%T", e), "retry.")) }),
				})
				call := func() {
					_, _ = retry.Open(t.Context(), r, func(context.Context) (int, error) {
						ends("op")
						if fails {
							return 0, transient("503")
						}
						return 1, nil
					}, func(v int, release func()) int {
						ends("keep")
						release()
						return v
					})
				}
				call() // opens the circuit
				clock.Sleep(2 * time.Second)

				here = where
				fails = where == "classify"
				if strings.HasPrefix(where, "Wait") {
					// Of a call that began before the circuit opened, so that its
					// retry is a probe.
					circuit, err = retry.NewCircuit(retry.Breaker{Failures: 1, OpenFor: 0})
					require.NoError(t, err)
					r = newRetrier(t, retry.Config{Policy: r.Policy(), Clock: clock, Limit: circuit,
						Observer: retry.ObserverFunc(func(e retry.Event) { ends(strings.TrimPrefix(fmt.Sprintf("%T", e), "retry.")) })})
					fails = true
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					call()
				}()
				<-done
				assert.Empty(t, clock.Pending(), "timers left")
				here, fails = "", false
				clock.Sleep(2 * time.Second)
				assert.True(t, allowed(circuit, clock.Now()), "the circuit probes again")
			})
		}
	}
}

func TestAFailureThatMustNotBeRetriedCountsAllTheSame(t *testing.T) {
	l := &ledger{n: 9}
	once := &classed{"504", retry.Transient().WithoutRetry()}
	_, err := retry.Do(t.Context(), newRetrier(t, retry.Config{Policy: exact(3), Clock: auto(), Limit: l}), newWeather(auto(), once).call)
	assert.True(t, err == error(once))
	assert.Equal(t, []string{"allow 1 permanent", "report 1 false transient, not to be retried"}, l.log)
	assert.Equal(t, retry.Permanent(), retry.Permanent().WithoutRetry())
}

func TestLimitsAreSafeForConcurrentUse(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	circuit, err := retry.NewCircuit(retry.Breaker{Failures: 3})
	require.NoError(t, err)
	throttler, err := retry.NewThrottler(retry.Throttle{Multiplier: retry.Token, Window: time.Minute}, retry.Seeded(1, 0)(1))
	require.NoError(t, err)
	bucket := newBucket(t, retry.PerCallBudget(1000*retry.Token, 0))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 100 {
				for _, l := range []retry.Limit{circuit, throttler, bucket} {
					permit, ok := l.Allow(now, 2, retry.Transient())
					if ok {
						l.Report(now, permit, i%3 == 0, retry.Transient())
					}
					l.Abandon(now, permit)
				}
			}
		})
	}
	group.Wait()
	assert.Equal(t, 200*retry.Token, bucket.Tokens(now), "no withdrawal is lost")
}

func ExampleBucket() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	bucket, err := retry.NewBucket(retry.PerCallBudget(retry.Token, retry.Token/10))
	if err != nil {
		panic(err)
	}
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 3, BaseDelay: time.Second}, Clock: clock, Limit: bucket})
	if err != nil {
		panic(err)
	}
	attempts := 0
	for range 20 {
		_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) {
			attempts++
			return 0, &statusError{code: 503}
		})
	}
	fmt.Println(attempts, "attempts for 20 calls, not 60")
	// Output: 22 attempts for 20 calls, not 60
}

func ExampleCircuit() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	circuit, err := retry.NewCircuit(retry.Breaker{Failures: 3, OpenFor: time.Minute})
	if err != nil {
		panic(err)
	}
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 5, BaseDelay: time.Second}, Clock: clock, Limit: circuit})
	if err != nil {
		panic(err)
	}
	call := func() {
		_, err := retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, &statusError{code: 503} })
		fmt.Println(clock.Elapsed(), err)
	}
	call()
	call()
	clock.Sleep(time.Minute)
	call()
	// Output:
	// 3s status 503
	// 3s retry: refused before the first attempt by a limit (*retry.Circuit)
	// 1m3s status 503
}

func ExampleThrottler() {
	throttler, err := retry.NewThrottler(retry.Throttle{Multiplier: 2 * retry.Token, Window: 2 * time.Minute}, retry.Seeded(1, 0)(0))
	if err != nil {
		panic(err)
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	sent := 0
	for range 1000 {
		if permit, ok := throttler.Allow(now, 1, retry.Permanent()); ok {
			sent++
			throttler.Report(now, permit, false, retry.Transient())
		}
	}
	fmt.Println(sent < 20)
	// Output: true
}

// A limit of one's own: a switch for the operator.
func ExampleLimit() {
	off := &retriesOff{}
	var limit retry.Limit = off
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 9}, Limit: limit})
	if err != nil {
		panic(err)
	}
	call := func() (attempts int) {
		_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) {
			attempts++
			return 0, &statusError{code: 503}
		})
		return attempts
	}
	fmt.Println(call())
	off.Store(true)
	fmt.Println(call())
	// Output:
	// 9
	// 1
}

type retriesOff struct{ atomic.Bool }

func (o *retriesOff) Allow(_ time.Time, number int, _ retry.Classification) (retry.Permit, bool) {
	return 0, number == 1 || !o.Load()
}
func (*retriesOff) Report(time.Time, retry.Permit, bool, retry.Classification) {}
func (*retriesOff) Abandon(time.Time, retry.Permit)                            {}

func ExampleRefusedError() {
	circuit, err := retry.NewCircuit(retry.Breaker{Failures: 1, OpenFor: time.Minute})
	if err != nil {
		panic(err)
	}
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 1}, Limit: circuit})
	if err != nil {
		panic(err)
	}
	for range 2 {
		_, err = retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, &statusError{code: 503} })
		var refused *retry.RefusedError
		fmt.Println(errors.As(err, &refused), err)
	}
	// Output:
	// false status 503
	// true retry: refused before the first attempt by a limit (*retry.Circuit)
}
