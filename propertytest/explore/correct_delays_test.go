package explore_test

import (
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Delay functions that find the same delay by other arithmetic.

// bigDelay counts in integers without bounds, and leaves jitter to a float.
func bigDelay(e explore.Env) func(int) time.Duration {
	words := rand.New(e.Source())
	most := big.NewInt(math.MaxInt64)
	return func(attempt int) time.Duration {
		d := new(big.Int).Lsh(big.NewInt(int64(e.Policy.BaseDelay)), uint(attempt-1))
		if limit := big.NewInt(int64(e.Policy.MaxDelay)); limit.Sign() > 0 && d.Cmp(limit) > 0 {
			d = limit
		}
		if e.Policy.Jitter == retry.JitterAdditive {
			d.Add(d, big.NewInt(int64(words.Float64()*float64(new(big.Int).Quo(d, big.NewInt(10)).Int64()))))
		}
		if d.Cmp(most) > 0 {
			d = most
		}
		return time.Duration(d.Int64())
	}
}

// listedDelay looks the delay up in a list that is made once.
func listedDelay(e explore.Env) func(int) time.Duration {
	list := []time.Duration{e.Policy.BaseDelay}
	for d := e.Policy.BaseDelay; d > 0 && d <= math.MaxInt64/2; {
		d *= 2
		list = append(list, d)
	}
	if e.Policy.BaseDelay > 0 {
		list = append(list, math.MaxInt64)
	}
	if limit := e.Policy.MaxDelay; limit > 0 && e.Policy.BaseDelay > 0 {
		list = append(list[:sort.Search(len(list), func(i int) bool { return list[i] >= limit })], limit)
	}
	words := rand.New(e.Source())
	return func(attempt int) time.Duration {
		d := list[min(attempt, len(list))-1]
		if e.Policy.Jitter != retry.JitterAdditive || d < 10 {
			return d
		}
		return add(d, time.Duration(words.Int64N(int64(d/10))))
	}
}

// shiftedDelay multiplies by a power of two in 128 bits.
func shiftedDelay(e explore.Env) func(int) time.Duration {
	limit := uint64(math.MaxInt64)
	if e.Policy.MaxDelay > 0 {
		limit = uint64(e.Policy.MaxDelay)
	}
	words := e.Source()
	return func(attempt int) time.Duration {
		var d uint64
		if e.Policy.BaseDelay > 0 {
			hi, lo := bits.Mul64(uint64(e.Policy.BaseDelay), 1<<min(uint(attempt-1), 63))
			if d = lo; hi != 0 || attempt > 64 || lo > limit {
				d = limit
			}
		}
		if e.Policy.Jitter == retry.JitterAdditive {
			offset, _ := bits.Mul64(words.Uint64(), d/10)
			d = min(d+offset, math.MaxInt64)
		}
		return time.Duration(d)
	}
}

// floatDelay counts in floats, which hold the delays exactly until they are
// beyond the largest duration.
func floatDelay(e explore.Env) func(int) time.Duration {
	words := rand.New(e.Source())
	return func(attempt int) time.Duration {
		d := time.Duration(math.MaxInt64)
		if f := math.Ldexp(float64(e.Policy.BaseDelay), attempt-1); f < 1<<63 {
			d = time.Duration(f)
		}
		if e.Policy.MaxDelay > 0 && d > e.Policy.MaxDelay {
			d = e.Policy.MaxDelay
		}
		if e.Policy.Jitter == retry.JitterAdditive && d >= 10 {
			d = add(d, time.Duration(words.Int64N(int64(d/10))))
		}
		return d
	}
}

// halvedDelay asks whether the cap, halved as often as the delay was doubled, is
// below the base: so nothing overflows.
func halvedDelay(e explore.Env) func(int) time.Duration {
	limit, words := e.Policy.MaxDelay, rand.New(e.Source())
	if limit <= 0 {
		limit = math.MaxInt64
	}
	return func(attempt int) time.Duration {
		d := limit
		if by := min(attempt-1, 63); limit>>by >= e.Policy.BaseDelay {
			d = min(e.Policy.BaseDelay<<by, limit)
		}
		if e.Policy.BaseDelay == 0 {
			d = 0
		}
		if e.Policy.Jitter == retry.JitterAdditive && d/10 > 0 {
			offset := uint64(0) // the window times a fraction, bit by bit
			for window, bit := uint64(d/10)>>1, words.Uint64(); window > 0; window, bit = window>>1, bit>>1 {
				offset += window * (bit & 1)
			}
			d = add(d, time.Duration(offset))
		}
		return d
	}
}
