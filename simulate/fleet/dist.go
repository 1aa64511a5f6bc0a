package fleet

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Dist is a distribution of durations. The zero Dist is always 0. It is
// comparable; [Fixed], [Exponential], [Lognormal], [Normal] and [Between] make
// one. Draws are made in integers from tables, the same on every machine.
type Dist struct {
	Kind DistKind
	// A is the value, the mean, the median or the lower bound; B the standard
	// deviation, the 99th percentile or the upper bound, excluded.
	A, B time.Duration
}

// DistKind tells distributions apart.
type DistKind uint8

const (
	IsFixed DistKind = iota
	IsExponential
	IsLognormal
	IsNormal
	IsBetween
)

// Fixed is always d.
func Fixed(d time.Duration) Dist { return Dist{IsFixed, d, 0} }

// Exponential has the mean.
func Exponential(mean time.Duration) Dist { return Dist{IsExponential, mean, 0} }

// Lognormal has the median and the 99th percentile.
func Lognormal(p50, p99 time.Duration) Dist { return Dist{IsLognormal, p50, p99} }

// Normal is the absolute value of a normal variable with that mean and deviation.
func Normal(mean, deviation time.Duration) Dist { return Dist{IsNormal, mean, deviation} }

// Between is uniform in [low, high).
func Between(low, high time.Duration) Dist { return Dist{IsBetween, low, high} }

// Validate says what is wrong with the parameters.
func (d Dist) Validate() error {
	switch {
	case d.A < 0 || d.B < 0:
		return fmt.Errorf("negative: %v", d)
	case d.Kind == IsLognormal && (d.A == 0 || d.B < d.A):
		return fmt.Errorf("p50 %v and p99 %v: want 0 < p50 <= p99", d.A, d.B)
	case d.Kind == IsBetween && d.B < d.A:
		return fmt.Errorf("%v..%v: the end is before the beginning", d.A, d.B)
	case d.Kind > IsBetween:
		return fmt.Errorf("unknown distribution %d", d.Kind)
	}
	return nil
}

// String returns the distribution as a scenario has it.
func (d Dist) String() string {
	switch d.Kind {
	case IsExponential:
		return fmt.Sprintf("exp:%v", d.A)
	case IsLognormal:
		return fmt.Sprintf("lognormal:p50=%v,p99=%v", d.A, d.B)
	case IsNormal:
		return fmt.Sprintf("normal:%v,sd=%v", d.A, d.B)
	case IsBetween:
		return fmt.Sprintf("uniform:%v..%v", d.A, d.B)
	}
	return d.A.String()
}

// Mean returns the mean: exact for all but [Lognormal] and [Normal], whose
// mean is to about a millionth.
func (d Dist) Mean() time.Duration {
	switch d.Kind {
	case IsLognormal:
		sigma := math.Log(float64(d.B)/float64(d.A)) / z99
		return time.Duration(min(float64(d.A)*math.Exp(sigma*sigma/2), math.MaxInt64/2))
	case IsNormal:
		if d.B == 0 {
			return d.A
		}
		mean, deviation := float64(d.A), float64(d.B) // of what is folded over 0
		z := mean / deviation
		folded := float64(deviation*math.Sqrt(2/math.Pi)*math.Exp(-z*z/2)) + float64(mean*math.Erf(z/math.Sqrt2))
		return time.Duration(math.Round(min(folded, math.MaxInt64/2)))
	case IsBetween:
		return d.A + (d.B-d.A)/2
	}
	return d.A
}

const z99 = 2.3263478740408408 // the 99th percentile of the standard normal

// sampler is a Dist made ready to draw from.
type sampler struct {
	kind  DistKind
	a, b  uint64
	sigma uint64 // lognormal: per unit of the normal variable, log base 2, 32 bits of fraction
}

func (d Dist) sampler() sampler {
	s := sampler{kind: d.Kind, a: uint64(d.A), b: uint64(d.B)}
	if d.Kind == IsLognormal {
		const z99 = 9991588038 // with 32 bits of fraction
		s.a = log2(uint64(d.A))
		hi, lo := bits.Mul64(log2(uint64(d.B))-s.a, 1<<32)
		s.sigma, _ = bits.Div64(hi, lo, z99)
	}
	return s
}

// zero reports whether every draw is 0.
func (s *sampler) zero() bool { return s.kind == IsFixed && s.a == 0 }

// draw returns the value that a word stands for.
func (s *sampler) draw(word uint64) int64 {
	switch s.kind {
	case IsFixed:
		return int64(s.a)
	case IsExponential:
		return scale(s.a, exponential(word))
	case IsNormal:
		z, negative := normal(word)
		hi, lo := bits.Mul64(s.b, z)
		offset := int64(hi<<(64-normalBits) | lo>>normalBits)
		if negative {
			offset = -offset
		}
		v := int64(s.a) + offset
		return max(v, -v)
	case IsLognormal:
		z, negative := normal(word)
		hi, lo := bits.Mul64(s.sigma, z)
		offset := hi<<(64-normalBits) | lo>>normalBits
		if !negative {
			return exp2(s.a + offset)
		}
		if offset > s.a {
			return 0
		}
		return exp2(s.a - offset)
	}
	return int64(s.a + uniform(s.b-s.a, word))
}

