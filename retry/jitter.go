package retry

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Jitter is a kind of randomness in a wait. It keeps clients that failed
// together from coming back together. The zero value is [JitterNone]; apart
// from the constants there is [JitterBetween].
//
// Every kind but [JitterDecorrelated] draws the wait uniformly from a window
// around the delay, in whole nanoseconds, the upper end excluded:
//
//	[delay·(1-below), delay·(1+above))
//
// Each end is rounded towards the delay. An empty window gives the delay.
//
// [JitterAdditive] applies to a Retry-After as well, because it only adds; but
// not under [HintOrBackoff] and [HintWithin], where a Retry-After is compared
// with a backoff that has its jitter. The other kinds add nothing to one.
type Jitter uint32

// The low half of a Jitter is how far the window reaches below the delay, the
// high half how far above, both in thousandths.
const (
	// JitterNone waits exactly the delay.
	JitterNone Jitter = 0
	// JitterAdditive adds up to a tenth: [delay, 1.1·delay).
	JitterAdditive Jitter = 100 << 16
	// JitterFull draws from [0, delay).
	JitterFull Jitter = 1000
	// JitterEqual draws from [delay/2, delay).
	JitterEqual Jitter = 500
	// JitterDecorrelated draws from [BaseDelay, 3·the wait before), which
	// counts as BaseDelay at first and where it was shorter, and caps the
	// result (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
	// It replaces the schedule: Multiplier and Cap mean nothing to it.
	JitterDecorrelated Jitter = math.MaxUint32
)

// JitterBetween draws from the delay less below thousandths to the delay plus
// above thousandths: JitterBetween(200, 200) is plus or minus 20 %. Each is
// from 0 to 1000; a value outside is found by [Policy.Validate].
func JitterBetween(below, above uint16) Jitter {
	const outside = 1001 // any such value; the largest would be JitterDecorrelated
	return Jitter(min(above, outside))<<16 | Jitter(min(below, outside))
}

// bounds returns the two ends in thousandths.
func (j Jitter) bounds() (below, above uint64) { return uint64(j & 0xffff), uint64(j >> 16) }

func (j Jitter) valid() bool {
	below, above := j.bounds()
	return j == JitterDecorrelated || below <= 1000 && above <= 1000
}

var jitterNames = []struct {
	jitter Jitter
	name   string
}{
	{JitterNone, "none"},
	{JitterAdditive, "additive"},
	{JitterFull, "full"},
	{JitterEqual, "equal"},
	{JitterDecorrelated, "decorrelated"},
}

// String returns the kind as it stands in a policy's text form: a name, or
// "-20%+20%" for a window.
func (j Jitter) String() string {
	for _, n := range jitterNames {
		if n.jitter == j {
			return n.name
		}
	}
	if !j.valid() {
		return "unknown"
	}
	below, above := j.bounds()
	return "-" + percent(below) + "+" + percent(above)
}

// percent writes thousandths as a percentage, such as "20%" or "12.5%".
func percent(thousandths uint64) string {
	if thousandths%10 == 0 {
		return fmt.Sprintf("%d%%", thousandths/10)
	}
	return fmt.Sprintf("%d.%d%%", thousandths/10, thousandths%10)
}

// around returns the wait that a word of chance gives for a delay. It is not
// for the decorrelated kind.
func (j Jitter) around(delay time.Duration, word uint64) time.Duration {
	below, above := j.bounds()
	down, up := thousandths(delay, below), thousandths(delay, above)
	return addSaturating(delay-down, uniform(uint64(down)+uint64(up), word))
}

// decorrelated returns the wait after one of previous.
func (p *Policy) decorrelated(previous time.Duration, word uint64) time.Duration {
	hi, reach := bits.Mul64(3, uint64(max(previous, p.BaseDelay)))
	if hi > 0 {
		reach = math.MaxUint64
	}
	wait := addSaturating(p.BaseDelay, uniform(reach-uint64(p.BaseDelay), word))
	if p.MaxDelay > 0 {
		wait = min(wait, p.MaxDelay)
	}
	return wait
}

// thousandths returns n thousandths of d, rounded down; n is at most 1000.
func thousandths(d time.Duration, n uint64) time.Duration {
	hi, lo := bits.Mul64(uint64(d), n)
	q, _ := bits.Div64(hi, lo, 1000)
	return time.Duration(q)
}

// uniform maps a random word to [0, n), 0 for n = 0: the high half of word·n.
// One word gives one value, and the share of words below any bound k differs
// from k/n by less than 2^-64.
func uniform(n, word uint64) uint64 {
	hi, _ := bits.Mul64(word, n)
	return hi
}

// addSaturating returns d + n for d >= 0, at most the largest Duration.
func addSaturating(d time.Duration, n uint64) time.Duration {
	if n > uint64(math.MaxInt64-d) {
		return math.MaxInt64
	}
	return d + time.Duration(n)
}

// Cap says how MaxDelay and Jitter go together.
type Cap uint8

const (
	// CapBeforeJitter caps the backoff; jitter is drawn around the result and
	// may exceed the cap by its own share.
	CapBeforeJitter Cap = iota
	// CapAfterJitter draws around the uncapped backoff and caps the wait, so
	// that no wait is longer than MaxDelay.
	CapAfterJitter
	// CapExact waits exactly MaxDelay once the backoff has grown beyond it,
	// with no jitter (the AWS SDKs' standard mode before 2026).
	CapExact
)

var capNames = [...]string{CapBeforeJitter: "before-jitter", CapAfterJitter: "after-jitter", CapExact: "exact"}

func (c Cap) valid() bool { return int(c) < len(capNames) }

// String returns the name in a policy's text form.
func (c Cap) String() string { return nameOf(capNames[:], int(c)) }
