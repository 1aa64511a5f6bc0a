package retry

import "math/rand/v2"

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
