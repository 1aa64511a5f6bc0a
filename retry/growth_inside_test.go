package retry

import (
	"math"
	"math/big"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exactly is base·(factor/10^6)^n, as a fraction.
func exactly(base, factor, n uint64) (num, den *big.Int) {
	e := new(big.Int).SetUint64(n)
	num = new(big.Int).Exp(new(big.Int).SetUint64(factor), e, nil)
	den = new(big.Int).Exp(big.NewInt(million), e, nil)
	return num.Mul(num, new(big.Int).SetUint64(base)), den
}

func floor(num, den *big.Int) *big.Int { return new(big.Int).Quo(num, den) }

// Over the whole range of bases, factors and attempts.
func TestGrownAgainstFractions(t *testing.T) {
	words := rand.New(rand.NewPCG(1, 0))
	factors := []uint64{1_000_001, 1_010_000, 1_100_000, 1_250_000, 1_500_000, 1_600_000, 1_999_999, 2_000_001, 3_000_000, 10_000_000, 999_999_999, 1_000_000_000}
	saturated := 0
	for range 20_000 {
		factor := factors[words.IntN(len(factors))]
		if words.IntN(4) == 0 {
			factor = million + words.Uint64N(999*million+1)
		}
		// As many attempts as the answer has bits for, most of the time.
		most := 63 / math.Log2(float64(factor)/million)
		n := words.Uint64N(1 + min(uint64(most), 5000))
		base := words.Uint64() >> (1 + words.IntN(63))
		want := floor(exactly(base, factor, n))
		if !want.IsInt64() {
			want = big.NewInt(math.MaxInt64)
			saturated++
		}
		require.Equal(t, want.Int64(), int64(grown(time.Duration(base), factor, n)), "%d ns · (%d/10^6)^%d", base, factor, n)
	}
	assert.Positive(t, saturated)
}

// At every attempt from 1 to 5000, from a base whose powers are whole numbers
// as long as they can be.
func TestGrownAtEveryAttempt(t *testing.T) {
	for factor, base := range map[uint64]uint64{
		1_000_001: 1_000_000_000_000_000_000, 1_010_000: 1_000_000_000, 1_100_000: 10_000_000_000,
		1_200_000: 1, 1_250_000: 1, 1_500_000: 1 << 40, 1_600_000: 1_220_703_125, 1_999_999: 1, 3_000_000: 1,
	} {
		num, den := exactly(base, factor, 0)
		for n := range uint64(5000) {
			if got := grown(time.Duration(base), factor, n); got != math.MaxInt64 {
				require.Equal(t, floor(num, den).Int64(), int64(got), "%d · (%d/10^6)^%d", base, factor, n)
				num.Mul(num, big.NewInt(int64(factor)))
				den.Mul(den, big.NewInt(million))
				continue
			}
			require.Positive(t, floor(num, den).Cmp(big.NewInt(math.MaxInt64-1)), "(%d/10^6)^%d", factor, n)
			for later := n; later < 5000; later++ {
				require.Equal(t, time.Duration(math.MaxInt64), grown(time.Duration(base), factor, later), "(%d/10^6)^%d", factor, later)
			}
			break
		}
	}
}

// Answers that are whole numbers although no power of two is in the factor's
// denominator, the largest that there are for each attempt.
func TestGrownToWholeNumbers(t *testing.T) {
	for _, f := range []struct{ p, q uint64 }{{6, 5}, {11, 10}, {8, 5}, {101, 100}, {7, 5}, {9, 5}, {12, 5}, {21, 20}, {1_000_001, 1_000_000}} {
		p, q := uint64(1), uint64(1)
		for n := uint64(1); p <= math.MaxInt64/f.p; n++ {
			p, q = p*f.p, q*f.q
			k := math.MaxInt64 / p
			for _, base := range []uint64{q * k, q*k - 1, q*k + 1, q} {
				want := floor(exactly(base, f.p*million/f.q, n))
				if !want.IsInt64() {
					want.SetInt64(math.MaxInt64)
				}
				require.Equal(t, want.Int64(), int64(grown(time.Duration(base), f.p*million/f.q, n)), "%d · (%d/%d)^%d", base, f.p, f.q, n)
			}
		}
	}
	const fives = 476_837_158_203_125 // 5^21
	assert.Equal(t, time.Duration(math.MaxInt64), grown(fives, 1_600_000, 21), "2^63, from below")
	assert.Equal(t, time.Duration(1<<60), grown(fives/5, 1_600_000, 20))
}

// Answers so close to a whole number that 128 bits do not tell on which side:
// bases from the continued fraction of the power.
func TestGrownNextToWholeNumbers(t *testing.T) {
	below, above := 0, 0
	for _, factor := range []uint64{1_000_001, 1_010_000, 1_100_000, 1_234_567, 1_600_000} {
		for n := uint64(1); n < 1000 && math.Pow(float64(factor)/million, float64(n)) < 1<<20; n = n*5/4 + 1 {
			rest := new(big.Rat).SetFrac(exactly(1, factor, n))
			k0, k1 := big.NewInt(0), big.NewInt(1) // the last two denominators
			for {
				whole := floor(rest.Num(), rest.Denom())
				rest.Sub(rest, new(big.Rat).SetInt(whole))
				if rest.Sign() == 0 {
					break
				}
				rest.Inv(rest)
				k0, k1 = k1, new(big.Int).Add(new(big.Int).Mul(floor(rest.Num(), rest.Denom()), k1), k0)
				if k1.BitLen() > 42 {
					break
				}
				for d := range uint64(3) {
					base := k1.Uint64() + d - 1
					num, den := exactly(base, factor, n)
					want := floor(num, den)
					require.Equal(t, want.Int64(), int64(grown(time.Duration(base), factor, n)), "%d · (%d/10^6)^%d", base, factor, n)
					num.Sub(num, want.Mul(want, den)) // what is left of it
					switch part := floor(num.Lsh(num, 33), den); part.Uint64() {
					case 1<<33 - 1:
						below++
					case 0:
						above++
					}
				}
			}
		}
	}
	t.Log(below, "just below a whole number,", above, "just above or on one")
	assert.Greater(t, below, 100)
	assert.Greater(t, above, 100)
}

// From 2^28 on, an attempt has no digits left.
func TestGrownBeyondItsDigits(t *testing.T) {
	for _, n := range []uint64{1<<28 - 1, 1 << 28, 1<<28 + 1} {
		assert.Equal(t, time.Duration(math.MaxInt64), grown(1, million+1, n))
	}
}

// The comparison that decides then, on its own.
func TestReaches(t *testing.T) {
	words := rand.New(rand.NewPCG(2, 0))
	for range 2000 {
		factor := million + 1 + words.Uint64N(million)
		n := 1 + words.Uint64N(uint64(40/math.Log2(float64(factor)/million)))%2000
		base := words.Uint64() >> (44 + words.IntN(16))
		c := floor(exactly(base, factor, n))
		g := growthOf(factor)
		require.True(t, g.reaches(base, n, c.Uint64()))
		require.False(t, g.reaches(base, n, c.Uint64()+1))
	}
}

// More factors and lists than are remembered, some in the same place, and from
// several goroutines at once.
func TestMemoForgets(t *testing.T) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range uint64(300) {
				factor := million + 1 + i
				want := floor(exactly(1e9, factor, 3)).Int64()
				list := MakeDelays(time.Duration(1000+i), time.Duration(2000+i))
				for range 2 {
					assert.Equal(t, want, int64(grown(1e9, factor, 3)))
					assert.Equal(t, time.Duration(2000+i), list.at(1))
				}
			}
		})
	}
	all.Wait()
	assert.Zero(t, Delays("").at(0), "which Validate finds")
	assert.Zero(t, Delays("soon").at(0))
}
