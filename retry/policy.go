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

	// Schedule says how the backoff grows. The zero value is [Exponential].
	Schedule Schedule
	// BaseDelay is the backoff after the first attempt. A [List] has none.
	BaseDelay time.Duration
	// ThrottleDelay takes the place of BaseDelay after a failure that is
	// [Classification.IsThrottled]. 0 means BaseDelay.
	ThrottleDelay time.Duration
	// Multiplier is what each backoff of an exponential schedule is times the
	// one before, from 1 to [MaxMultiplier], in steps of a millionth. 0 means
	// 2.
	Multiplier float64
	// Step is what each backoff of a linear schedule is more than the one
	// before. 0 means BaseDelay.
	Step time.Duration
	// Delays are the backoffs of a [List].
	Delays Delays
	// MaxDelay caps the backoff. 0 means no cap. It does not cut a
	// Retry-After.
	MaxDelay time.Duration
	// Cap says how MaxDelay and Jitter go together. The zero value is
	// [CapBeforeJitter].
	Cap Cap
	// Jitter is the kind of randomness in each wait.
	Jitter Jitter

	// RetryAfter says what a server's Retry-After does. The zero value is
	// [HintReplaces].
	RetryAfter HintRule
	// MaxRetryAfter is the longest Retry-After that is honoured without
	// question. 0 means that any is.
	MaxRetryAfter time.Duration
	// LongRetryAfter says what happens to a longer one. The zero value is
	// [HintClamped].
	LongRetryAfter LongHint

	// AttemptTimeout bounds each attempt, for a stream only its opening. An
	// attempt that it ended is transient, with no Retry-After, unless its
	// error is [Retryable] and says otherwise. 0 means no bound.
	AttemptTimeout time.Duration
	// MaxElapsed bounds the call: a retry that would start later than this
	// after the start of the first attempt is refused. One that would start
	// exactly then is not. 0 means no bound.
	MaxElapsed time.Duration
}

// Default returns the policy to start from: 3 attempts, 1 s doubling up to
// 30 s, with additive jitter.
func Default() Policy {
	return Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 30 * time.Second, Jitter: JitterAdditive}
}

// Validate names the first field whose value has no meaning: a negative
// duration, an unknown kind, a number outside its range, or a field that the
// schedule or another field leaves unread. A cap below the base is valid: it caps
// from the first wait.
func (p Policy) Validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
		zero  string
	}{
		{"BaseDelay", p.BaseDelay, "no wait"},
		{"ThrottleDelay", p.ThrottleDelay, "BaseDelay"},
		{"Step", p.Step, "BaseDelay"},
		{"MaxDelay", p.MaxDelay, "no cap"},
		{"MaxRetryAfter", p.MaxRetryAfter, "any"},
		{"AttemptTimeout", p.AttemptTimeout, "no bound"},
		{"MaxElapsed", p.MaxElapsed, "no bound"},
	} {
		if d.value < 0 {
			return invalid(d.name, "negative: %v (use 0 for %s)", d.value, d.zero)
		}
	}
	switch {
	case !p.Schedule.valid():
		return invalid("Schedule", "unknown: %d", p.Schedule)
	case p.Multiplier != 0 && !(p.Multiplier >= 1 && p.Multiplier <= MaxMultiplier): // not true of NaN either
		return invalid("Multiplier", "%v, outside 1 to %d (use 0 for 2)", p.Multiplier, MaxMultiplier)
	case p.Multiplier != 0 && p.Schedule != Exponential:
		return invalid("Multiplier", "set, but the schedule is %v", p.Schedule)
	case p.Step != 0 && p.Schedule != Linear:
		return invalid("Step", "set, but the schedule is %v", p.Schedule)
	case p.Delays != "" && p.Schedule != List:
		return invalid("Delays", "set, but the schedule is %v", p.Schedule)
	case p.BaseDelay != 0 && p.Schedule == List:
		return invalid("BaseDelay", "set, but the schedule is %v (its delays are in Delays)", p.Schedule)
	case p.ThrottleDelay != 0 && p.Schedule == List:
		return invalid("ThrottleDelay", "set, but the schedule is %v", p.Schedule)
	case p.Schedule == List && !p.Delays.valid():
		return invalid("Delays", "%q, not made by MakeDelays", string(p.Delays))
	case !p.Cap.valid():
		return invalid("Cap", "unknown: %d", p.Cap)
	case p.Cap != CapBeforeJitter && p.MaxDelay == 0:
		return invalid("Cap", "%v, but there is no MaxDelay", p.Cap)
	case !p.Jitter.valid():
		return invalid("Jitter", "unknown: %d", p.Jitter)
	case p.Jitter == JitterDecorrelated && p.Schedule != Exponential:
		return invalid("Jitter", "decorrelated, which is a schedule of its own, but the schedule is %v", p.Schedule)
	case !p.RetryAfter.valid():
		return invalid("RetryAfter", "unknown: %d", p.RetryAfter)
	case !p.LongRetryAfter.valid():
		return invalid("LongRetryAfter", "unknown: %d", p.LongRetryAfter)
	case p.LongRetryAfter != HintClamped && p.MaxRetryAfter == 0:
		return invalid("LongRetryAfter", "%v, but there is no MaxRetryAfter", p.LongRetryAfter)
	case p.LongRetryAfter == HintWithin && p.RetryAfter != HintReplaces:
		return invalid("LongRetryAfter", "%v, but RetryAfter is %v", p.LongRetryAfter, p.RetryAfter)
	case p.RetryAfter == HintIgnored && p.MaxRetryAfter != 0:
		return invalid("MaxRetryAfter", "set, but a Retry-After is ignored")
	}
	return nil
}

func invalid(field, format string, args ...any) error {
	return fmt.Errorf("retry: policy: "+field+" is "+format, args...)
}

// IsLast reports whether the attempt of that number is the last one permitted:
// whether its error would return with nothing further asked. Attempts are
// numbered from 1.
func (p Policy) IsLast(attempt int) bool { return attempt >= p.MaxAttempts }
