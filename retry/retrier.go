package retry

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"
)

// Config is what a [Retrier] is made from. The zero Config makes one call and
// never retries, because its policy is the zero [Policy].
type Config struct {
	Policy Policy
	// Clock is what waits are measured on. nil: the real clock.
	Clock clockwork.Clock
	// Source is where jitter comes from. nil: [Seeded] with an unpredictable
	// seed, drawn once by [New].
	Source Source
	// Classify says which errors are worth another attempt. nil: [Classify].
	Classify func(error) Classification
	// Limit may refuse attempts. nil: nothing but the policy does.
	Limit Limit
	// Observer is told what happens. nil: nobody is.
	Observer Observer
}

// Retrier carries a policy and what is needed to obey it. It is safe for
// concurrent use; its calls share nothing but the counter that numbers them
// and the limit they were given.
type Retrier struct {
	config Config // but for the policy
	policy atomic.Pointer[Policy]
	calls  atomic.Uint64
}

// New returns a Retrier, or the error of an invalid policy.
func New(c Config) (*Retrier, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = clockwork.NewRealClock()
	}
	if c.Source == nil {
		c.Source = unpredictable()
	}
	if c.Classify == nil {
		c.Classify = Classify
	}
	r := &Retrier{config: c}
	r.policy.Store(&c.Policy)
	return r, nil
}

// Policy returns the policy that the next call obeys.
func (r *Retrier) Policy() Policy { return *r.policy.Load() }

// SetPolicy replaces the policy, for calls that begin from now on: a call that
// has begun keeps the one it began with. On an error, that of an invalid
// policy, nothing changes. It is safe while calls run.
func (r *Retrier) SetPolicy(p Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	r.policy.Store(&p)
	return nil
}

// Do calls op until it succeeds or the policy says stop, and returns op's
// result, or the zero T with the error of the last attempt, the same value.
// When ctx ends first the error is a [*CancelledError] instead, and when a
// [Limit] refuses the first attempt a [*RefusedError].
//
// Each attempt gets ctx itself or, under an attempt timeout, a child of it
// that ends when op returns, so a result must not depend on it; for one that
// does there is [Open].
func Do[T any](ctx context.Context, r *Retrier, op func(context.Context) (T, error)) (T, error) {
	return Open(ctx, r, op, func(v T, release func()) T {
		release()
		return v
	})
}

// Open is [Do] for a result that lives on the context of its attempt, such as
// a stream. Under an attempt timeout the timeout bounds op only, and the
// context lives on until release is called; keep returns the result in a form
// that sees to that. Without an attempt timeout keep is not called.
func Open[T any](ctx context.Context, r *Retrier, op func(context.Context) (T, error), keep func(v T, release func()) T) (T, error) {
	var zero T
	c := r.begin(ctx)
	defer c.leave()
	if ctx.Err() != nil {
		return zero, c.cancelled(ctx, 0, nil)
	}
	if !c.allowed() {
		err := &RefusedError{c.config.Limit}
		c.ended(Refused, err)
		return zero, err
	}
	for {
		c.attemptStarted()
		c.running = c.bound(ctx)
		v, err := op(c.inner(c.running.ctx))
		c.running.disarm()
		c.attemptEnded(err)
		if err == nil {
			c.report(ctx, true)
			if c.running.release != nil {
				v = keep(v, c.running.release)
			}
			c.running = attempt{}
			c.ended(Succeeded, nil)
			return v, nil
		}
		timedOut := c.running.giveUp(ctx, err)
		c.running = attempt{}
		if err, again := c.next(ctx, err, timedOut); !again {
			return zero, err
		}
	}
}

// leave cleans up after a function of the caller's that panicked or exited its
// goroutine; after any other end there is nothing left to do.
func (c *call) leave() {
	c.running.drop()
	c.letGo()
}

// inner returns the context for an attempt: the observer of this call is not
// that of calls below it.
func (c *call) inner(ctx context.Context) context.Context {
	if c.observer == nil {
		return ctx
	}
	return WithObserver(ctx, nil)
}

// call is one call of Do: everything the loop remembers.
type call struct {
	*Retrier
	perCall
	policy   *Policy
	attempt  int
	running  attempt // what the attempt runs in, until it is given up or kept
	start    time.Time
	class    Classification // of the last failure
	previous time.Duration  // the last wait
	permit   Permit         // of the attempt that the limit allowed last
	allows   bool           // the limit waits to hear of that attempt
	words    rand.Source    // made at the first retry: most calls never draw
}

func (r *Retrier) begin(ctx context.Context) call {
	said := callOf(ctx)
	if !said.numbered {
		said.number = r.calls.Add(1)
	}
	return call{Retrier: r, policy: r.policy.Load(), perCall: said, start: r.config.Clock.Now()}
}