// scale returns n·x, where x has 32 bits of fraction, saturating.
func scale(n, x uint64) int64 {
	hi, lo := bits.Mul64(n, x)
	if hi >= 1<<31 {
		return math.MaxInt64
	}
	return int64(hi<<32 | lo>>32)
}

// exponential returns the standard exponential variable -ln(u) that a word
// stands for, with 32 bits of fraction: the leading zeros of the word are
// whole halvings of u, and what follows the first one is looked up.
func exponential(word uint64) uint64 {
	zeros := bits.LeadingZeros64(word)
	f := word << zeros << 1
	return uint64(zeros+1)*ln2 - ln1p(f)
}

// ln2 is ln 2 with 32 bits of fraction.
const ln2 = 2977044472

// ln1p returns ln(1+f) with 32 bits of fraction, where f has 64.
func ln1p(f uint64) uint64 {
	i := f >> (64 - tableBits)
	rest := f << tableBits >> 32
	low, high := uint64(lnTable[i]), uint64(lnTable[i+1])
	return low + (high-low)*rest>>32
}

// log2 returns the logarithm of n > 0 to the base 2, with 32 bits of fraction.
func log2(n uint64) uint64 {
	const perLn = 6196328019 // 1/ln 2 with 32 bits of fraction
	zeros := bits.LeadingZeros64(n)
	hi, lo := bits.Mul64(ln1p(n<<zeros<<1), perLn)
	return uint64(63-zeros)<<32 + (hi<<32 | lo>>32)
}

// exp2 returns 2^x, where x has 32 bits of fraction, saturating.
func exp2(x uint64) int64 {
	whole, f := x>>32, x&(1<<32-1)
	i := f >> (32 - tableBits)
	rest := f & (1<<(32-tableBits) - 1)
	m := exp2Table[i] + (exp2Table[i+1]-exp2Table[i])*rest>>(32-tableBits)
	switch {
	case whole > 62:
		return math.MaxInt64
	case whole >= exp2Bits:
		return int64(m << (whole - exp2Bits))
	}
	return int64(m >> (exp2Bits - whole))
}

const (
	tableBits  = 10
	exp2Bits   = 40
	normalBits = 28 // of fraction in normalTable
)

// lnTable is ln(1 + i/1024) with 32 bits of fraction, and exp2Table is
// 2^(i/1024) with 40. Both are computed in integers, so that they are the same
// everywhere.
var (
	lnTable   = makeLn()
	exp2Table = makeExp2()
)

func makeLn() (table [1<<tableBits + 1]uint32) {
	var sum uint64 // with 62 bits of fraction
	for i := range uint64(1 << tableBits) {
		table[i] = uint32((sum + 1<<29) >> 30)
		// ln((k+1)/k) = 2·(z + z³/3 + z⁵/5 + ...) with z = 1/(2k+1)
		z := 2*(1<<tableBits+i) + 1
		for term, n := uint64(1<<63)/z, uint64(1); term > 0; n += 2 {
			sum += term / n
			term /= z * z
		}
	}
	table[1<<tableBits] = uint32((sum + 1<<29) >> 30)
	return table
}

func makeExp2() (table [1<<tableBits + 1]uint64) {
	const one = 1 << 62
	times := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a, b)
		return hi<<2 | lo>>62
	}
	step := uint64(2 * one) // 2^(1/1024), after ten square roots
	for range tableBits {
		root := uint64(one)
		for bit := uint64(one >> 1); bit > 0; bit >>= 1 {
			if hi, lo := bits.Mul64(root|bit, root|bit); hi < step>>2 || hi == step>>2 && lo <= step<<62 {
				root |= bit
			}
		}
		step = root
	}
	value := uint64(one)
	for i := range table {
		table[i] = (value + 1<<21) >> 22
		value = times(value, step)
	}
	return table
}

// normal returns the absolute value and the sign of the standard normal
// variable that a word stands for, the former with 28 bits of fraction. The
// table has 32 cells for each halving of the tail's probability; beyond 2^-32
// it ends.
func normal(word uint64) (z uint64, negative bool) {
	negative = word&1 != 0
	word |= 1
	zeros := bits.LeadingZeros64(word)
	if zeros >= normalOctaves {
		return uint64(normalTable[0]), negative
	}
	f := word << zeros << 1
	i := (normalOctaves-1-zeros)<<normalCells + int(f>>(64-normalCells))
	rest := f << normalCells >> 32
	high, low := uint64(normalTable[i]), uint64(normalTable[i+1])
	return high - (high-low)*rest>>32, negative
}

const (
	normalOctaves = 32
	normalCells   = 5 // log base 2
)
