package retry

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"
)

// Breaker is the rule of a circuit breaker. It is a comparable value; a
// [Circuit] is the state that obeys it.
type Breaker struct {
	// Failures is how many transient failures in a row open the circuit, at
	// least 1.
	Failures int
	// OpenFor is how long an open circuit refuses every attempt.
	OpenFor time.Duration
	// Probes is how many attempts a half-open circuit lets through at a time,
	// and how many of them must succeed in a row to close it. 0 means 1.
	Probes int
}

// Validate names the first field whose value has no meaning.
func (b Breaker) Validate() error {
	switch {
	case b.Failures < 1:
		return fmt.Errorf("retry: breaker: Failures is %d, want at least 1", b.Failures)
	case b.OpenFor < 0:
		return fmt.Errorf("retry: breaker: OpenFor is negative: %v", b.OpenFor)
	case b.Probes < 0:
		return fmt.Errorf("retry: breaker: Probes is negative: %d (use 0 for 1)", b.Probes)
	}
	return nil
}

// Circuit is a circuit breaker: a [Limit] that refuses first attempts and
// retries alike while the circuit is open. It counts transient failures only:
// a permanent error is an answer.
type Circuit struct {
	breaker Breaker

	mu sync.Mutex
	circuitState
}

// circuitState is what a circuit remembers; the zero state is closed.
type circuitState struct {
	opened    Permit // how often it has been opened
	failures  int    // in a row
	open      bool
	openedAt  time.Time
	probing   int // probes on their way
	successes int // of probes, in a row
}

var _ Limit = (*Circuit)(nil)

// NewCircuit returns a closed circuit, or the error of an invalid breaker.
func NewCircuit(b Breaker) (*Circuit, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	b.Probes = max(b.Probes, 1)
	return &Circuit{breaker: b}, nil
}

// Allow refuses while the circuit is open and lets probes through when it has
// been open for long enough.
func (c *Circuit) Allow(now time.Time, _ int, _ Classification) (Permit, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return c.opened, true
	}
	if now.Sub(c.openedAt) < c.breaker.OpenFor || c.probing == c.breaker.Probes {
		return 0, false
	}
	c.probing++
	return c.opened, true
}

// Report counts failures in a row, and the probes of a half-open circuit. An
// attempt that was allowed before the circuit last opened says nothing new and
// does not count.
func (c *Circuit) Report(now time.Time, permit Permit, ok bool, class Classification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if permit != c.opened {
		return
	}
	failed := !ok && class.IsTransient()
	c.probing = max(c.probing-1, 0)
	switch {
	case failed && (c.open || c.failures+1 == c.breaker.Failures):
		c.circuitState = circuitState{opened: c.opened + 1, open: true, openedAt: now}
	case failed:
		c.failures++
	case c.open && c.successes+1 < c.breaker.Probes:
		c.successes++
	default:
		c.circuitState = circuitState{opened: c.opened}
	}
}

// Abandon makes room for another probe.
func (c *Circuit) Abandon(_ time.Time, permit Permit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if permit == c.opened {
		c.probing = max(c.probing-1, 0)
	}
}

// Throttle is the rule of client-side adaptive throttling (Google SRE, chapter
// "Handling Overload"): over the window a client refuses its own attempts with
// probability
//
//	max(0, (requests - Multiplier·accepts) / (requests + 1))
//
// where requests counts every attempt it wanted to make, and accepts those
// that the server did not turn away. It is a comparable value; a [Throttler]
// is the state that obeys it.
type Throttle struct {
	Multiplier Tokens        // from Token to 1000·Token; 2·Token is usual, smaller is stricter
	Window     time.Duration // at least 10 ns; 2 minutes is usual
}

// Validate names the first field whose value has no meaning.
func (t Throttle) Validate() error {
	switch {
	case t.Multiplier < Token || t.Multiplier > 1000*Token:
		return fmt.Errorf("retry: throttle: Multiplier is %v, outside 1 to 1000", t.Multiplier)
	case t.Window < windowSlots:
		return fmt.Errorf("retry: throttle: Window is %v, shorter than %d ns", t.Window, windowSlots)
	}
	return nil
}

// Throttler is adaptive throttling: a [Limit] that refuses first attempts and
// retries alike, by chance.
type Throttler struct {
	throttle Throttle

	mu                sync.Mutex
	words             rand.Source
	requests, accepts slidingWindow
}

var _ Limit = (*Throttler)(nil)

// NewThrottler returns a throttler that draws its chance from words, which
// nobody else may use, or the error of an invalid throttle or of no words.
func NewThrottler(t Throttle, words rand.Source) (*Throttler, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if words == nil {
		return nil, fmt.Errorf("retry: throttle: no source of words (use Seeded(seed, client)(0))")
	}
	return &Throttler{
		throttle: t,
		words:    words,
		requests: slidingWindow{length: t.Window},
		accepts:  slidingWindow{length: t.Window},
	}, nil
}

// Allow counts the attempt and refuses it with the throttle's probability.
func (t *Throttler) Allow(now time.Time, _ int, _ Classification) (Permit, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	requests, accepts := t.requests.sum(now), t.accepts.sum(now)
	t.requests.add(now, 1)
	excess := requests*int64(Token) - accepts*int64(t.throttle.Multiplier)
	if excess <= 0 {
		return 0, true
	}
	// excess/(requests+1) as a share of all words
	refuse, _ := bits.Div64(uint64(excess), 0, uint64(requests+1)*uint64(Token))
	return 0, t.words.Uint64() >= refuse
}

// Report counts what the server accepted: every attempt that did not end in a
// transient failure.
func (t *Throttler) Report(now time.Time, _ Permit, ok bool, class Classification) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ok || !class.IsTransient() {
		t.accepts.add(now, 1)
	}
}

// Abandon changes nothing.
func (t *Throttler) Abandon(time.Time, Permit) {}