// next decides what follows the failed attempt and waits for the next one if
// there is to be one; else it returns the error that the call ends with.
func (c *call) next(ctx context.Context, err error, timedOut bool) (error, bool) {
	c.class = c.classify(err, timedOut)
	c.report(ctx, false)
	f := Failure{Attempt: c.attempt, Class: c.class, Previous: c.previous}
	if c.policy.MaxElapsed > 0 { // reading a real clock costs more than the decision
		f.Elapsed = c.elapsed()
	}
	d := c.policy.Decide(f, c.source())
	if d.Reason == LastAttempt || d.Reason == NotTransient {
		c.ended(d.Reason, err)
		return err, false
	}
	if ctx.Err() != nil {
		discard(err)
		return c.cancelled(ctx, 0, err), false
	}
	if !timeLeft(ctx, c.config.Clock, d.Wait) {
		discard(err)
		return c.cancelled(ctx, d.Wait, err), false
	}
	if d.Retry() && !c.allowed() {
		d.Reason = Refused
	}
	if !d.Retry() {
		c.ended(d.Reason, err)
		return err, false
	}
	discard(err)
	c.previous = d.Wait
	c.waitStarted(d)
	ctxErr := wait(ctx, c.config.Clock, d.Wait)
	c.waitEnded(ctxErr)
	if ctx.Err() != nil { // also if the observer ended it just now
		return c.cancelled(ctx, d.Wait, err), false
	}
	return nil, true
}

// classify returns the class of an attempt's error, where anybody asks for it.
func (c *call) classify(err error, timedOut bool) Classification {
	if c.policy.IsLast(c.attempt) && c.config.Limit == nil {
		return Permanent() // not worth asking
	}
	if timedOut {
		if _, ok := retryable(err); !ok { // an error that knows its class is an answer
			return Transient().TimedOut()
		}
	}
	return c.config.Classify(err)
}

// wait waits for d. It returns ctx's error, which wins when both end together.
// It arms no timer for a zero wait, and leaves none behind. A clock that can wait
// for a context itself is asked to: one that moves by itself would have to find
// out what else could end the wait, which takes it far longer.
func wait(ctx context.Context, clock clockwork.Clock, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	if c, ok := clock.(interface {
		SleepContext(context.Context, time.Duration) error
	}); ok && d < math.MaxInt64 { // which may mean for ever there
		if err := c.SleepContext(ctx, d); err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		// It refuses such a context, and has not waited.
	}
	timer := clock.NewTimer(d)
	defer timer.Stop()
	return sleep(ctx, timer)
}

// sleep is the one place where this package waits on a timer.
func sleep(ctx context.Context, timer clockwork.Timer) error {
	select {
	case <-ctx.Done():
	case <-timer.Chan():
	}
	return ctx.Err()
}

// source returns the call's words, nil while no decision has needed any.
func (c *call) source() rand.Source {
	if c.words == nil && c.class.IsTransient() && c.policy.Jitter != JitterNone {
		c.words = c.config.Source(c.number)
	}
	return c.words
}

// cancelled ends the call on behalf of the context. When the context is still
// alive it is the deadline that leaves no time for wait.
func (c *call) cancelled(ctx context.Context, wait time.Duration, last error) error {
	e := &CancelledError{
		Attempts: c.attempt,
		Elapsed:  c.elapsed(),
		Wait:     wait,
		Err:      ctx.Err(),
		Cause:    context.Cause(ctx),
		Last:     last,
	}
	if e.Err == nil {
		e.Err = context.DeadlineExceeded
	}
	c.ended(Cancelled, e)
	return e
}

// allowed asks the limit, if there is one, for the next attempt.
func (c *call) allowed() bool {
	l := c.config.Limit
	if l == nil {
		return true
	}
	c.permit, c.allows = l.Allow(c.config.Clock.Now(), c.attempt+1, c.class)
	return c.allows
}

// report tells the limit how the attempt ended.
func (c *call) report(ctx context.Context, ok bool) {
	if !c.allows {
		return
	}
	if !ok && (ctx.Err() != nil || c.class.kind == unsent) {
		c.letGo()
		return
	}
	c.allows = false
	c.config.Limit.Report(c.config.Clock.Now(), c.permit, ok, c.class)
}

// letGo tells the limit that an attempt it allowed comes to nothing, if there
// is one.
func (c *call) letGo() {
	if c.allows {
		c.allows = false
		c.config.Limit.Abandon(c.config.Clock.Now(), c.permit)
	}
}

func (c *call) elapsed() time.Duration { return c.config.Clock.Since(c.start) }

func (c *call) moment() Moment {
	return Moment{Call: c.number, Attempt: c.attempt, At: c.config.Clock.Now()}
}

// The five functions below tell the observers; without one they cost two
// comparisons.

func (c *call) observed() bool { return c.config.Observer != nil || c.observer != nil }

func (c *call) tell(e Event) {
	for _, o := range []Observer{c.config.Observer, c.observer} {
		if o != nil {
			o.Observe(e)
		}
	}
}

func (c *call) attemptStarted() {
	c.attempt++
	if c.observed() {
		c.tell(AttemptStarted{c.moment()})
	}
}

func (c *call) attemptEnded(err error) {
	if c.observed() {
		c.tell(AttemptEnded{c.moment(), err})
	}
}

func (c *call) waitStarted(d Decision) {
	if c.observed() {
		c.tell(WaitStarted{c.moment(), c.class, d})
	}
}

func (c *call) waitEnded(err error) {
	if c.observed() {
		c.tell(WaitEnded{c.moment(), err})
	}
}

func (c *call) ended(reason Reason, err error) {
	if c.observed() {
		c.tell(CallEnded{c.moment(), c.elapsed(), reason, err})
	}
}
