package retry

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
)

// Pacer is a queue in front of a server: it lets attempts go in the order they
// came, each as soon as its [Pace] has room for it. Like a [Limit] it has the
// scope of whatever holds it. It is safe for concurrent use.
//
// A client calls [Pacer.Wait] before each attempt, or wraps its model in
// [Paced]. A simulation that has no goroutines to block calls
// [Pacer.Reserve] and [Pacer.Next] instead, with times in nanoseconds since a
// moment of its choice, and must not call Wait on the same pacer. Time that
// goes backwards counts as standing still.
type Pacer struct {
	pace Pace

	mu               sync.Mutex
	requests, tokens tokenBucket
	now              int64 // the latest time it was told
	underWay         int
	freed            int64       // when something was last given back
	queue            Reservation // the ring of those that wait: queue.next is first
	epoch            time.Time   // of Wait; zero before its first call
}

// never is the time of what does not happen by itself.
const never = math.MaxInt64

// NewPacer returns a pacer with nobody waiting, or the error of an invalid
// pace.
func NewPacer(p Pace) (*Pacer, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	a := &Pacer{pace: p, requests: newTokenBucket(p.Requests), tokens: newTokenBucket(p.Tokens), freed: math.MinInt64}
	a.queue.prev, a.queue.next = &a.queue, &a.queue
	return a, nil
}

// Pace returns the rule that the pacer obeys.
func (p *Pacer) Pace() Pace { return p.pace }

// Reservation is the place of an attempt in the queue of a [Pacer], and then
// among those under way.
type Reservation struct {
	pacer    *Pacer
	state    reservationState
	tokens   int64
	joined   int64
	deadline int64
	why      waitsFor

	prev, next *Reservation    // in the queue
	timer      clockwork.Timer // that wakes the goroutine in Wait
}

type reservationState uint8

const (
	queued reservationState = iota
	started
	expired
	over // settled or cancelled
)

// waitsFor is what keeps the first of the queue there.
type waitsFor uint8

const (
	forOthers waitsFor = iota
	forRequests
	forTokens
	forConcurrency
)

// Reserve puts an attempt that is expected to cost so many tokens at the end of
// the queue; fewer than 0 count as 0. The error is a [*QueueError] if the
// attempt can never go because it costs more than a full bucket holds.
//
// [Pacer.Next] says when the attempt leaves the queue. A reservation that
// started is to be settled or cancelled.
func (p *Pacer) Reserve(now, tokens int64) (*Reservation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reserve(p.at(now), max(tokens, 0))
}

func (p *Pacer) reserve(now, tokens int64) (*Reservation, error) {
	if p.tokens.rate.Limit > 0 && tokens > p.tokens.rate.Burst {
		return nil, &QueueError{Pace: p.pace, TooLarge: true, Tokens: tokens}
	}
	r := &Reservation{pacer: p, tokens: tokens, joined: now, deadline: never}
	if p.pace.QueueTimeout > 0 {
		r.deadline = addInt64(now, int64(p.pace.QueueTimeout))
	}
	last := p.queue.prev
	r.prev, r.next = last, &p.queue
	last.next, p.queue.prev = r, r
	return r, nil
}

// Next takes the first attempt out of the queue if it leaves it by now: because
// it may start, or because it has waited for as long as it may, which its Err
// tells. Otherwise Next returns nil and the time at which to ask again unless
// something is reserved, settled or cancelled before; that is [math.MaxInt64]
// if only such a thing can help. Ask until the answer is nil: several attempts
// may leave at one time.
func (p *Pacer) Next(now int64) (r *Reservation, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(p.at(now))
}

func (p *Pacer) take(now int64) (*Reservation, int64) {
	first := p.queue.next
	if first == &p.queue {
		return nil, never
	}
	at, why := p.ready(first)
	first.why = why
	switch {
	case at <= now && at <= first.deadline:
		first.leave(started)
		p.underWay++
		p.requests.take(now, 1)
		p.tokens.take(now, first.tokens)
		return first, now
	case first.deadline <= now:
		first.leave(expired)
		return first, now
	}
	return nil, min(at, first.deadline)
}

