package retry

import (
	"fmt"
	"sync"
	"time"
)

// RateBreaker is the rule of a circuit breaker for retries alone: none is made
// while too many of the last attempts have failed (M. Brooker, "Fixing retries
// with token buckets and circuit breakers", 2022). First attempts always go, so
// that the rate is seen to fall. It is a comparable value; a [RateCircuit] is the
// state that obeys it.
//
// Unlike a budget it has no half measures: at a failure rate around Share, some
// retries go and some do not; clearly above it, none.
type RateBreaker struct {
	// Share is how many of the last attempts may fail, in (0, Token], where
	// [Token] is all of them: retries go while fewer have failed.
	Share Tokens
	// Of is how many attempts are looked at, 1 to 10,000. As long as there have
	// been fewer, those are.
	Of int
}

// maxRateOf bounds what a RateCircuit remembers, to 1.25 kB.
const maxRateOf = 10_000

// Validate names the first field whose value has no meaning.
func (b RateBreaker) Validate() error {
	switch {
	case b.Share <= 0 || b.Share > Token:
		return fmt.Errorf("retry: rate breaker: Share is %v, outside (0, 1]", b.Share)
	case b.Of < 1 || b.Of > maxRateOf:
		return fmt.Errorf("retry: rate breaker: Of is %d, outside 1 to %d", b.Of, maxRateOf)
	}
	return nil
}

// RateCircuit is a [Limit] that refuses retries while the failure rate is high. It
// counts transient failures only: a permanent error is an answer.
type RateCircuit struct {
	breaker RateBreaker

	mu       sync.Mutex
	failed   []uint64 // a bit for each of the last attempts, a ring
	next     int      // bit of the next one
	seen     int      // attempts, at most breaker.Of
	failures int      // among them
}

var _ Limit = (*RateCircuit)(nil)

// NewRateCircuit returns a circuit that has seen nothing, or the error of an
// invalid breaker.
func NewRateCircuit(b RateBreaker) (*RateCircuit, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	return &RateCircuit{breaker: b, failed: make([]uint64, (b.Of+63)/64)}, nil
}

// Allow refuses a retry while the failure rate is at the breaker's share or above.
func (c *RateCircuit) Allow(_ time.Time, number int, _ Classification) (Permit, bool) {
	if number <= 1 {
		return 0, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return 0, int64(c.failures)*int64(Token) < int64(c.seen)*int64(c.breaker.Share)
}

// Report counts the attempt, and forgets the one so many before it.
func (c *RateCircuit) Report(_ time.Time, _ Permit, ok bool, class Classification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	word, bit := &c.failed[c.next/64], uint64(1)<<(c.next%64)
	switch {
	case c.seen < c.breaker.Of:
		c.seen++
	case *word&bit != 0:
		c.failures--
	}
	*word &^= bit
	if !ok && class.IsTransient() {
		*word |= bit
		c.failures++
	}
	c.next = (c.next + 1) % c.breaker.Of
}

// Abandon changes nothing.
func (c *RateCircuit) Abandon(time.Time, Permit) {}
