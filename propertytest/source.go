package propertytest

import (
	"math/rand/v2"

	"pgregory.net/rapid"
)

// Source returns a source of chance whose every word is a draw of the property,
// so that chance shrinks with the rest of the case: to words of zero, which a
// jitter makes the shortest wait.
//
// Its words are spread evenly. Those of rapid's own integers are not: half of
// them are tiny, so that IntN of ten would be zero most of the time, and a test
// of jitter would only ever see its ends. A word has 65,536 values, from 0 to
// the largest in equal steps.
//
// Like the property it is for one goroutine.
func Source(t *rapid.T, label string) rand.Source { return &source{t, label} }

type source struct {
	t     *rapid.T
	label string
}

// fair draws 16 fair bits. rapid draws a bool, of all things, without a bias.
var fair = rapid.Custom(func(t *rapid.T) uint16 {
	var bits uint16
	for range 16 {
		bits <<= 1
		if rapid.Bool().Draw(t, "bit") {
			bits |= 1
		}
	}
	return bits
})

// Uint64 draws a word.
func (s *source) Uint64() uint64 {
	return uint64(fair.Draw(s.t, s.label)) * 0x0001_0001_0001_0001
}
