package simulate

import (
	"math"
	"math/big"
	"slices"
	"sort"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// exact works a timetable out of the distribution of its waits. ok is false
// where that is not known, or not worth its price.
func (s *scheduler) exact() (t *Timetable, ok bool) {
	p := s.stack[0]
	lo, first, cut := s.play(least, nil)
	hi, last, _ := s.play(greatest, nil)
	if p.Jitter == retry.JitterDecorrelated || len(lo) != len(hi) { // of as many attempts as the extremes make, every call makes as many
		return nil, false
	}
	t = &Timetable{Exact: true, Cut: cut}
	var sum evenSum
	for i := range lo {
		width := hi[i].wait - lo[i].wait
		if width > 0 {
			clipped := p.Cap == retry.CapAfterJitter && hi[i].wait >= p.MaxDelay
			if clipped || hi[i].at == math.MaxInt64 || !sum.add(width+1) {
				return nil, false
			}
		}
		t.Attempts = append(t.Attempts, AttemptTimes{
			Path: []int{i + 1}, WaitMin: lo[i].wait, WaitMax: hi[i].wait,
			Start: sum.spread(lo[i].at, hi[i].at), Reached: 1, Late: sum.late(lo[i].at, s.options.Deadline),
		})
	}
	if !cut {
		t.Total = sum.spread(first, last)
	}
	return t, true
}

// evenSum is the sum of independent times, each spread evenly over [0, width):
//
//	P(sum <= x) = Σ_A (-1)^|A| · max(0, x - Σ_{i in A} width_i)^n / (n! · Π width_i)
//
// over all subsets A of the n terms (Irwin 1927 and Hall 1927 for equal widths).
// The numbers are whole, so nothing is lost in the alternating sum. Equal
// widths are counted together, which keeps a capped schedule small.
type evenSum struct {
	n      int64
	corner []corner // the subsets, by their sums
	volume *big.Int // n! · Π width
}

// corner is all subsets of one sum.
type corner struct {
	at    int64
	count *big.Int // of those of even size less those of odd size
}

// maxCorners bounds the price of a distribution.
const maxCorners = 600

// add adds a term. It reports false if the sum would become too dear.
func (e *evenSum) add(width time.Duration) bool {
	if e.n == 0 {
		e.corner, e.volume = []corner{{0, big.NewInt(1)}}, big.NewInt(1)
	}
	e.n++
	e.volume.Mul(e.volume, big.NewInt(e.n))
	e.volume.Mul(e.volume, big.NewInt(int64(width)))
	merged := make(map[int64]*big.Int)
	for _, c := range e.corner {
		for _, k := range []struct{ at, sign int64 }{{c.at, 1}, {c.at + int64(width), -1}} {
			if merged[k.at] == nil {
				merged[k.at] = new(big.Int)
			}
			merged[k.at].Add(merged[k.at], new(big.Int).Mul(c.count, big.NewInt(k.sign)))
		}
	}
	if len(merged) > maxCorners {
		return false
	}
	e.corner = e.corner[:0:0]
	for at, count := range merged {
		if count.Sign() != 0 {
			e.corner = append(e.corner, corner{at, count})
		}
	}
	slices.SortFunc(e.corner, func(a, b corner) int { return int(min(max(a.at-b.at, -1), 1)) })
	return true
}

// below returns P(sum <= x) as a numerator over volume.
func (e *evenSum) below(x int64) *big.Int {
	sum, term, power := new(big.Int), new(big.Int), big.NewInt(e.n)
	for _, c := range e.corner {
		if c.at >= x {
			break
		}
		term.Exp(term.SetInt64(x-c.at), power, nil)
		sum.Add(sum, term.Mul(term, c.count))
	}
	return sum
}

// spread returns the distribution of lo plus the sum, which is at most hi.
func (e *evenSum) spread(lo, hi time.Duration) Spread {
	s := Spread{Min: lo, Max: hi, Mean: lo + (hi-lo)/2}
	for i, q := range quantiles {
		*s.quantile(i) = lo + e.quantile(q, hi-lo)
	}
	return s
}

// quantile returns the least time that q thousandths of the sum do not exceed.
func (e *evenSum) quantile(q int64, most time.Duration) time.Duration {
	if e.n == 0 || most == 0 {
		return 0
	}
	want := new(big.Int).Mul(e.volume, big.NewInt(q))
	thousand := big.NewInt(1000)
	return time.Duration(sort.Search(int(most), func(x int) bool {
		p := e.below(int64(x))
		return p.Mul(p, thousand).Cmp(want) >= 0
	}))
}

// late returns the share of sums that, after lo, reach the deadline.
func (e *evenSum) late(lo, deadline time.Duration) float64 {
	switch {
	case deadline == 0:
		return 0
	case lo >= deadline:
		return 1
	case e.n == 0:
		return 0
	}
	below, _ := new(big.Rat).SetFrac(e.below(int64(deadline-lo)), e.volume).Float64()
	return 1 - min(below, 1)
}
