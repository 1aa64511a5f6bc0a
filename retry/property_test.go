package retry_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/retry"
)

// bigBackoff is the schedule in unbounded integers, by its formula. It shares
// no code with Backoff.
func bigBackoff(p retry.Policy, attempt int) *big.Int {
	factor, million := big.NewInt(2_000_000), big.NewInt(1_000_000)
	if p.Multiplier != 0 {
		factor = big.NewInt(int64(math.Round(p.Multiplier * 1e6)))
	}
	step := big.NewInt(int64(p.Step))
	if p.Step == 0 {
		step = big.NewInt(int64(p.BaseDelay))
	}
	n := big.NewInt(int64(attempt) - 1)
	delay := big.NewInt(int64(p.BaseDelay))
	switch p.Schedule {
	case retry.List:
		list := p.Delays.List()
		delay = big.NewInt(int64(list[min(attempt, len(list))-1]))
	case retry.Linear:
		delay.Add(delay, step.Mul(step, n))
	case retry.Exponential:
		delay.Mul(delay, factor.Exp(factor, n, nil))
		delay.Div(delay, million.Exp(million, n, nil))
	}
	for _, limit := range []int64{int64(p.MaxDelay), math.MaxInt64} {
		if (limit > 0) && (limit == math.MaxInt64 || p.Cap != retry.CapAfterJitter) && delay.Cmp(big.NewInt(limit)) > 0 {
			delay = big.NewInt(limit)
		}
	}
	return delay
}

func TestBackoffAgainstBigIntegers(t *testing.T) {
	holds(t, "C6")
	rapid.Check(t, func(t *rapid.T) {
		p := propertytest.Policies().Draw(t, "policy")
		attempt := rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(1, 5000)).Draw(t, "attempt")
		got := p.Backoff(attempt)
		require.Equal(t, bigBackoff(p, attempt).Int64(), int64(got))
		if p.Schedule != retry.List {
			require.GreaterOrEqual(t, p.Backoff(attempt+1), got, "no schedule but a list ever shrinks")
		}
	})
}

// bounds is what the contract says of the wait after a failure: the shortest,
// and the first that is too long.
func bounds(p retry.Policy, f retry.Failure) (low, high *big.Int) {
	one := big.NewInt(1)
	delay := bigBackoff(p, f.Attempt)
	part := func(of *big.Int, n uint32) *big.Int {
		return new(big.Int).Div(new(big.Int).Mul(of, big.NewInt(int64(n))), big.NewInt(1000))
	}
	window := func(of *big.Int, j retry.Jitter) (*big.Int, *big.Int) {
		low, high := new(big.Int).Sub(of, part(of, uint32(j)&0xffff)), new(big.Int).Add(of, part(of, uint32(j)>>16))
		if low.Cmp(high) == 0 {
			high.Add(high, one)
		}
		return low, high
	}
	atMost := func(n *big.Int, limit int64) *big.Int {
		if l := big.NewInt(limit); n.Cmp(l) > 0 {
			return l
		}
		return n
	}
	switch {
	case p.Jitter == retry.JitterDecorrelated:
		low = big.NewInt(int64(p.BaseDelay))
		high = new(big.Int).Add(new(big.Int).Mul(big.NewInt(3), big.NewInt(int64(max(f.Previous, p.BaseDelay)))), one)
		if p.MaxDelay > 0 {
			low, high = atMost(low, int64(p.MaxDelay)), atMost(high, int64(p.MaxDelay))
		}
		return low, high.Add(high, one)
	case p.Cap == retry.CapExact:
		loose := p
		loose.MaxDelay, loose.Cap = 0, 0
		if bigBackoff(loose, f.Attempt).Cmp(big.NewInt(int64(p.MaxDelay))) > 0 {
			return delay, new(big.Int).Add(delay, one)
		}
	}
	low, high = window(delay, p.Jitter)
	if p.Cap == retry.CapAfterJitter {
		low, high = atMost(low, int64(p.MaxDelay)), new(big.Int).Add(atMost(high, int64(p.MaxDelay)), one)
	}
	return low, high
}

// Over everything: no wait is negative, overflows or leaves its bounds.
func TestDecideStaysInItsBounds(t *testing.T) {
	seen := make(map[retry.Reason]bool)
	rapid.Check(t, func(t *rapid.T) {
		p := propertytest.Policies().Draw(t, "policy")
		f := retry.Failure{
			Attempt:  rapid.OneOf(rapid.IntRange(1, 8), rapid.IntRange(1, 5000)).Draw(t, "attempt"),
			Class:    retry.Transient(),
			Elapsed:  propertytest.Delays().Draw(t, "elapsed"),
			Previous: propertytest.Delays().Draw(t, "previous"),
		}
		src := &words{rapid.Uint64().Draw(t, "word")}
		d := p.Decide(f, src)
		seen[d.Reason] = true
		if f.Attempt >= p.MaxAttempts {
			require.Equal(t, retry.Decision{Reason: retry.LastAttempt}, d)
			return
		}
		low, high := bounds(p, f)
		got := big.NewInt(int64(d.Wait))
		require.GreaterOrEqual(t, got.Cmp(low), 0, "%v is below %v", d.Wait, low)
		if d.Wait != math.MaxInt64 {
			require.Less(t, got.Cmp(high), 0, "%v reaches %v", d.Wait, high)
		}
		refused := p.MaxElapsed > 0 && new(big.Int).Add(got, big.NewInt(int64(f.Elapsed))).Cmp(big.NewInt(int64(p.MaxElapsed))) > 0
		require.Equal(t, !refused, d.Retry())
	})
	if !testing.Short() { // few cases need not hold every reason
		assert.Len(t, seen, 3, "backoff, last attempt and elapsed limit all came up")
	}
}

func TestPolicyTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := propertytest.Policies().Draw(t, "policy")
		text, err := p.MarshalText()
		require.NoError(t, err)
		var q retry.Policy
		require.NoError(t, q.UnmarshalText(text))
		if p != (retry.Policy{}) {
			p.MaxAttempts = max(p.MaxAttempts, 1)
		}
		require.Equal(t, p, q)
		require.Equal(t, string(text), q.String())
	})
}