// ready returns when the pace has room for r if r is first, and what it waits
// for until then.
func (p *Pacer) ready(r *Reservation) (at int64, why waitsFor) {
	if p.pace.Concurrency > 0 && p.underWay >= p.pace.Concurrency {
		return never, forConcurrency
	}
	at, why = p.requests.ready(1), forRequests
	if t := p.tokens.ready(r.tokens); t > at {
		at, why = t, forTokens
	}
	if p.freed > at { // room that came late is no room before
		at, why = p.freed, forConcurrency
	}
	return at, why
}

// at returns now, or the latest time if that is later.
func (p *Pacer) at(now int64) int64 {
	p.now = max(p.now, now)
	return p.now
}

// leave takes r out of the queue.
func (r *Reservation) leave(state reservationState) {
	r.state = state
	r.prev.next, r.next.prev = r.next, r.prev
	r.prev, r.next = nil, nil
}

// Err returns why the attempt may not be made, a [*QueueError], or nil: it
// started, or it is still in the queue.
func (r *Reservation) Err() error {
	r.pacer.mu.Lock()
	defer r.pacer.mu.Unlock()
	if r.state != expired {
		return nil
	}
	return r.failed(r.deadline, nil, nil)
}

// Tokens returns what the attempt was expected to cost.
func (r *Reservation) Tokens() int64 { return r.tokens }

// Settle says that an attempt which started is over and cost so many tokens,
// less than reserved or more; fewer than 0 mean as many as were reserved.
// Only the first Settle or Cancel counts.
func (r *Reservation) Settle(now, tokens int64) {
	p := r.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	r.settle(p.at(now), tokens)
}

func (r *Reservation) settle(now, tokens int64) {
	if r.state != started {
		return
	}
	p := r.pacer
	switch {
	case tokens > r.tokens:
		p.tokens.take(now, tokens-r.tokens)
	case tokens >= 0:
		p.tokens.giveBack(r.tokens - tokens)
	}
	r.state = over
	p.underWay--
	p.freed = now
}

// Cancel gives up the place in the queue, or gives back all that an attempt
// took which started and was not made after all. Only the first Settle or
// Cancel counts.
func (r *Reservation) Cancel(now int64) {
	p := r.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	r.cancel(p.at(now))
}

func (r *Reservation) cancel(now int64) {
	switch r.state {
	case queued:
		r.leave(over)
	case started:
		r.settle(now, 0)
		r.pacer.requests.giveBack(1)
	}
}

// Wait waits on the clock until the attempt may be made, and returns a function
// to call when it is over, with the tokens that it cost as in
// [Reservation.Settle]. nil is the real clock. Every Wait of a pacer is for the
// same clock.
//
// If ctx ends first, the attempt waited for too long or it can never go, the
// error is a [*QueueError].
func (p *Pacer) Wait(ctx context.Context, clock clockwork.Clock, tokens int64) (done func(tokens int64), err error) {
	if clock == nil {
		clock = clockwork.NewRealClock()
	}
	r, err := p.join(clock, max(tokens, 0))
	if err != nil {
		return nil, err
	}
	if r.timer != nil {
		defer r.timer.Stop()
	}
	for {
		var ctxErr error
		if r.timer != nil {
			ctxErr = sleep(ctx, r.timer)
		} else {
			ctxErr = ctx.Err()
		}
		if left, err := r.woken(ctx, clock, ctxErr); left {
			if err != nil {
				return nil, err
			}
			return func(tokens int64) { r.done(clock, tokens) }, nil
		}
	}
}

// join reserves, and arms the timer of an attempt that has to wait.
func (p *Pacer) join(clock clockwork.Clock, tokens int64) (*Reservation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.read(clock)
	r, err := p.reserve(now, tokens)
	if err != nil {
		return nil, err
	}
	p.serve(now)
	if r.state == queued {
		r.timer = clock.NewTimer(time.Duration(r.deadline - now))
		p.serve(now) // if r is first it wakes earlier
	}
	return r, nil
}

