package retry

import (
	"fmt"
	"math"
	"time"
)

// Unlimited as MaxAttempts puts no limit on the number of attempts.
const Unlimited = math.MaxInt

// Policy says how often and when a failed call is tried again. It is one
// comparable, printable value; [ParsePolicy] reads its text form back. The
// zero Policy makes one call.
type Policy struct {
	// MaxAttempts counts all calls, the first included. 0 or less acts as 1.
	MaxAttempts int
	// BaseDelay is the wait before the second attempt; each further wait is
	// twice the one before it.
	BaseDelay time.Duration
	// MaxDelay caps the backoff before jitter. 0 means no cap. It does not
	// cut a Retry-After.
	MaxDelay time.Duration
	// Jitter is the kind of randomness added to each wait.
	Jitter Jitter
	// AttemptTimeout bounds each attempt, for a stream only its opening. An
	// attempt that it ended is transient, with no Retry-After. 0 means no
	// bound.
	AttemptTimeout time.Duration
}

// Default returns the policy to start from: 3 attempts, 1 s doubling up to
// 30 s, with additive jitter.
func Default() Policy {
	return Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 30 * time.Second, Jitter: JitterAdditive}
}

// Validate names the first field whose value has no meaning: a negative delay
// or an unknown jitter. A cap below the base is valid: it caps from the first
// wait.
func (p Policy) Validate() error {
	switch {
	case p.BaseDelay < 0:
		return fmt.Errorf("retry: policy: BaseDelay is negative: %v (use 0 for no wait)", p.BaseDelay)
	case p.MaxDelay < 0:
		return fmt.Errorf("retry: policy: MaxDelay is negative: %v (use 0 for no cap)", p.MaxDelay)
	case p.AttemptTimeout < 0:
		return fmt.Errorf("retry: policy: AttemptTimeout is negative: %v (use 0 for no bound)", p.AttemptTimeout)
	case !p.Jitter.valid():
		return fmt.Errorf("retry: policy: Jitter is unknown: %d (use JitterNone or JitterAdditive)", int(p.Jitter))
	}
	return nil
}

// IsLast reports whether the attempt of that number is the last one permitted:
// whether its error would return with nothing further asked. Attempts are
// numbered from 1.
func (p Policy) IsLast(attempt int) bool { return attempt >= p.MaxAttempts }

// Backoff returns the schedule's delay after the failed attempt of that
// number, before jitter:
//
//	min(BaseDelay · 2^(attempt-1), MaxDelay)
//
// with no minimum when MaxDelay is 0. It saturates at the largest Duration,
// about 292 years, and never overflows. An attempt below 1 counts as 1.
func (p Policy) Backoff(attempt int) time.Duration {
	d := shiftLeft(p.BaseDelay, uint(max(attempt, 1)-1))
	if p.MaxDelay > 0 {
		d = min(d, p.MaxDelay)
	}
	return d
}

// shiftLeft returns d·2^n for d >= 0, saturating.
func shiftLeft(d time.Duration, n uint) time.Duration {
	if d > math.MaxInt64>>n { // for n > 62 the bound is 0, and only 0 fits
		return math.MaxInt64
	}
	return d << n
}
