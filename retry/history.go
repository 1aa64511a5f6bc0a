package retry

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// contextKey is the key of what a context says of its call.
type contextKey struct{}

// perCall is what a context says of its call.
type perCall struct {
	number   uint64
	numbered bool
	observer Observer
}

func callOf(ctx context.Context) perCall {
	p, _ := ctx.Value(contextKey{}).(perCall)
	return p
}

// WithCall returns a context whose call has the given number, so that its
// delays are the same whatever other calls run beside it. Calls without a
// number get the next one of the [Retrier], counted from 1 in the order they
// start.
func WithCall(ctx context.Context, number uint64) context.Context {
	p := callOf(ctx)
	p.number, p.numbered = number, true
	return context.WithValue(ctx, contextKey{}, p)
}

// WithObserver returns a context whose call tells o what happens, besides the
// observer of the [Retrier]. A context has one such observer: the last.
func WithObserver(ctx context.Context, o Observer) context.Context {
	p := callOf(ctx)
	p.observer = o
	return context.WithValue(ctx, contextKey{}, p)
}

// History is an [Observer] that keeps the attempts of a call, for the caller
// who wants to know more than the error says. Pass one with [WithObserver]:
//
//	var h retry.History
//	stream, err := model.ChatStream(retry.WithObserver(ctx, &h), req)
//	log.Printf("%d attempts in %v: %v", len(h.Attempts()), h.Elapsed(), err)
//
// The zero History is ready. It is safe for concurrent use, and meant for one
// call.
type History struct {
	mu       sync.Mutex
	attempts []AttemptRecord
	elapsed  time.Duration
	reason   Reason
}

var _ Observer = (*History)(nil)

// AttemptRecord is one attempt of a [History].
type AttemptRecord struct {
	Started, Ended time.Time
	Err            error         // what it returned; nil for the one that succeeded
	Wait           time.Duration // that was decided after it; 0 after the last
}

// Observe adds an event.
func (h *History) Observe(event Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := event.(type) {
	case AttemptStarted:
		h.attempts = append(h.attempts, AttemptRecord{Started: e.At})
	case AttemptEnded:
		last := &h.attempts[len(h.attempts)-1]
		last.Ended, last.Err = e.At, e.Err
	case WaitStarted:
		h.attempts[len(h.attempts)-1].Wait = e.Decision.Wait
	case CallEnded:
		h.elapsed, h.reason = e.Elapsed, e.Reason
	}
}

// Attempts returns a copy of the attempts so far.
func (h *History) Attempts() []AttemptRecord {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]AttemptRecord(nil), h.attempts...)
}

// Elapsed returns how long the call took, 0 while it runs.
func (h *History) Elapsed() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.elapsed
}

// Reason returns why the call ended, 0 while it runs.
func (h *History) Reason() Reason {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason
}

// Counters is an [Observer] that counts, for a metrics system of the caller's.
// The zero Counters is ready and safe for concurrent use.
type Counters struct {
	calls, attempts, retries          atomic.Int64
	succeeded, exhausted, permanent   atomic.Int64
	cancelled, refused, waited, hints atomic.Int64
}

var _ Observer = (*Counters)(nil)

// Observe counts an event.
func (c *Counters) Observe(event Event) {
	switch e := event.(type) {
	case AttemptStarted:
		c.attempts.Add(1)
		if e.Attempt > 1 {
			c.retries.Add(1)
		}
	case WaitStarted:
		c.waited.Add(int64(e.Decision.Wait))
		if e.Decision.Reason == RetryAfter {
			c.hints.Add(1)
		}
	case CallEnded:
		c.calls.Add(1)
		switch e.Reason {
		case Succeeded:
			c.succeeded.Add(1)
		case NotTransient:
			c.permanent.Add(1)
		case Cancelled:
			c.cancelled.Add(1)
		case Refused:
			c.refused.Add(1)
		default: // the policy permitted no further attempt
			c.exhausted.Add(1)
		}
	}
}

// All ranges over the counters, each under the name of an OpenTelemetry
// counter, in a fixed order: whole numbers, and retry.wait.duration, the waits
// that were decided, in nanoseconds. The calls that ended are the sum of the
// retry.calls.* below them: exhausted are those whose policy had no further
// attempt, no more time, or no patience for so long a Retry-After; refused, those
// that a [Limit] ended.
func (c *Counters) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for _, n := range []struct {
			name  string
			value *atomic.Int64
		}{
			{"retry.calls", &c.calls},
			{"retry.calls.succeeded", &c.succeeded},
			{"retry.calls.exhausted", &c.exhausted},
			{"retry.calls.permanent", &c.permanent},
			{"retry.calls.cancelled", &c.cancelled},
			{"retry.calls.refused", &c.refused},
			{"retry.attempts", &c.attempts},
			{"retry.retries", &c.retries},
			{"retry.waits.hinted", &c.hints},
			{"retry.wait.duration", &c.waited},
		} {
			if !yield(n.name, n.value.Load()) {
				return
			}
		}
	}
}
