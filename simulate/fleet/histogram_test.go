package fleet

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHistogramBuckets(t *testing.T) {
	last := -1
	for _, v := range []int64{0, 1, 2, 63, 64, 127, 128, 129, 130, 255, 256, 1e6, 1e9, 1e12, math.MaxInt64 - 1, math.MaxInt64} {
		b := bucketOf(v)
		require.GreaterOrEqual(t, b, last, v)
		require.Less(t, b, allBuckets)
		require.GreaterOrEqual(t, upper(b), v)
		require.LessOrEqual(t, upper(b)-v, v/64, "%d is in a bucket that ends at %d", v, upper(b))
		require.True(t, b == 0 || upper(b-1) < v)
		last = b
	}
}

// Against sorting.
func TestHistogramQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	var all []int64
	for range 5000 {
		v := int64(math.Exp(r.Float64()*30)) - 1
		h.Add(time.Duration(v))
		all = append(all, v)
	}
	slices.Sort(all)
	for _, q := range []Share{1, 10_000, 500_000, 900_000, 990_000, 999_000, Whole} {
		k := max((len(all)*int(q)+million-1)/million, 1) - 1
		assert.InEpsilon(t, float64(all[k])+1, float64(h.Quantile(q))+1, 1./64, "quantile %v", q)
	}
	assert.Equal(t, time.Duration(all[len(all)-1]), h.Quantile(Whole))
	assert.Equal(t, int64(5000), h.Count())
	assert.Equal(t, int64(5000), h.Within(math.MaxInt64))
	assert.Zero(t, new(Histogram).Quantile(Whole))
}

// Parts merge to the whole, in any order, through JSON.
func TestHistogramMerges(t *testing.T) {
	var whole Histogram
	parts := make([]Histogram, 7)
	for i := range 1000 {
		d := time.Duration(i * i * i)
		whole.Add(d)
		parts[i%7].Add(d)
	}
	var merged Histogram
	for _, k := range []int{3, 1, 6, 0, 2, 5, 4} {
		text, err := json.Marshal(parts[k])
		require.NoError(t, err)
		var back Histogram
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, parts[k], back)
		merged.Merge(&back)
	}
	merged.Merge(&Histogram{})
	assert.Equal(t, whole, merged)

	for _, bad := range []string{
		`{"n":1,"max_ns":5,"buckets":[]}`, `{"n":1,"max_ns":5,"buckets":[[6,1]]}`, `{"n":-1,"max_ns":5,"buckets":[[5,-1]]}`,
		`{"n":1,"max_ns":5,"buckets":[[-5,1]]}`, `{"n":2,"max_ns":5,"buckets":[[5,1],[4,1]]}`, `{"n":1,"max_ns":5,"buckets":[[99999,1]]}`, `[]`,
	} {
		assert.Error(t, json.Unmarshal([]byte(bad), new(Histogram)), bad)
	}
}

// The own histogram against what a library's costs: see the commit that has
// the figures.
func BenchmarkHistogram(b *testing.B) {
	var h Histogram
	var x uint64
	for b.Loop() {
		x = x*6364136223846793005 + 1442695040888963407
		h.Add(time.Duration(x >> 30))
	}
}
