package fleet

import "math/bits"

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014) on the next
// step of its sequence.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A purpose is what a word of chance is for. Within a call the words are told
// apart by (attempt, purpose), so that nobody draws another's.
type purpose uint8

const (
	forArrival purpose = iota
	forThink
	forTokensIn
	forTokensOut
	forJitter // one for each layer
	forService
	forFailure
	forLatency
	forAdmission
	forHint
	forHop0
	forHop1
	forHop2
	forHop3
	purposes = 32
)

// stream is the chance of one call.
type stream uint64

// streamOf returns the chance of a call of an actor.
func streamOf(seed, actor, call uint64) stream {
	return stream(mix(mix(seed+actor) + call))
}

// word returns the word for a purpose in an attempt.
func (s stream) word(attempt uint32, p purpose) uint64 {
	return mix(uint64(s) + (uint64(attempt)*purposes+uint64(p))*0x9e3779b97f4a7c15)
}

// uniform maps a word to [0, n).
func uniform(n, word uint64) uint64 {
	hi, _ := bits.Mul64(word, n)
	return hi
}

// million is how shares are counted.
const million = 1_000_000

// Share is a part of a whole, in millionths.
type Share int64

// Whole is the share that is everything.
const Whole Share = million

// hits reports whether chance falls into the share.
func (s Share) hits(word uint64) bool {
	return s > 0 && uniform(million, word) < uint64(s)
}

// of returns the share of n, rounded down; both are not negative.
func (s Share) of(n int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(s))
	if hi >= million {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, million)
	return int64(min(q, 1<<63-1))
}

// words is one word, as a source that the production decision takes. A
// decision never takes more.
type words struct{ word uint64 }

func (w *words) Uint64() uint64 { return w.word }

// SeedOf returns the seed of a replicate of a cell of a sweep: unrelated to
// those of all others.
func SeedOf(master, cell, replicate uint64) uint64 {
	return mix(mix(mix(master)+cell) + replicate)
}
