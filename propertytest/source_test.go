package propertytest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
)

// histogram draws 4,000 numbers below ten from sources of chance.
func histogram(source func(*rapid.T) rand.Source) (counts [10]int) {
	drawn := rapid.Custom(func(t *rapid.T) [8]int {
		var out [8]int
		r := rand.New(source(t))
		for i := range out {
			out[i] = r.IntN(10)
		}
		return out
	})
	for i := range 500 {
		for _, n := range drawn.Example(i) {
			counts[n]++
		}
	}
	return counts
}

// naive is a source made of rapid's integers.
type naive struct{ t *rapid.T }

func (n naive) Uint64() uint64 { return rapid.Uint64().Draw(n.t, "word") }

func TestTheSourceIsNotVacuous(t *testing.T) {
	for n, count := range histogram(func(t *rapid.T) rand.Source { return propertytest.Source(t, "chance") }) {
		assert.InDelta(t, 400, count, 100, "of 4,000 draws below ten, %d", n)
	}
	counts := histogram(func(t *rapid.T) rand.Source { return naive{t} })
	assert.Greater(t, counts[0]+counts[9], 3000, "the naive source is what ours is there for: %v", counts)
}

// silent is a test that fails in silence.
type silent struct {
	*testing.T
	failed bool
	said   string
}

func (s *silent) Errorf(format string, args ...any) {
	s.failed = true
	s.said += fmt.Sprintf(format, args...)
}
func (s *silent) Error(args ...any)            { s.failed = true; s.said += fmt.Sprint(args...) }
func (s *silent) Logf(string, ...any)          {}
func (s *silent) Log(...any)                   {}
func (s *silent) Fail()                        { s.failed = true }
func (s *silent) Failed() bool                 { return s.failed }
func (s *silent) FailNow()                     { s.failed = true; runtime.Goexit() }
func (s *silent) Fatal(args ...any)            { s.Error(args...); s.FailNow() }
func (s *silent) Fatalf(f string, args ...any) { s.Errorf(f, args...); s.FailNow() }

func TestTheSourceShrinks(t *testing.T) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.seed": "1"} { // another seed may end at 1000, from where no single step is simpler
		f := flag.Lookup(name)
		was := f.Value.String()
		require.NoError(t, f.Value.Set(value))
		defer f.Value.Set(was)
	}
	s := &silent{T: t}
	done := make(chan bool)
	go func() {
		defer close(done)
		rapid.Check(s, func(t *rapid.T) {
			src := propertytest.Source(t, "chance")
			a, b := src.Uint64()>>48, src.Uint64()>>48
			if a >= 1000 {
				t.Fatalf("words %d and %d", a, b)
			}
		})
	}()
	<-done
	require.True(t, s.failed)
	assert.Contains(t, s.said, "words 1024 and 0", "the fewest bits, and the lowest")
}
