package retry

import (
	"math/rand/v2"
	"time"
)

// Failure is what a decision is made of: an attempt that failed.
type Failure struct {
	Attempt int // the attempt's number, from 1
	Class   Classification
	// Elapsed is the time from the start of the first attempt to this
	// failure. Only MaxElapsed needs it.
	Elapsed time.Duration
	// Previous is the wait before the failed attempt, 0 if it was the first.
	// Only JitterDecorrelated needs it.
	Previous time.Duration
}

// Decision says what follows a failed attempt.
type Decision struct {
	Reason Reason
	// Wait is the time until the next attempt: the time to wait if there is
	// to be one, the time that was refused if the reason is [ElapsedLimit],
	// else 0.
	Wait time.Duration
	// Jitter is what chance changed: Wait-Jitter is the schedule's delay or
	// the server's. It is negative where the wait was shortened.
	Jitter time.Duration
}

// Retry reports whether another attempt follows.
func (d Decision) Retry() bool { return d.Reason == Backoff || d.Reason == RetryAfter }

// String returns the decision in words, such as "backoff 1s + jitter 43.1ms",
// "retry-after 5s" or "last attempt".
func (d Decision) String() string {
	s := d.Reason.String()
	if !d.Retry() {
		return s
	}
	s += " " + (d.Wait - d.Jitter).String()
	switch {
	case d.Jitter > 0:
		s += " + jitter " + d.Jitter.String()
	case d.Jitter < 0:
		s += " - jitter " + (-d.Jitter).String()
	}
	return s
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
	// NotTransient: the error was permanent, or must not be retried.
	NotTransient
	// Cancelled: the context ended, or would have before the next attempt.
	Cancelled
	// ElapsedLimit: the next attempt would have started after MaxElapsed.
	ElapsedLimit
	// LongRetryAfter: the server asked for more time than the policy gives.
	LongRetryAfter
	// Refused: the [Limit] allowed no further attempt.
	Refused
)

var reasonNames = [...]string{
	Backoff:      "backoff",
	RetryAfter:   "retry-after",
	Succeeded:    "succeeded",
	LastAttempt:  "last attempt",
	NotTransient: "permanent error",
	Cancelled:    "cancelled",

	ElapsedLimit:   "elapsed limit",
	LongRetryAfter: "retry-after too long",
	Refused:        "refused by a limit",
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
// the attempt was the last one permitted, whether its error was permanent, how
// long to wait, and whether the next attempt would come too late. The policy
// must be valid.
//
// With jitter it takes exactly one word from src for every wait it works out,
// so two policies that see the same failures can be compared on the same
// chance; without jitter it takes none and src may be nil.
func (p Policy) Decide(f Failure, src rand.Source) Decision {
	if p.IsLast(f.Attempt) {
		return Decision{Reason: LastAttempt}
	}
	if !f.Class.IsTransient() || f.Class.final {
		return Decision{Reason: NotTransient}
	}
	if f.Class.IsThrottled() && p.ThrottleDelay > 0 {
		p.BaseDelay = p.ThrottleDelay
	}
	d := p.wait(&f, src)
	if p.MaxElapsed > 0 && d.Retry() && d.Wait > p.MaxElapsed-f.Elapsed {
		d.Reason = ElapsedLimit
	}
	return d
}

// wait returns how long to wait and why: as long as the server asked, if the
// policy heeds that, else by the schedule, with jitter.
func (p *Policy) wait(f *Failure, src rand.Source) Decision {
	var word uint64
	if p.Jitter != JitterNone {
		word = src.Uint64()
	}
	hint, hinted := f.Class.RetryAfter()
	if hinted {
		var giveUp bool
		hint, hinted, giveUp = p.heed(hint)
		if giveUp {
			return Decision{Reason: LongRetryAfter}
		}
	}
	if !hinted {
		return p.backoff(f, word)
	}
	if p.RetryAfter == HintOrBackoff {
		if d := p.backoff(f, word); d.Wait > hint {
			return d
		}
		return Decision{Reason: RetryAfter, Wait: hint}
	}
	if p.LongRetryAfter == HintWithin {
		d := p.backoff(f, word)
		if hint <= d.Wait {
			return d
		}
		return Decision{Reason: RetryAfter, Wait: min(hint, addSaturating(d.Wait, uint64(p.MaxRetryAfter)))}
	}
	d := Decision{Reason: RetryAfter, Wait: hint}
	if p.Jitter == JitterAdditive { // the kind that only adds
		d.Wait = p.Jitter.around(hint, word)
		d.Jitter = d.Wait - hint
	}
	return d
}

// backoff returns the schedule's wait.
func (p *Policy) backoff(f *Failure, word uint64) Decision {
	if p.Jitter == JitterDecorrelated {
		wait := p.decorrelated(f.Previous, word)
		return Decision{Reason: Backoff, Wait: wait, Jitter: wait - min(p.BaseDelay, wait)}
	}
	delay, cut := p.capped(f.Attempt)
	if cut && p.Cap == CapExact {
		return Decision{Reason: Backoff, Wait: delay}
	}
	wait := p.Jitter.around(delay, word)
	if p.Cap == CapAfterJitter {
		wait = min(wait, p.MaxDelay)
	}
	return Decision{Reason: Backoff, Wait: wait, Jitter: wait - delay}
}
