package fleet

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated files anew")

// quantileOfNormal is the entry of the normal table: the value that the
// absolute of a standard normal variable exceeds with probability v.
func quantileOfNormal(i int) float64 {
	octave, cell := i>>normalCells, i&(1<<normalCells-1)
	v := math.Ldexp(1+float64(cell)/(1<<normalCells), octave-normalOctaves)
	if v > 0.5 {
		return math.Sqrt2 * math.Erfinv(1-v)
	}
	return math.Sqrt2 * math.Erfcinv(v)
}

// The table of normal quantiles is written down rather than computed at the
// start, so that it is the same on every machine.
func TestNormalTable(t *testing.T) {
	if *update {
		var b bytes.Buffer
		fmt.Fprintf(&b, "// Written by go test -run TestNormalTable -update. DO NOT EDIT.\n\npackage fleet\n\n")
		fmt.Fprintf(&b, "var normalTable = [normalOctaves<<normalCells + 1]uint32{")
		for i := range normalOctaves<<normalCells + 1 {
			if i%8 == 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%#x, ", uint32(math.Round(math.Ldexp(quantileOfNormal(i), normalBits))))
		}
		b.WriteString("\n}\n")
		text, err := format.Source(b.Bytes())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("normaltable.go", text, 0o666))
		return
	}
	for i, got := range normalTable {
		assert.InDelta(t, math.Ldexp(quantileOfNormal(i), normalBits), float64(got), 1, "entry %d", i)
	}
}

func TestTables(t *testing.T) {
	for i := range 1<<tableBits + 1 {
		x := float64(i) / (1 << tableBits)
		assert.InDelta(t, math.Ldexp(math.Log1p(x), 32), float64(lnTable[i]), 1)
		assert.InDelta(t, math.Ldexp(math.Exp2(x), exp2Bits), float64(exp2Table[i]), 1)
	}
	for _, n := range []uint64{1, 2, 3, 10, 999, 1e9, 1e15, 1 << 62} {
		assert.InDelta(t, math.Log2(float64(n)), math.Ldexp(float64(log2(n)), -32), 1e-6)
		assert.InEpsilon(t, float64(n), float64(exp2(log2(n)))+0.5, 0.51/float64(n)+1e-6)
	}
	assert.Equal(t, int64(math.MaxInt64), exp2(63<<32))
}

// The quantiles of every distribution are where they belong: the word for u is
// u·2^64.
func TestQuantiles(t *testing.T) {
	word := func(u float64) uint64 { return uint64(math.Ldexp(u, 64)) }
	exp := Exponential(time.Second)
	s := exp.sampler()
	for _, u := range []float64{0.999999, 0.9, 0.7, 0.5, 0.3, 0.1, 0.01, 1e-3, 1e-6, 1e-12} {
		assert.InDelta(t, -math.Log(u)*1e9, float64(s.draw(word(u))), 500, "exponential at %v", u)
	}
	normal := Normal(10*time.Second, 2*time.Second)
	n := normal.sampler()
	log := Lognormal(time.Second, 3*time.Second)
	l := log.sampler()
	sigma := math.Log(3) / z99
	for _, u := range []float64{0.999, 0.9, 0.7, 0.5, 0.3, 0.1, 0.01, 1e-3, 1e-6} {
		z := math.Sqrt2 * math.Erfinv(1-u)
		assert.InDelta(t, (10+2*z)*1e9, float64(n.draw(word(u)&^1)), 2e5, "normal at %v", u)
		assert.InDelta(t, math.Abs(10-2*z)*1e9, float64(n.draw(word(u)|1)), 2e5, "normal at -%v", u)
		assert.InEpsilon(t, math.Exp(sigma*z)*1e9, float64(l.draw(word(u)&^1)), 1e-4, "lognormal at %v", u)
	}
	uniform := Between(time.Second, 3*time.Second)
	b := uniform.sampler()
	assert.Equal(t, int64(1e9), b.draw(0))
	assert.Equal(t, int64(3e9-1), b.draw(math.MaxUint64))
	assert.Equal(t, int64(2e9), b.draw(1<<63))
	fixed := Fixed(7)
	f := fixed.sampler()
	assert.Equal(t, int64(7), f.draw(99))
}

// Moments of a million draws, within 4 standard errors.
func TestMoments(t *testing.T) {
	const draws = 1_000_000
	for _, tt := range []struct {
		dist     Dist
		mean, sd float64
	}{
		{Exponential(time.Second), 1e9, 1e9},
		{Normal(10*time.Millisecond, 2*time.Millisecond), 1e7, 2e6},
		{Normal(10*time.Millisecond, 10*time.Millisecond), 1.166631e7, 7.99359e6}, // of which a sixth is folded over 0
		{Between(0, time.Second), 5e8, 1e9 / math.Sqrt(12)},
		{Lognormal(time.Second, 3*time.Second), 1.117964e9, 0},
	} {
		s := tt.dist.sampler()
		var sum, squares float64
		for i := range uint64(draws) {
			x := float64(s.draw(streamOf(1, 2, i).word(0, forService)))
			sum += x
			squares += x * x
		}
		mean := sum / draws
		sd := math.Sqrt(squares/draws - mean*mean)
		t.Logf("%v: mean %.6g, expected %.6g; sd %.6g", tt.dist, mean, float64(tt.dist.Mean()), sd)
		assert.InEpsilon(t, tt.mean, float64(tt.dist.Mean()), 1e-5, tt.dist)
		assert.InDelta(t, float64(tt.dist.Mean()), mean, 4*sd/math.Sqrt(draws), tt.dist)
		if tt.sd > 0 {
			assert.InEpsilon(t, tt.sd, sd, 0.006, tt.dist)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, d := range []Dist{Exponential(time.Second), Normal(10, 2), Lognormal(time.Second, 3*time.Second)} {
		b.Run(d.String(), func(b *testing.B) {
			s := d.sampler()
			var i, sum uint64
			for b.Loop() {
				i++
				sum += uint64(s.draw(stream(i).word(1, forService)))
			}
			_ = sum
		})
	}
}
