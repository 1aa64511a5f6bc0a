package retry

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Failure is what a decision is made of: an attempt that failed.
type Failure struct {
	Attempt int // the attempt's number, from 1
	Class   Classification
}

// Decision says what follows a failed attempt.
type Decision struct {
	Reason Reason
	// Wait is the time until the next attempt, 0 when there is none.
	Wait time.Duration
	// Jitter is the part of Wait that chance added. Wait-Jitter is the
	// schedule's delay or the server's.
	Jitter time.Duration
}

// Retry reports whether another attempt follows.
func (d Decision) Retry() bool { return d.Reason == Backoff || d.Reason == RetryAfter }

// String returns the decision in words, such as "backoff 1s + jitter 43.1ms",
// "retry-after 5s" or "last attempt".
func (d Decision) String() string {
	switch {
	case !d.Retry():
		return d.Reason.String()
	case d.Jitter == 0:
		return fmt.Sprintf("%v %v", d.Reason, d.Wait)
	default:
		return fmt.Sprintf("%v %v + jitter %v", d.Reason, d.Wait-d.Jitter, d.Jitter)
	}
}

// Reason says why a call goes on or ended.
type Reason uint8

const (
	// Backoff: another attempt follows, after the schedule's delay.
	Backoff Reason = iota + 1
	// RetryAfter: another attempt follows, after the delay that the server
	// asked for.
	RetryAfter
	// Succeeded: the call ended with a result.
	Succeeded
	// LastAttempt: the last permitted attempt failed.
	LastAttempt
	// NotTransient: the error was permanent.
	NotTransient
	// Cancelled: the context ended, or would have before the next attempt.
	Cancelled
)

var reasonNames = [...]string{
	Backoff:      "backoff",
	RetryAfter:   "retry-after",
	Succeeded:    "succeeded",
	LastAttempt:  "last attempt",
	NotTransient: "permanent error",
	Cancelled:    "cancelled",
}

// String returns the reason in lower-case words.
func (r Reason) String() string {
	if r == 0 || int(r) >= len(reasonNames) {
		return "unknown"
	}
	return reasonNames[r]
}

// Decide says what follows a failed attempt. It is pure: the same policy,
// failure and words give the same decision. It asks, in this order, whether
// the attempt was the last one permitted, whether its error was permanent, and
// then how long to wait: as long as the server asked, else by the schedule,
// plus jitter.
//
// With jitter it takes exactly one word from src for every retry it grants, so
// two policies that see the same failures can be compared on the same chance;
// without jitter it takes none and src may be nil.
func (p Policy) Decide(f Failure, src rand.Source) Decision {
	if p.IsLast(f.Attempt) {
		return Decision{Reason: LastAttempt}
	}
	if !f.Class.IsTransient() {
		return Decision{Reason: NotTransient}
	}
	d := Decision{Reason: RetryAfter}
	delay, hinted := f.Class.RetryAfter()
	if !hinted {
		d.Reason, delay = Backoff, p.Backoff(f.Attempt)
	}
	if p.Jitter != JitterNone {
		d.Jitter = p.Jitter.offset(delay, src.Uint64())
	}
	d.Wait = delay + d.Jitter
	return d
}
