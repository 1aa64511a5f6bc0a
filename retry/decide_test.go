package retry_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/retry"
)

// words is a source of given words; it panics when asked for more.
type words []uint64

func (w *words) Uint64() uint64 {
	first := (*w)[0]
	*w = (*w)[1:]
	return first
}

func TestDecide(t *testing.T) {
	const lowest, highest = 0, math.MaxUint64
	plain := retry.Policy{MaxAttempts: 5, BaseDelay: time.Second, MaxDelay: 3 * time.Second}
	jittered := plain
	jittered.Jitter = retry.JitterAdditive
	const s, ms = time.Second, time.Millisecond
	hint := retry.TransientAfter
	hinted := func(d time.Duration) retry.Decision { return retry.Decision{Reason: retry.RetryAfter, Wait: d} }
	jittering := func(d, jitter time.Duration) retry.Decision {
		return retry.Decision{Reason: retry.Backoff, Wait: d, Jitter: jitter}
	}
	wait := func(d time.Duration) retry.Decision { return jittering(d, 0) }
	policy := func(text string) retry.Policy {
		p, err := retry.ParsePolicy(text)
		require.NoError(t, err)
		return p
	}
	tests := []struct {
		name    string
		policy  retry.Policy
		attempt int
		class   retry.Classification
		words   words
		want    retry.Decision
	}{
		{"C6: backoff", plain, 1, retry.Transient(), nil, retry.Decision{Reason: retry.Backoff, Wait: time.Second}},
		{"C6: throttled, with no delay of its own", plain, 1, retry.Transient().Throttled(), nil, wait(s)},
		{"C6: backoff, capped", plain, 4, retry.Transient(), nil, retry.Decision{Reason: retry.Backoff, Wait: 3 * time.Second}},
		{"C5: a hint replaces a shorter backoff", plain, 1, hint(2 * time.Second), nil, retry.Decision{Reason: retry.RetryAfter, Wait: 2 * time.Second}},
		{"C5: a hint replaces a longer backoff", plain, 4, hint(time.Millisecond), nil, retry.Decision{Reason: retry.RetryAfter, Wait: time.Millisecond}},
		{"C5: no cap cuts a hint", plain, 1, hint(time.Hour), nil, retry.Decision{Reason: retry.RetryAfter, Wait: time.Hour}},
		{"C5: a zero hint means at once", jittered, 1, hint(0), words{highest}, retry.Decision{Reason: retry.RetryAfter}},
		{"C5: a negative hint is a zero hint", plain, 1, hint(-time.Second), nil, retry.Decision{Reason: retry.RetryAfter}},
		{"C7: least jitter", jittered, 1, retry.Transient(), words{lowest}, retry.Decision{Reason: retry.Backoff, Wait: time.Second}},
		{"C7: most jitter stays below a tenth", jittered, 1, retry.Transient(), words{highest},
			retry.Decision{Reason: retry.Backoff, Wait: 1_099_999_999, Jitter: 99_999_999}},
		{"C7: jitter exceeds the cap", jittered, 4, retry.Transient(), words{highest},
			retry.Decision{Reason: retry.Backoff, Wait: 3_299_999_999, Jitter: 299_999_999}},
		{"C7: jitter only adds to a hint", jittered, 1, hint(10 * time.Second), words{1 << 63},
			retry.Decision{Reason: retry.RetryAfter, Wait: 10_500 * time.Millisecond, Jitter: 500 * time.Millisecond}},
		{"C7: 9 ns have no tenth", jittered, 1, hint(9), words{highest}, retry.Decision{Reason: retry.RetryAfter, Wait: 9}},
		{"C7: 19 ns have one whole tenth, of which [0, 1) is nothing", jittered, 1, hint(19), words{highest}, retry.Decision{Reason: retry.RetryAfter, Wait: 19}},
		{"C7: 20 ns have two", jittered, 1, hint(20), words{highest}, retry.Decision{Reason: retry.RetryAfter, Wait: 21, Jitter: 1}},
		{"C6: the longest wait saturates", jittered, 1, hint(math.MaxInt64 - 1), words{highest},
			retry.Decision{Reason: retry.RetryAfter, Wait: math.MaxInt64, Jitter: 1}},
		{"C6: linear", policy("linear:base=1s,step=300ms,cap=2s,jitter=none,attempts=9"), 4, retry.Transient(), nil, wait(1900 * ms)},
		{"C6: linear, capped", policy("linear:base=1s,step=300ms,cap=2s,jitter=none,attempts=9"), 5, retry.Transient(), nil, wait(2 * s)},
		{"C6: linear steps by its base", policy("linear:base=1s,cap=none,jitter=none,attempts=9"), 5, retry.Transient(), nil, wait(5 * s)},
		{"C6: constant", policy("const:base=1s,jitter=none,attempts=9"), 8, retry.Transient(), nil, wait(s)},
		{"C6: list", policy("list:delays=1s/5s,jitter=none,attempts=9"), 2, retry.Transient(), nil, wait(5 * s)},
		{"C6: list, beyond its end", policy("list:delays=1s/5s,jitter=none,attempts=9"), 7, retry.Transient(), nil, wait(5 * s)},
		{"C6: multiplier", policy("exp:base=100ms,factor=1.5,jitter=none,attempts=9"), 4, retry.Transient(), nil, wait(337500 * time.Microsecond)},
		{"C7: full, least", policy("exp:base=1s,jitter=full,attempts=9"), 2, retry.Transient(), words{lowest}, jittering(0, -2*s)},
		{"C7: full, most", policy("exp:base=1s,jitter=full,attempts=9"), 2, retry.Transient(), words{highest}, jittering(2*s-1, -1)},
		{"C7: equal, least", policy("exp:base=1s,jitter=equal,attempts=9"), 1, retry.Transient(), words{lowest}, jittering(500*ms, -500*ms)},
		{"C7: plus-minus, most", policy("exp:base=1s,jitter=-20%+20%,attempts=9"), 1, retry.Transient(), words{highest}, jittering(1200*ms-1, 200*ms-1)},
		{"C7: plus-minus may exceed the cap", policy("exp:base=1s,cap=1s,jitter=-20%+20%,attempts=9"), 4, retry.Transient(), words{highest}, jittering(1200*ms-1, 200*ms-1)},
		{"C7: capped after the jitter it may not", policy("exp:base=1s,cap=1s,capped=after-jitter,jitter=-20%+20%,attempts=9"), 1, retry.Transient(), words{highest}, jittering(s, 0)},
		{"C7: capped after the jitter the window is the uncapped one", policy("exp:base=1s,cap=5s,capped=after-jitter,jitter=full,attempts=9"), 4, retry.Transient(), words{1 << 63}, jittering(4*s, -4*s)},
		{"C7: capped exactly, at the cap", policy("exp:base=1s,cap=4s,capped=exact,jitter=full,attempts=9"), 3, retry.Transient(), words{1 << 63}, jittering(2*s, -2*s)},
		{"C7: capped exactly, beyond it", policy("exp:base=1s,cap=4s,capped=exact,jitter=full,attempts=9"), 4, retry.Transient(), words{1 << 63}, wait(4 * s)},
		{"C7: capped exactly, at the cap by a multiplier", policy("exp:base=1s,factor=4,cap=16s,capped=exact,jitter=full,attempts=9"), 3, retry.Transient(), words{1 << 63}, jittering(8*s, -8*s)},
		{"C7: capped exactly, beyond it by a multiplier", policy("exp:base=1s,factor=4,cap=16s,capped=exact,jitter=full,attempts=9"), 4, retry.Transient(), words{1 << 63}, wait(16 * s)},
		{"C7: decorrelated, least", policy("exp:base=1s,cap=20s,jitter=decorrelated,attempts=9"), 1, retry.Transient(), words{lowest}, wait(s)},
		{"C7: decorrelated, most", policy("exp:base=1s,cap=20s,jitter=decorrelated,attempts=9"), 1, retry.Transient(), words{highest}, jittering(3*s-1, 2*s-1)},
		{"C7: other kinds add nothing to a hint", policy("exp:base=1s,jitter=full,attempts=9"), 1, hint(7 * s), words{highest}, hinted(7 * s)},
		{"C5: the larger: the hint", policy("exp:base=4s,retry-after=larger,jitter=none,attempts=9"), 1, hint(5 * s), nil, hinted(5 * s)},
		{"C5: the larger: the backoff", policy("exp:base=4s,retry-after=larger,jitter=none,attempts=9"), 1, hint(3 * s), nil, wait(4 * s)},
		{"C5: the larger: the backoff with its jitter", policy("exp:base=4s,retry-after=larger,attempts=9"), 1, hint(4100 * ms), words{1 << 63}, jittering(4200*ms, 200*ms)},
		{"C5: the larger: both the same", policy("exp:base=4s,retry-after=larger,jitter=none,attempts=9"), 1, hint(4 * s), nil, hinted(4 * s)},
		{"C5: window: at its lower end", policy("exp:base=4s,max-retry-after=5s,long-retry-after=window,jitter=none,attempts=9"), 1, hint(4 * s), nil, wait(4 * s)},
		{"C5: ignored", policy("exp:base=4s,retry-after=ignore,jitter=none,attempts=9"), 1, hint(time.Hour), nil, wait(4 * s)},
		{"C5: as long as it may be", policy("exp:max-retry-after=60s,long-retry-after=give-up,jitter=none,attempts=9"), 1, hint(60 * s), nil, hinted(60 * s)},
		{"C5: too long: clamped", policy("exp:max-retry-after=60s,jitter=none,attempts=9"), 1, hint(61 * s), nil, hinted(60 * s)},
		{"C5: too long: dropped", policy("exp:max-retry-after=60s,long-retry-after=drop,jitter=none,attempts=9"), 1, hint(61 * s), nil, wait(s)},
		{"C5: too long: given up", policy("exp:max-retry-after=60s,long-retry-after=give-up,jitter=none,attempts=9"), 1, hint(60*s + 1), nil, retry.Decision{Reason: retry.LongRetryAfter}},
		{"C5: window: below", policy("exp:base=4s,max-retry-after=5s,long-retry-after=window,jitter=none,attempts=9"), 1, hint(3 * s), nil, wait(4 * s)},
		{"C5: window: inside", policy("exp:base=4s,max-retry-after=5s,long-retry-after=window,jitter=none,attempts=9"), 1, hint(8 * s), nil, hinted(8 * s)},
		{"C5: window: above", policy("exp:base=4s,max-retry-after=5s,long-retry-after=window,jitter=none,attempts=9"), 1, hint(time.Hour), nil, hinted(9 * s)},
		{"C1: last attempt", jittered, 5, retry.Transient(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"C1: beyond the last attempt", jittered, 6, retry.Transient(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"C2: the last attempt's class changes nothing", jittered, 5, retry.Permanent(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"C3: permanent", jittered, 1, retry.Permanent(), nil, retry.Decision{Reason: retry.NotTransient}},
		{"C1: the zero policy makes one call", retry.Policy{}, 1, retry.Transient(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"C1: fewer than one attempt acts as one", retry.Policy{MaxAttempts: -3}, 1, hint(1), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"C1: unlimited", retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 1}, 1_000_000_000, hint(7), nil, retry.Decision{Reason: retry.RetryAfter, Wait: 7}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var src rand.Source
			left := slices.Clone(tt.words)
			if tt.words != nil {
				src = &left
			}
			assert.Equal(t, tt.want, tt.policy.Decide(retry.Failure{Attempt: tt.attempt, Class: tt.class}, src))
			assert.Empty(t, left, "a granted retry takes exactly one word")
		})
	}
}

func TestALongHintIsTheReasonEvenWhenItIsTooLateAnyway(t *testing.T) {
	p, err := retry.ParsePolicy("exp:max-retry-after=60s,long-retry-after=give-up,elapsed=1s,jitter=none")
	require.NoError(t, err)
	got := p.Decide(retry.Failure{Attempt: 1, Class: retry.TransientAfter(time.Hour), Elapsed: time.Minute}, nil)
	assert.Equal(t, retry.Decision{Reason: retry.LongRetryAfter}, got)
}

func TestDecisionInWords(t *testing.T) {
	tests := []struct {
		decision retry.Decision
		want     string
	}{
		{retry.Decision{Reason: retry.Backoff, Wait: 1_100 * time.Millisecond, Jitter: 100 * time.Millisecond}, "backoff 1s + jitter 100ms"},
		{retry.Decision{Reason: retry.Backoff, Wait: 300 * time.Millisecond, Jitter: -700 * time.Millisecond}, "backoff 1s - jitter 700ms"},
		{retry.Decision{Reason: retry.RetryAfter, Wait: 50 * time.Millisecond}, "retry-after 50ms"},
		{retry.Decision{Reason: retry.ElapsedLimit, Wait: time.Second}, "elapsed limit"},
		{retry.Decision{Reason: retry.LongRetryAfter}, "retry-after too long"},
		{retry.Decision{Reason: retry.LastAttempt}, "last attempt"},
		{retry.Decision{Reason: retry.NotTransient}, "permanent error"},
		{retry.Decision{Reason: retry.Cancelled}, "cancelled"},
		{retry.Decision{Reason: retry.Succeeded}, "succeeded"},
		{retry.Decision{}, "unknown"},
		{retry.Decision{Reason: retry.Refused + 1}, "unknown"},
		{retry.Decision{Reason: 99}, "unknown"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, tt.decision.String())
	}
}

// The Dvoretzky-Kiefer-Wolfowitz bound with Massart's constant: n independent
// draws of the right distribution leave the band with probability 2·exp(-2nε²),
// here 1e-9. The seeds are fixed, so the test is deterministic.
func TestJitterIsUniform(t *testing.T) {
	holds(t, "C7")
	const n = 4000
	band := math.Sqrt(math.Log(2/1e-9) / (2 * n))
	for _, tt := range []struct {
		jitter     string
		low, width float64 // of the window, in delays
	}{
		{"additive", 1, 0.1},
		{"full", 0, 1},
		{"equal", 0.5, 0.5},
		{"-20%+20%", 0.8, 0.4},
		{"-25%+0%", 0.75, 0.25},
	} {
		t.Run(tt.jitter, func(t *testing.T) {
			p, err := retry.ParsePolicy("exp:base=10s,cap=40s,attempts=9,jitter=" + tt.jitter)
			require.NoError(t, err)
			draws := make([][]float64, 6) // by attempt, over clients
			for client := range uint64(n) {
				src := retry.Seeded(1, client)(1)
				for i := range draws {
					d := p.Decide(retry.Failure{Attempt: i + 1, Class: retry.Transient()}, src)
					draws[i] = append(draws[i], (float64(d.Wait)/float64(p.Backoff(i+1))-tt.low)/tt.width)
				}
			}
			for i, u := range draws {
				assert.Less(t, supDistance(u), band, "attempt %d: uniform over clients", i+1)
				if i > 0 {
					assert.Less(t, supDistance(gaps(draws[i-1], u)), band, "attempts %d and %d of a client are independent", i, i+1)
				}
			}
			var even, odd []float64
			for c := 0; c < n; c += 2 {
				even, odd = append(even, draws[0][c]), append(odd, draws[0][c+1])
			}
			assert.Less(t, supDistance(gaps(even, odd)), band*math.Sqrt2, "neighbouring clients are independent")
		})
	}
}

// The decorrelated wait is uniform over its own window.
func TestDecorrelatedJitterIsUniform(t *testing.T) {
	const n = 4000
	p := retry.Policy{MaxAttempts: 9, BaseDelay: time.Second, Jitter: retry.JitterDecorrelated}
	var u []float64
	for client := range uint64(n) {
		d := p.Decide(retry.Failure{Attempt: 2, Class: retry.Transient(), Previous: 4 * time.Second}, retry.Seeded(1, client)(1))
		u = append(u, (d.Wait.Seconds()-1)/11)
	}
	assert.Less(t, supDistance(u), math.Sqrt(math.Log(2/1e-9)/(2*n)))
}

// gaps are uniform on [0, 1) if a and b are and do not depend on each other.
func gaps(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range out {
		out[i] = math.Mod(a[i]-b[i]+1, 1)
	}
	return out
}

// supDistance is the largest distance between the empirical distribution of u
// and the uniform one on [0, 1).
func supDistance(u []float64) float64 {
	u = slices.Clone(u)
	slices.Sort(u)
	worst := 0.0
	for i, x := range u {
		worst = max(worst, x-float64(i)/float64(len(u)), float64(i+1)/float64(len(u))-x)
	}
	return worst
}

func TestSeededDependsOnSeedClientAndCall(t *testing.T) {
	holds(t, "C11")
	first := func(seed, client, call uint64) uint64 { return retry.Seeded(seed, client)(call).Uint64() }
	assert.Equal(t, first(1, 2, 3), first(1, 2, 3))

	seen := make(map[uint64][3]uint64)
	for seed := range uint64(16) {
		for client := range uint64(16) {
			for call := range uint64(16) {
				word := first(seed, client, call)
				other, dup := seen[word]
				require.False(t, dup, "(seed, client, call) %v and %v draw the same word", [3]uint64{seed, client, call}, other)
				seen[word] = [3]uint64{seed, client, call}
			}
		}
	}
}

// The words are part of what a seed promises: a change of any of them changes
// every recorded schedule.
func TestSeededWordsNeverChange(t *testing.T) {
	holds(t, "C11")
	src := retry.Seeded(1, 0)(1)
	assert.Equal(t, []uint64{0x4f8aa9f070c89daa, 0xd069c6f0dcda0c2a, 0xa20f79f0bba93af8}, []uint64{src.Uint64(), src.Uint64(), src.Uint64()})
}
