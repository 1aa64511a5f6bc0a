package retry

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"
	"time"
)

// growth raises one multiplier to powers: an exact answer costs the same few
// nanoseconds for the third attempt and for the millionth.
//
// It holds x^(d·128^k) for every digit d of a number in base 128, cut off to
// 128 bits, so x^n is a product of at most four of them. The answer for a base
// delay is then too small by a relative error below 2^-97, which is an
// absolute one below 2^-33 ns, since the answer has 63 bits. If a whole
// nanosecond lies that close above it, an exact comparison decides on which side
// of it the true answer is.
type growth struct {
	factor uint64 // x in millionths
	digits [4][128]power

	// x is p/q in lowest terms. ratios[n] holds p^n and q^n as long as they
	// fit: up to there x^n times a base may be a whole number.
	ratios []ratio
}

// power is (hi·2^64 + lo)·2^(exp-127), its top bit set: a number from 2^exp.
type power struct {
	hi, lo uint64
	exp    uint
}

type ratio struct{ hi, lo, den uint64 }

// grown returns min(base·x^n, the largest Duration), rounded down, for a
// factor x of so many millionths, 1 or more.
func grown(base time.Duration, factor, n uint64) time.Duration {
	if base == 0 || factor == million || n == 0 {
		return base
	}
	if n >= 1<<28 { // 1.000001 to that power has 387 bits
		return math.MaxInt64
	}
	g := growthOf(factor)
	x := g.power(n)
	if x.exp > 62 {
		return math.MaxInt64
	}
	// The product has 192 bits, of which 127-exp are behind the point.
	hi, mid := bits.Mul64(x.hi, uint64(base))
	carry, low := bits.Mul64(x.lo, uint64(base))
	mid, c := bits.Add64(mid, carry, 0)
	hi += c
	shift := 63 - x.exp // beyond a word
	whole := hi<<(64-shift) | mid>>shift
	if hi>>shift > 0 || whole >= math.MaxInt64 {
		return math.MaxInt64
	}
	part := mid<<(64-shift) | low>>shift
	if part >= 1<<64-1<<31 && g.reaches(uint64(base), n, whole+1) {
		whole++
	}
	return time.Duration(whole)
}

// power returns x^n, n > 0, for one that is below 2^64. It stops where it is
// known not to be.
func (g *growth) power(n uint64) power {
	x := power{hi: 1 << 63}
	for k := 0; n > 0 && x.exp < 64; k, n = k+1, n>>7 {
		if d := n & 127; d > 0 {
			x = x.times(&g.digits[k][d])
		}
	}
	return x
}

// times returns the product, rounded down to 128 bits: too small by less than
// a part in 2^126.
func (x power) times(y *power) power {
	if x.lo == 0 && x.hi == 1<<63 {
		return power{y.hi, y.lo, x.exp + y.exp}
	}
	h1, h0 := bits.Mul64(x.hi, y.hi)
	a1, a0 := bits.Mul64(x.hi, y.lo)
	b1, b0 := bits.Mul64(x.lo, y.hi)
	c1, _ := bits.Mul64(x.lo, y.lo)
	m, c := bits.Add64(a0, b0, 0)
	h0, d := bits.Add64(h0, a1, c)
	h1 += d
	m, c = bits.Add64(m, c1, 0)
	h0, d = bits.Add64(h0, b1, c)
	h1 += d
	exp := x.exp + y.exp
	if h1>>63 > 0 {
		return power{h1, h0, exp + 1}
	}
	return power{h1<<1 | h0>>63, h0<<1 | m>>63, exp}
}

// reaches reports whether base·x^n is c or more.
func (g *growth) reaches(base, n, c uint64) bool {
	if n < uint64(len(g.ratios)) {
		r := g.ratios[n]
		hi, lo := bits.Mul64(r.lo, base) // of a product close to c·q^n, so it has 128 bits
		left := [2]uint64{hi + r.hi*base, lo}
		hi, lo = bits.Mul64(r.den, c)
		return cmp.Or(cmp.Compare(left[0], hi), cmp.Compare(left[1], lo)) >= 0
	}
	// q^n is more than base and has no part in p^n, so the product is no whole
	// number, and some precision tells it from one.
	for precision := uint(256); ; precision *= 2 {
		target := new(big.Float).SetUint64(c)
		low := g.product(base, n, precision, big.ToZero)
		if low.Cmp(target) >= 0 {
			return true
		}
		if g.product(base, n, precision, big.AwayFromZero).Cmp(target) < 0 {
			return false
		}
	}
}

// product returns base·x^n, all steps rounded in one direction.
func (g *growth) product(base, n uint64, precision uint, mode big.RoundingMode) *big.Float {
	float := func(v uint64) *big.Float { return new(big.Float).SetPrec(precision).SetMode(mode).SetUint64(v) }
	x := float(g.factor)
	x.Quo(x, float(million))
	product := float(base)
	for ; n > 0; n >>= 1 {
		if n&1 > 0 {
			product.Mul(product, x)
		}
		x.Mul(x, x)
	}
	return product
}

var growths memo[uint64, growth]

func growthOf(factor uint64) *growth {
	return growths.get(factor, factor*0x9e3779b97f4a7c15>>58, newGrowth)
}

func newGrowth(factor uint64) growth {
	g := growth{factor: factor}
	// The factor's whole part, and 128 bits of the rest.
	f1, rest := bits.Div64(factor%million, 0, million)
	f0, _ := bits.Div64(rest, 0, million)
	whole := factor / million
	exp := uint(bits.Len64(whole)) - 1
	x := power{whole<<(63-exp) | f1>>(exp+1), f1<<(63-exp) | f0>>(exp+1), exp}
	for k := range g.digits {
		g.digits[k][0] = power{hi: 1 << 63}
		for d := range g.digits[k][1:] {
			g.digits[k][d+1] = g.digits[k][d].times(&x)
		}
		x = g.digits[k][127].times(&x)
	}
	a, b := factor, uint64(million)
	for b > 0 {
		a, b = b, a%b
	}
	p, q := factor/a, million/a
	for r := (ratio{lo: 1, den: 1}); ; {
		g.ratios = append(g.ratios, r)
		hi, lo := bits.Mul64(r.lo, p)
		top, hi2 := bits.Mul64(r.hi, p)
		hi, c := bits.Add64(hi, hi2, 0)
		over, den := bits.Mul64(r.den, q)
		if top+c > 0 || over > 0 || den > math.MaxInt64 {
			return g
		}
		r = ratio{hi, lo, den}
	}
}
