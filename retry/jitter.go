package retry

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"time"
)

// Jitter is a kind of randomness in a wait. It keeps clients that failed
// together from coming back together.
type Jitter uint8

const (
	// JitterNone waits exactly the delay.
	JitterNone Jitter = iota
	// JitterAdditive adds an offset drawn uniformly from [0, delay/10), in
	// whole nanoseconds and after the cap. It applies to a Retry-After as
	// well, because it only adds. A delay below 10 ns gets none.
	JitterAdditive
)

var jitterNames = [...]string{JitterNone: "none", JitterAdditive: "additive"}

func (j Jitter) valid() bool { return int(j) < len(jitterNames) }

// String returns the kind's name in a policy's text form.
func (j Jitter) String() string {
	if !j.valid() {
		return "unknown"
	}
	return jitterNames[j]
}

// offset returns what jitter of this kind adds to d, given one word of chance;
// d plus the offset does not overflow.
func (j Jitter) offset(d time.Duration, word uint64) time.Duration {
	if j == JitterNone {
		return 0
	}
	return min(uniform(d/10, word), math.MaxInt64-d)
}

// uniform maps a random word to [0, n), 0 for n = 0: the high half of word·n.
// One word gives one value, and the share of words below any bound k differs
// from k/n by less than 2^-64.
func uniform(n time.Duration, word uint64) time.Duration {
	hi, _ := bits.Mul64(word, uint64(n))
	return time.Duration(hi)
}

// Source gives each call its own stream of random words: call is the number
// that the call was given by [WithCall], or else its number among the calls of
// the [Retrier], counted from 1. The n-th wait of a call takes the n-th word.
// It must be safe for concurrent use; each stream is used by one call only.
type Source func(call uint64) rand.Source

// Seeded returns the source of one client: its words depend on (seed, client,
// call) and on nothing else, on every machine. Distinct clients of one seed
// have unrelated streams, so adding a client does not move another's delays.
func Seeded(seed, client uint64) Source {
	key := mix(mix(seed) + client)
	return func(call uint64) rand.Source {
		return rand.NewPCG(key, mix(key+call))
	}
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014) on the next
// step of its sequence: a bijection in which every input bit moves every
// output bit, so that neighbouring seeds, clients and calls give unrelated
// streams.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
