package retry

import "math/rand/v2"

// unpredictable is the one place where chance comes from outside: the seed of
// a [Retrier] that was given no source. Two processes draw different jitter.
func unpredictable() Source { return Seeded(rand.Uint64(), 0) }