// woken reports whether r has left the queue, which it does if ctx ended.
func (r *Reservation) woken(ctx context.Context, clock clockwork.Clock, ctxErr error) (left bool, err error) {
	p := r.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.read(clock)
	p.serve(now)
	switch {
	case ctxErr != nil:
		err = r.failed(now, ctxErr, context.Cause(ctx))
		r.cancel(now)
		p.serve(now)
		return true, err
	case r.state == expired:
		return true, r.failed(now, nil, nil)
	}
	return r.state == started, nil
}

func (r *Reservation) done(clock clockwork.Clock, tokens int64) {
	p := r.pacer
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.read(clock)
	p.serve(now) // with what there was until now
	r.settle(now, tokens)
	p.serve(now)
}

// serve lets go whoever leaves the queue by now, and sets the timer of who is
// first then.
func (p *Pacer) serve(now int64) {
	for {
		r, at := p.take(now)
		if r == nil {
			if first := p.queue.next; first.timer != nil {
				first.timer.Reset(time.Duration(at - now))
			}
			return
		}
		if r.timer != nil {
			r.timer.Reset(0)
		}
	}
}

// read returns the time on the clock, since the first time it was read.
func (p *Pacer) read(clock clockwork.Clock) int64 {
	if p.epoch.IsZero() {
		p.epoch = clock.Now()
	}
	return p.at(int64(clock.Since(p.epoch)))
}

// failed returns the error of an attempt that leaves the queue at now.
func (r *Reservation) failed(now int64, err, cause error) *QueueError {
	return &QueueError{Pace: r.pacer.pace, Waited: time.Duration(now - r.joined), Tokens: r.tokens, Err: err, Cause: cause, why: r.why}
}

// QueueError says that an attempt was not made because of a [Pacer]. It is not
// to be retried by the call whose attempt it was, and the limits of that call
// do not count it, for it says nothing of the server. Apart from that it is
// transient, unless the attempt was too large.
type QueueError struct {
	Pace   Pace
	Waited time.Duration // in the queue
	Tokens int64         // that the attempt was expected to cost
	// TooLarge says that Tokens are more than the pace ever has at once.
	TooLarge bool
	// Err and Cause are those of the context if it ended the wait, else nil.
	Err, Cause error

	why waitsFor
}

var _ Retryable = (*QueueError)(nil)

// Error returns one line that names the limit in the way, such as
//
//	retry: not sent: waited 30s, the most there is, for requests (600 per 1m0s)
func (e *QueueError) Error() string {
	if e.TooLarge {
		return fmt.Sprintf("retry: not sent: %d tokens are more than there ever are at once (%v)", e.Tokens, e.Pace.Tokens)
	}
	what := "its turn"
	switch e.why {
	case forRequests:
		what = fmt.Sprintf("requests (%v)", e.Pace.Requests)
	case forTokens:
		what = fmt.Sprintf("%d tokens (%v)", e.Tokens, e.Pace.Tokens)
	case forConcurrency:
		what = fmt.Sprintf("one of %d under way to end", e.Pace.Concurrency)
	}
	if e.Err == nil {
		return fmt.Sprintf("retry: not sent: waited %v, the most there is, for %s", e.Waited, what)
	}
	s := fmt.Sprintf("retry: not sent: cancelled after waiting %v for %s: %v", e.Waited, what, e.Err)
	if e.Cause != nil && e.Cause != e.Err {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the context's error and its cause, as far as there are any.
func (e *QueueError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Err, e.Cause} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// RetryClassification returns a class that is not to be retried and that
// limits do not count.
func (e *QueueError) RetryClassification() Classification {
	if e.TooLarge {
		return Classification{kind: unsent}
	}
	return Transient().WithoutRetry().as(unsent)
}
