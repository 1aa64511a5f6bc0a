package fleet

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Histogram counts durations in buckets that are exact below 128 ns and no
// wider than a 64th of what they hold above. It takes integers only, so
// histograms merge exactly and in any order. The zero Histogram is empty. It is
// for one goroutine at a time.
type Histogram struct {
	octaves [octaves]*[1 << subBits]int64 // nil where nothing was counted
	n       int64
	max     int64
}

const (
	subBits    = 6 // buckets of an octave, log base 2
	octaves    = 65 - subBits
	allBuckets = octaves << subBits
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
	v := max(int64(d), 0)
	*h.bucket(bucketOf(v))++
	h.n++
	h.max = max(h.max, v)
}

// bucket returns the count of a bucket, to be changed.
func (h *Histogram) bucket(i int) *int64 {
	o := h.octaves[i>>subBits]
	if o == nil {
		o = new([1 << subBits]int64)
		h.octaves[i>>subBits] = o
	}
	return &o[i&(1<<subBits-1)]
}

// all ranges over the buckets that are not empty, from small to large.
func (h *Histogram) all(yield func(bucket int, count int64) bool) {
	for k, o := range h.octaves {
		if o == nil {
			continue
		}
		for i, n := range o {
			if n > 0 && !yield(k<<subBits+i, n) {
				return
			}
		}
	}
}

// Merge adds what another histogram counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.all {
		*h.bucket(i) += n
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
	for i, n := range h.all {
		if seen += uint64(n); seen >= rank {
			return time.Duration(min(upper(i), h.max))
		}
	}
	return time.Duration(h.max)
}

// Within returns how many are not longer than d, to the width of d's bucket,
// of which all are counted.
func (h *Histogram) Within(d time.Duration) int64 {
	if d < 0 {
		return 0
	}
	var within int64
	for i, n := range h.all {
		if i > bucketOf(int64(d)) {
			break
		}
		within += n
	}
	return within
}

// histogramJSON is a Histogram as JSON: the buckets that are not empty, as
// pairs of index and count.
type histogramJSON struct {
	N       int64      `json:"n"`
	Max     int64      `json:"max_ns"`
	Buckets [][2]int64 `json:"buckets"`
}

// MarshalJSON writes the histogram so that [Histogram.UnmarshalJSON] reads it
// back unchanged.
func (h Histogram) MarshalJSON() ([]byte, error) {
	out := histogramJSON{h.n, h.max, [][2]int64{}}
	for i, n := range h.all {
		out.Buckets = append(out.Buckets, [2]int64{int64(i), n})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what [Histogram.MarshalJSON] wrote, and refuses what it
// never writes.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var in histogramJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	out := Histogram{max: in.Max}
	for k, p := range in.Buckets {
		switch {
		case p[0] < 0 || p[0] >= allBuckets || k > 0 && p[0] <= in.Buckets[k-1][0]:
			return fmt.Errorf("fleet: histogram: bucket %d is out of order", p[0])
		case p[1] <= 0 || p[1] > math.MaxInt64-out.n:
			return fmt.Errorf("fleet: histogram: bucket %d has %d", p[0], p[1])
		}
		*out.bucket(int(p[0])) = p[1]
		out.n += p[1]
	}
	if out.n != in.N || in.Max < 0 || out.n > 0 && *out.bucket(bucketOf(in.Max)) == 0 {
		return fmt.Errorf("fleet: histogram: the buckets do not make %d with the longest %d ns", in.N, in.Max)
	}
	*h = out
	return nil
}
