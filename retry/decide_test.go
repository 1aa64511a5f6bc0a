package retry_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
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
	hint := retry.TransientAfter
	tests := []struct {
		name    string
		policy  retry.Policy
		attempt int
		class   retry.Classification
		words   words
		want    retry.Decision
	}{
		{"backoff", plain, 1, retry.Transient(), nil, retry.Decision{Reason: retry.Backoff, Wait: time.Second}},
		{"backoff, capped", plain, 4, retry.Transient(), nil, retry.Decision{Reason: retry.Backoff, Wait: 3 * time.Second}},
		{"a hint replaces a shorter backoff", plain, 1, hint(2 * time.Second), nil, retry.Decision{Reason: retry.RetryAfter, Wait: 2 * time.Second}},
		{"a hint replaces a longer backoff", plain, 4, hint(time.Millisecond), nil, retry.Decision{Reason: retry.RetryAfter, Wait: time.Millisecond}},
		{"no cap cuts a hint", plain, 1, hint(time.Hour), nil, retry.Decision{Reason: retry.RetryAfter, Wait: time.Hour}},
		{"a zero hint means at once", jittered, 1, hint(0), words{highest}, retry.Decision{Reason: retry.RetryAfter}},
		{"a negative hint is a zero hint", plain, 1, hint(-time.Second), nil, retry.Decision{Reason: retry.RetryAfter}},
		{"least jitter", jittered, 1, retry.Transient(), words{lowest}, retry.Decision{Reason: retry.Backoff, Wait: time.Second}},
		{"most jitter stays below a tenth", jittered, 1, retry.Transient(), words{highest},
			retry.Decision{Reason: retry.Backoff, Wait: 1_099_999_999, Jitter: 99_999_999}},
		{"jitter exceeds the cap", jittered, 4, retry.Transient(), words{highest},
			retry.Decision{Reason: retry.Backoff, Wait: 3_299_999_999, Jitter: 299_999_999}},
		{"jitter only adds to a hint", jittered, 1, hint(10 * time.Second), words{1 << 63},
			retry.Decision{Reason: retry.RetryAfter, Wait: 10_500 * time.Millisecond, Jitter: 500 * time.Millisecond}},
		{"9 ns have no tenth", jittered, 1, hint(9), words{highest}, retry.Decision{Reason: retry.RetryAfter, Wait: 9}},
		{"19 ns have one whole tenth, of which [0, 1) is nothing", jittered, 1, hint(19), words{highest}, retry.Decision{Reason: retry.RetryAfter, Wait: 19}},
		{"20 ns have two", jittered, 1, hint(20), words{highest}, retry.Decision{Reason: retry.RetryAfter, Wait: 21, Jitter: 1}},
		{"the longest wait saturates", jittered, 1, hint(math.MaxInt64 - 1), words{highest},
			retry.Decision{Reason: retry.RetryAfter, Wait: math.MaxInt64, Jitter: 1}},
		{"last attempt", jittered, 5, retry.Transient(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"beyond the last attempt", jittered, 6, retry.Transient(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"the last attempt's class changes nothing", jittered, 5, retry.Permanent(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"permanent", jittered, 1, retry.Permanent(), nil, retry.Decision{Reason: retry.NotTransient}},
		{"the zero policy makes one call", retry.Policy{}, 1, retry.Transient(), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"fewer than one attempt acts as one", retry.Policy{MaxAttempts: -3}, 1, hint(1), nil, retry.Decision{Reason: retry.LastAttempt}},
		{"unlimited", retry.Policy{MaxAttempts: retry.Unlimited, BaseDelay: 1}, 1_000_000_000, hint(7), nil, retry.Decision{Reason: retry.RetryAfter, Wait: 7}},
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

func TestDecisionInWords(t *testing.T) {
	tests := []struct {
		decision retry.Decision
		want     string
	}{
		{retry.Decision{Reason: retry.Backoff, Wait: 1_100 * time.Millisecond, Jitter: 100 * time.Millisecond}, "backoff 1s + jitter 100ms"},
		{retry.Decision{Reason: retry.RetryAfter, Wait: 50 * time.Millisecond}, "retry-after 50ms"},
		{retry.Decision{Reason: retry.LastAttempt}, "last attempt"},
		{retry.Decision{Reason: retry.NotTransient}, "permanent error"},
		{retry.Decision{Reason: retry.Cancelled}, "cancelled"},
		{retry.Decision{Reason: retry.Succeeded}, "succeeded"},
		{retry.Decision{}, "unknown"},
		{retry.Decision{Reason: 99}, "unknown"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, tt.decision.String())
	}
}

// Bounds over everything: a wait is never shorter than the hint or the
// backoff, its jitter stays in the window, and the sum does not overflow.
func TestDecideStaysInItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := propertytest.Policies().Draw(t, "policy")
		f := retry.Failure{Attempt: rapid.IntRange(1, 5000).Draw(t, "attempt"), Class: retry.Transient()}
		base := p.Backoff(f.Attempt)
		if rapid.Bool().Draw(t, "hinted") {
			base = propertytest.Delays().Draw(t, "hint")
			f.Class = retry.TransientAfter(base)
		}
		src := &words{rapid.Uint64().Draw(t, "word")}
		d := p.Decide(f, src)
		if f.Attempt >= p.MaxAttempts {
			require.Equal(t, retry.Decision{Reason: retry.LastAttempt}, d)
			return
		}
		require.True(t, d.Retry())
		require.Equal(t, base, d.Wait-d.Jitter)
		require.GreaterOrEqual(t, d.Wait, base)
		require.GreaterOrEqual(t, d.Jitter, time.Duration(0))
		if p.Jitter == retry.JitterNone || base < 10 {
			require.Zero(t, d.Jitter)
		} else {
			require.Less(t, d.Jitter, base/10)
		}
	})
}

// The Dvoretzky-Kiefer-Wolfowitz bound with Massart's constant: n independent
// draws of the right distribution leave the band with probability 2·exp(-2nε²),
// here 1e-9. The seeds are fixed, so the test is deterministic.
func TestAdditiveJitterIsUniform(t *testing.T) {
	const n = 4000
	band := math.Sqrt(math.Log(2/1e-9) / (2 * n))
	p := retry.Policy{MaxAttempts: 9, BaseDelay: 10 * time.Second, MaxDelay: 40 * time.Second, Jitter: retry.JitterAdditive}
	draws := make([][]float64, 6) // by attempt, over clients
	for client := range uint64(n) {
		src := retry.Seeded(1, client)(1)
		for i := range draws {
			d := p.Decide(retry.Failure{Attempt: i + 1, Class: retry.Transient()}, src)
			draws[i] = append(draws[i], float64(d.Jitter)/(float64(d.Wait-d.Jitter)/10))
		}
	}
	for i, u := range draws {
		assert.Less(t, supDistance(u), band, "attempt %d: the offset is uniform over clients", i+1)
		if i == 0 {
			continue
		}
		gap := make([]float64, n) // uniform if the two draws are independent
		for c := range gap {
			gap[c] = math.Mod(draws[i-1][c]-u[c]+1, 1)
		}
		assert.Less(t, supDistance(gap), band, "attempts %d and %d of a client are independent", i, i+1)
	}
	neighbours := make([]float64, 0, n/2)
	for c := 0; c < n; c += 2 {
		neighbours = append(neighbours, math.Mod(draws[0][c]-draws[0][c+1]+1, 1))
	}
	assert.Less(t, supDistance(neighbours), band*math.Sqrt2, "neighbouring clients are independent")
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
	src := retry.Seeded(1, 0)(1)
	assert.Equal(t, []uint64{0x4f8aa9f070c89daa, 0xd069c6f0dcda0c2a, 0xa20f79f0bba93af8}, []uint64{src.Uint64(), src.Uint64(), src.Uint64()})
}
