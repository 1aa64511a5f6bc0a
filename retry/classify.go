package retry

import (
	"errors"
	"fmt"
	"time"
)

// Retryable is implemented by errors that know whether the call they ended is
// worth another attempt.
type Retryable interface {
	error
	RetryClassification() Classification
}

// Classification says whether a failed call is worth another attempt: either
// permanent, or transient with an optional Retry-After. A transient one may
// also say that the server throttled the caller or that the attempt timed out,
// which some budgets price differently. It is comparable; the zero value is
// permanent.
type Classification struct {
	transient bool
	hinted    bool
	final     bool
	kind      kind
	after     time.Duration
}

// kind tells transient failures apart.
type kind uint8

const (
	plain kind = iota
	throttled
	timedOut
	unsent // the client kept the attempt to itself
)

// Permanent is the class of an error that another attempt would only meet
// again: a bad key, an invalid request, a spent quota.
func Permanent() Classification { return Classification{} }

// Transient is the class of an error that may be gone by the next attempt,
// when the server did not say how long to wait.
func Transient() Classification { return Classification{transient: true} }

// TransientAfter is the class of a transient error whose server asked the
// caller to wait for d. Zero means at once; a negative d, a moment already
// past, means the same.
func TransientAfter(d time.Duration) Classification {
	return Classification{transient: true, hinted: true, after: max(d, 0)}
}

// Throttled returns c as the class of a refusal because the caller asks too
// much, such as a status 429. A permanent c stays as it is.
func (c Classification) Throttled() Classification { return c.as(throttled) }

// TimedOut returns c as the class of an attempt that took too long. A
// permanent c stays as it is.
func (c Classification) TimedOut() Classification { return c.as(timedOut) }

func (c Classification) as(k kind) Classification {
	if c.transient {
		c.kind = k
	}
	return c
}

// WithoutRetry returns c as the class of a failure that must not be tried
// again although it may pass: a request that may have been done already, say.
// Limits count it like any transient failure; a decision treats it like a
// permanent one.
func (c Classification) WithoutRetry() Classification {
	c.final = c.transient
	return c
}

// IsThrottled reports whether the server turned the caller away for asking too
// much.
func (c Classification) IsThrottled() bool { return c.kind == throttled }

// IsTimedOut reports whether the attempt took too long.
func (c Classification) IsTimedOut() bool { return c.kind == timedOut }

// IsTransient reports whether the failure may have passed by another attempt.
func (c Classification) IsTransient() bool { return c.transient }

// RetryAfter returns how long the server asked the caller to wait, never
// negative; ok is false when it did not ask.
func (c Classification) RetryAfter() (d time.Duration, ok bool) { return c.after, c.hinted }

// String returns "permanent", "transient", "throttled" or "timed out", the
// last three perhaps with what else is known: "transient, retry after 1.5s",
// "timed out, not to be retried".
func (c Classification) String() string {
	s := "permanent"
	switch {
	case c.kind == throttled:
		s = "throttled"
	case c.kind == timedOut:
		s = "timed out"
	case c.transient:
		s = "transient"
	}
	if c.final {
		s += ", not to be retried"
	}
	if c.hinted {
		s += fmt.Sprintf(", retry after %v", c.after)
	}
	return s
}

// Classify returns what the first [Retryable] in err's tree says, in the order
// of [errors.As], so an error keeps its class through any wrapping. An error
// with none, nil and a context's error included, is permanent.
func Classify(err error) Classification {
	if r, ok := retryable(err); ok {
		return r.RetryClassification()
	}
	return Permanent()
}

// retryable finds the first Retryable in err's tree. An error that is not
// wrapped costs no allocation, as errors.As would.
func retryable(err error) (Retryable, bool) {
	if r, ok := err.(Retryable); ok {
		return r, true
	}
	return unwrapRetryable(err)
}

func unwrapRetryable(err error) (r Retryable, ok bool) {
	ok = errors.As(err, &r)
	return r, ok
}
