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
// permanent, or transient with an optional Retry-After. It is comparable; the
// zero value is permanent.
type Classification struct {
	transient bool
	hinted    bool
	after     time.Duration
}

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

// IsTransient reports whether another attempt is worthwhile.
func (c Classification) IsTransient() bool { return c.transient }

// RetryAfter returns how long the server asked the caller to wait, never
// negative; ok is false when it did not ask.
func (c Classification) RetryAfter() (d time.Duration, ok bool) { return c.after, c.hinted }

// String returns "permanent", "transient" or "transient, retry after 1.5s".
func (c Classification) String() string {
	switch {
	case c.hinted:
		return fmt.Sprintf("transient, retry after %v", c.after)
	case c.transient:
		return "transient"
	default:
		return "permanent"
	}
}

// Classify returns what the first [Retryable] in err's tree says, in the order
// of [errors.As], so an error keeps its class through any wrapping. An error
// with none, nil and a context's error included, is permanent.
func Classify(err error) Classification {
	var r Retryable
	if errors.As(err, &r) {
		return r.RetryClassification()
	}
	return Permanent()
}
