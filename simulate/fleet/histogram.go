package fleet

import (
	"math"
	"math/bits"
	"time"
)

// Histogram counts durations in buckets that are exact below 128 ns and no
// wider than a 64th of what they hold above. It takes integers only, so
// histograms merge exactly and in any order. The zero Histogram is empty.
type Histogram struct {
	counts []int64
	n      int64
	max    int64
}

const (
	subBits    = 6 // buckets of an octave, log base 2
	allBuckets = (65 - subBits) << subBits
)

func bucketOf(d int64) int {
	v := uint64(d)
	if v < 2<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift<<subBits + int(v>>shift)
}

// upper returns the largest value of a bucket.
func upper(bucket int) int64 {
	if bucket < 2<<subBits {
		return int64(bucket)
	}
	shift := bucket>>subBits - 1
	return int64((uint64(bucket&(1<<subBits-1))+1<<subBits+1)<<shift - 1)
}

// Add counts a duration; a negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	if h.counts == nil {
		h.counts = make([]int64, allBuckets)
	}
	v := max(int64(d), 0)
	h.counts[bucketOf(v)]++
	h.n++
	h.max = max(h.max, v)
}

// Merge adds what another histogram counted.
func (h *Histogram) Merge(other *Histogram) {
	if other.n == 0 {
		return
	}
	if h.counts == nil {
		h.counts = make([]int64, allBuckets)
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.n += other.n
	h.max = max(h.max, other.max)
}

// Count returns how many durations were added.
func (h *Histogram) Count() int64 { return h.n }

// Max returns the longest, 0 if there is none.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Quantile returns the smallest value that at least the share q of all is not
// above, to the width of its bucket; 0 if the histogram is empty.
func (h *Histogram) Quantile(q Share) time.Duration {
	if h.n == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(h.n), uint64(q))
	rank, rest := bits.Div64(hi, lo, million)
	if rest > 0 {
		rank++
	}
	rank = max(rank, 1)
	var seen uint64
	for i, n := range h.counts {
		if seen += uint64(n); seen >= rank {
			return time.Duration(min(upper(i), h.max))
		}
	}
	return time.Duration(h.max)
}

// Within returns how many are not longer than d, to the width of d's bucket,
// of which all are counted.
func (h *Histogram) Within(d time.Duration) int64 {
	if h.n == 0 || d < 0 {
		return 0
	}
	var n int64
	for _, c := range h.counts[:bucketOf(int64(d))+1] {
		n += c
	}
	return n
}

// Buckets returns the buckets that are not empty as pairs of index and count,
// and the longest duration; [RestoreHistogram] reads them back.
func (h *Histogram) Buckets() (pairs [][2]int64, longest time.Duration) {
	for i, n := range h.counts {
		if n > 0 {
			pairs = append(pairs, [2]int64{int64(i), n})
		}
	}
	return pairs, time.Duration(h.max)
}

// RestoreHistogram returns the histogram of what [Histogram.Buckets] returned;
// ok is false if it never did.
func RestoreHistogram(pairs [][2]int64, longest time.Duration) (h Histogram, ok bool) {
	for _, p := range pairs {
		if p[0] < 0 || p[0] >= allBuckets || p[1] <= 0 || p[1] > math.MaxInt64-h.n {
			return Histogram{}, false
		}
		if h.counts == nil {
			h.counts = make([]int64, allBuckets)
		}
		h.counts[p[0]] += p[1]
		h.n += p[1]
	}
	h.max = int64(longest)
	return h, longest >= 0
}
