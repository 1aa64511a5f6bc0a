package explore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
)

// implementation is retry code that keeps its promises, each written another
// way. None may raise an alarm.
type implementation struct {
	name    string
	subject explore.Subject
	lacks   []verdict.Feature
	only    []retry.Policy // none: any
	deviate []string       // what must be reported as a declared policy
	known   map[string]string
}

// loop is what the functions below share: the schedule and the classes, and
// nothing of how they loop and wait.
type loop struct {
	explore.Env
	words *rand.Rand
}

func newLoop(e explore.Env) *loop { return &loop{e, rand.New(e.Source())} }

// next returns the wait after the n-th failure; ok is false if there is none.
func (l *loop) next(ctx context.Context, n int, err error, began time.Time) (wait time.Duration, ok bool) {
	p := l.Policy
	var r retry.Retryable
	if n >= max(p.MaxAttempts, 1) || !errors.As(err, &r) || !r.RetryClassification().IsTransient() {
		return 0, false
	}
	wait = p.BaseDelay
	for range n - 1 {
		if wait = add(wait, wait); p.MaxDelay > 0 && wait >= p.MaxDelay {
			break
		}
	}
	if p.MaxDelay > 0 {
		wait = min(wait, p.MaxDelay)
	}
	if d, ok := r.RetryClassification().RetryAfter(); ok {
		wait = d
	}
	if p.Jitter == retry.JitterAdditive && wait >= 10 {
		wait = add(wait, time.Duration(l.words.Int64N(int64(wait/10))))
	}
	if p.MaxElapsed > 0 && wait > p.MaxElapsed-l.Clock.Since(began) {
		return 0, false
	}
	return wait, true
}

// ended returns the error of a call that its context ended, nil if it has not.
func (l *loop) ended(ctx context.Context, wait time.Duration, last error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), context.Cause(ctx), last)
	}
	if deadline, ok := ctx.Deadline(); ok && wait >= l.Clock.Until(deadline) {
		return errors.Join(context.DeadlineExceeded, last)
	}
	return nil
}

// bounded makes an attempt under the policy's timeout.
func (l *loop) bounded(ctx context.Context, op func(context.Context) error) error {
	if l.Policy.AttemptTimeout == 0 {
		return op(ctx)
	}
	inner, cancel := fakeclock.WithTimeout(ctx, l.Clock, l.Policy.AttemptTimeout)
	defer cancel()
	err := op(inner)
	if inner.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &timedOut{err}
	}
	return err
}

// timedOut is the error of an attempt that took too long, with a class.
type timedOut struct{ error }

func (e *timedOut) Unwrap() error                             { return e.error }
func (e *timedOut) RetryClassification() retry.Classification { return retry.Transient() }

// bare returns the error below a timeout's class: the one that the attempt ended
// with.
func bare(err error) error {
	if t, ok := err.(*timedOut); ok {
		return t.error
	}
	return err
}

// wait waits as the standard way has it.
func (l *loop) wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := l.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.Chan():
	case <-ctx.Done():
	}
}

func recursive(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		l := newLoop(e)
		began := e.Clock.Now()
		var from func(n int, last error) error
		from = func(n int, last error) error {
			if end := l.ended(ctx, -1, last); end != nil {
				return end
			}
			err := l.bounded(ctx, op)
			if err == nil {
				return nil
			}
			wait, ok := l.next(ctx, n, err, began)
			if !ok {
				return bare(err)
			}
			if end := l.ended(ctx, wait, bare(err)); end != nil {
				return end
			}
			l.sleep(ctx, wait)
			return from(n+1, bare(err))
		}
		return from(1, nil)
	}
}

func jumping(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) (err error) {
		l, began, n := newLoop(e), e.Clock.Now(), 0
		var wait time.Duration
		var ok bool
		var end error
	again:
		if end = l.ended(ctx, -1, bare(err)); end != nil {
			return end
		}
		n++
		if err = l.bounded(ctx, op); err == nil {
			return nil
		}
		if wait, ok = l.next(ctx, n, err, began); !ok {
			return bare(err)
		}
		if end = l.ended(ctx, wait, bare(err)); end != nil {
			return end
		}
		l.wait(ctx, wait)
		goto again
	}
}

// ranging is a loop over an iterator that waits between its values.
func ranging(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		l, began := newLoop(e), e.Clock.Now()
		var err, end error
		attempts := func() iter.Seq[int] {
			return func(yield func(int) bool) {
				for n := 1; ; n++ {
					if end = l.ended(ctx, -1, bare(err)); end != nil || !yield(n) {
						return
					}
					wait, ok := l.next(ctx, n, err, began)
					if end = bare(err); !ok {
						return
					}
					if end = l.ended(ctx, wait, bare(err)); end != nil {
						return
					}
					l.sleep(ctx, wait)
				}
			}
		}
		for range attempts() {
			if err = l.bounded(ctx, op); err == nil {
				return nil
			}
		}
		return end
	}
}

// states is a machine of states, each a function that returns the next.
func machine(e explore.Env) explore.Do {
	type state func() state
	return func(ctx context.Context, op func(context.Context) error) error {
		l, began, n := newLoop(e), e.Clock.Now(), 0
		var err, result error
		var wait time.Duration
		var attempt, decide, sleep state
		attempt = func() state {
			if result = l.ended(ctx, -1, bare(err)); result != nil {
				return nil
			}
			n++
			if err = l.bounded(ctx, op); err == nil {
				result = nil
				return nil
			}
			return decide
		}
		decide = func() state {
			var ok bool
			if wait, ok = l.next(ctx, n, err, began); !ok {
				result = bare(err)
				return nil
			}
			if result = l.ended(ctx, wait, bare(err)); result != nil {
				return nil
			}
			return sleep
		}
		sleep = func() state { l.sleep(ctx, wait); return attempt }
		for s := state(attempt); s != nil; {
			s = s()
		}
		return result
	}
}

// sleeping waits with the clock's own SleepContext.
func sleeping(e explore.Env) explore.Do { return plain(e, (*loop).sleep) }

// sleep is the quickest way to wait, for code in which that is not the point.
func (l *loop) sleep(ctx context.Context, d time.Duration) { fakeclock.SleepContext(ctx, l.Clock, d) }

// calledBack waits for a function of the clock to end a context of its own.
func calledBack(e explore.Env) explore.Do {
	return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
		if d <= 0 {
			return
		}
		over, wake := fakeclock.WithCancel(ctx, l.Clock)
		defer wake()
		timer := l.Clock.AfterFunc(d, wake)
		defer timer.Stop()
		fakeclock.SleepContext(over, l.Clock, fakeclock.Forever)
	})
}

// bounding waits for a context to time out.
func bounding(e explore.Env) explore.Do {
	return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
		if d <= 0 {
			return
		}
		over, cancel := fakeclock.WithTimeout(ctx, l.Clock, d)
		defer cancel()
		fakeclock.SleepContext(over, l.Clock, fakeclock.Forever)
	})
}

// ticking waits for one tick.
func ticking(e explore.Env) explore.Do {
	return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
		if d <= 0 {
			return
		}
		ticker := l.Clock.NewTicker(d)
		defer ticker.Stop()
		select {
		case <-ticker.Chan():
		case <-ctx.Done():
		}
	})
}

// oneTimer has one timer for all waits of a call.
func oneTimer(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		var timer clockwork.Timer
		defer func() {
			if timer != nil {
				timer.Stop()
			}
		}()
		return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
			switch {
			case d <= 0:
				return
			case timer == nil:
				timer = l.Clock.NewTimer(d)
			default:
				timer.Reset(d)
			}
			select {
			case <-timer.Chan():
			case <-ctx.Done():
			}
		})(ctx, op)
	}
}

// polling looks at a standard context again and again, until the wait is over; pause
// says how long it looks away when so much is left.
func polling(pause func(left time.Duration) time.Duration) func(explore.Env) explore.Do {
	return func(e explore.Env) explore.Do {
		return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			for end := l.Clock.Now().Add(d); l.Clock.Until(end) > 0; {
				timer := l.Clock.NewTimer(pause(l.Clock.Until(end)))
				select {
				case <-ctx.Done():
					timer.Stop()
					return
				case <-timer.Chan():
				}
			}
		})
	}
}

// standard waits for a function of the clock to end a standard context, beside a
// timer that is due later, or at the same instant.
func standard(later time.Duration, timerFirst bool) func(explore.Env) explore.Do {
	return func(e explore.Env) explore.Do {
		return plain(e, func(l *loop, ctx context.Context, d time.Duration) {
			if d <= 0 {
				return
			}
			over, wake := context.WithCancel(ctx)
			defer wake()
			defer l.Clock.AfterFunc(d, wake).Stop()
			timer := l.Clock.NewTimer(add(d, later))
			defer timer.Stop()
			if timerFirst {
				select {
				case <-timer.Chan():
				case <-over.Done():
				}
				return
			}
			select {
			case <-over.Done():
			case <-timer.Chan():
			}
		})
	}
}

// plain is a loop with another way to wait.
func plain(e explore.Env, wait func(*loop, context.Context, time.Duration)) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		l, began := newLoop(e), e.Clock.Now()
		var err error
		for n := 1; ; n++ {
			if end := l.ended(ctx, -1, bare(err)); end != nil {
				return end
			}
			if err = l.bounded(ctx, op); err == nil {
				return nil
			}
			d, ok := l.next(ctx, n, err, began)
			if !ok {
				return bare(err)
			}
			if end := l.ended(ctx, d, bare(err)); end != nil {
				return end
			}
			e.Notify(n, bare(err), d)
			wait(l, ctx, d)
		}
	}
}

// optional is configured by functions.
type option func(*optional)

type optional struct {
	env   explore.Env
	limit int
	sleep func(*loop, context.Context, time.Duration)
}

func withLimit(n int) option         { return func(o *optional) { o.limit = n } }
func withClock(e explore.Env) option { return func(o *optional) { o.env = e } }
func newOptional(opts ...option) explore.Do {
	o := &optional{sleep: (*loop).sleep}
	for _, opt := range opts {
		opt(o)
	}
	o.env.Policy.MaxAttempts = o.limit
	return plain(o.env, o.sleep)
}

// wrapping says how many attempts it made, around the last error.
func wrapping(e explore.Env) explore.Do {
	inner := plain(e, (*loop).sleep)
	return func(ctx context.Context, op func(context.Context) error) error {
		n := 0
		err := inner(ctx, func(ctx context.Context) error { n++; return op(ctx) })
		if err != nil {
			return fmt.Errorf("after %d attempts: %w", n, err)
		}
		return nil
	}
}

// shortSighted does not look at deadlines before it waits.
func shortSighted(e explore.Env) explore.Do {
	inner := plain(e, (*loop).wait)
	return func(ctx context.Context, op func(context.Context) error) error {
		return inner(blind{ctx}, op)
	}
}

// blind is a context that does not tell its deadline.
type blind struct{ context.Context }

func (blind) Deadline() (time.Time, bool) { return time.Time{}, false }

// unseeded draws from the process's own generator.
func unseeded(e explore.Env) explore.Do {
	e.Seed, e.Client = rand.Uint64(), rand.Uint64()
	return plain(e, (*loop).sleep)
}

// copying copies requests by way of JSON.
type copying struct {
	retry.CompletionModel
	do explore.Do
}

func (m *copying) ChatStream(ctx context.Context, r retry.ChatRequest) (s retry.Stream, err error) {
	err = m.do(ctx, func(ctx context.Context) error {
		next := r.Clone() // blocks are interfaces, which JSON cannot read back
		text, err := json.Marshal(struct {
			Temperature   *float64
			StopSequences []string
		}{r.Temperature, r.StopSequences})
		if err != nil {
			return err
		}
		next.Temperature, next.StopSequences = nil, nil
		if err := json.Unmarshal(text, &next); err != nil {
			return err
		}
		s, err = m.CompletionModel.ChatStream(ctx, next)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ours is package retry's decorator under a policy of the environment.
func ours(hold bool) explore.Subject {
	return explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		if hold {
			inner = retry.HoldBack(inner)
		}
		m, err := retry.NewModel(inner, retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client)})
		if err != nil {
			panic(err)
		}
		return m
	})
}

// ourLoop is package retry's loop.
func ourLoop(e explore.Env) explore.Do {
	r, err := retry.New(retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client)})
	if err != nil {
		panic(err)
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		_, err := retry.Do(ctx, r, func(ctx context.Context) (struct{}, error) { return struct{}{}, op(ctx) })
		return err
	}
}

// ourDelays is package retry's schedule as a delay function.
func ourDelays(e explore.Env) func(int) time.Duration {
	words, previous := retry.Seeded(e.Seed, e.Client)(1), time.Duration(0)
	return func(attempt int) time.Duration {
		p := e.Policy
		p.MaxAttempts, p.MaxElapsed = retry.Unlimited, 0
		previous = p.Decide(retry.Failure{Attempt: attempt, Class: retry.Transient(), Previous: previous}, words).Wait
		return previous
	}
}

func correct() []implementation {
	short := []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 2 * time.Second}} // for code that costs more than others
	out := []implementation{
		{name: "the house", subject: houseFunc("")},
		{name: "the house as a decorator", subject: houseModel("")},
		{name: "the house as a delay function", subject: houseDelay("")},
		{name: "a context that times out", subject: explore.Func(bounding)},
		{name: "goto", subject: explore.Func(jumping)},
		{name: "range over a function", subject: explore.Func(ranging)},
		{name: "a machine of states", subject: explore.Func(machine)},
		{name: "SleepContext", subject: explore.Func(sleeping)},
		{name: "AfterFunc", subject: explore.Func(calledBack)},
		{name: "polls", subject: explore.Func(polling(func(left time.Duration) time.Duration { return min(left, 100*time.Millisecond) })), only: short},
		{name: "a standard context", subject: explore.Func(standard(time.Minute, false)), only: short},
		{name: "a standard context and a tie", subject: explore.Func(standard(0, false)), only: short},
		{name: "a standard context behind a timer", subject: explore.Func(standard(time.Second, true)), only: short},
		{name: "recursion", subject: explore.Func(recursive)},
		{name: "a ticker", subject: explore.Func(ticking)},
		{name: "one timer", subject: explore.Func(oneTimer)},
		{name: "functional options", subject: explore.Func(func(e explore.Env) explore.Do {
			return newOptional(withClock(e), withLimit(e.Policy.MaxAttempts))
		})},
		{name: "wrapped errors", subject: explore.Func(wrapping), lacks: []verdict.Feature{verdict.SameError}, deviate: []string{"lost-error"}},
		{name: "no look at the deadline", subject: explore.Func(shortSighted), lacks: []verdict.Feature{verdict.Deadline}, deviate: []string{"slept-to-deadline"}},
		{name: "unseeded", subject: explore.Func(unseeded), lacks: []verdict.Feature{verdict.Seeded}},
		{name: "requests copied by JSON", subject: explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
			e.Policy.AttemptTimeout = 0 // its context would end with the opening
			return &copying{inner, plain(e, (*loop).sleep)}
		}), only: []retry.Policy{retry.Default(), {MaxAttempts: 5, BaseDelay: time.Second, MaxDelay: 4 * time.Second}}},
		{name: "retry.Do", subject: explore.Func(ourLoop)},
		{name: "Policy.Decide as a delay function", subject: explore.Delay(ourDelays)},
		{name: "retry.Model", subject: ours(false)},
		{name: "retry.Model over HoldBack", subject: ours(true)},
	}
	out = append(out, unseen()...)
	out = append(out, lookalikes()...)
	for _, p := range retry.Presets() {
		out = append(out,
			implementation{name: "retry.Model, " + p.Name, subject: ours(false), only: []retry.Policy{p.Policy}},
			implementation{name: "Decide, " + p.Name, subject: explore.Delay(ourDelays), only: []retry.Policy{p.Policy}})
	}
	const s = time.Second
	for _, x := range []struct {
		name   string
		policy retry.Policy
	}{
		{"larger", retry.Policy{MaxAttempts: 4, BaseDelay: s, RetryAfter: retry.HintOrBackoff, Jitter: retry.JitterAdditive}},
		{"clamp", retry.Policy{MaxAttempts: 4, BaseDelay: s, MaxRetryAfter: 3 * s}},
		{"drop", retry.Policy{MaxAttempts: 4, BaseDelay: s, MaxRetryAfter: 3 * s, LongRetryAfter: retry.HintDropped}},
		{"linear", retry.Policy{MaxAttempts: 5, Schedule: retry.Linear, BaseDelay: s, Step: 2 * s, MaxDelay: 6 * s, Jitter: retry.JitterEqual}},
		{"constant", retry.Policy{MaxAttempts: 5, Schedule: retry.Constant, BaseDelay: s, Jitter: retry.JitterFull}},
		{"decorrelated", retry.Policy{MaxAttempts: 5, BaseDelay: s, MaxDelay: 20 * s, Jitter: retry.JitterDecorrelated}},
		{"after jitter", retry.Policy{MaxAttempts: 5, BaseDelay: s, MaxDelay: 4 * s, Cap: retry.CapAfterJitter, Jitter: retry.JitterBetween(200, 200)}},
		{"elapsed, full", retry.Policy{MaxAttempts: 9, BaseDelay: s, MaxElapsed: 10 * s, Jitter: retry.JitterFull}},
		{"timeout", retry.Policy{MaxAttempts: 3, BaseDelay: s, AttemptTimeout: 2 * s, MaxElapsed: 10 * s, Jitter: retry.JitterEqual}},
		{"throttle", retry.Policy{MaxAttempts: 5, BaseDelay: s, ThrottleDelay: 3 * s, MaxDelay: 10 * s}},
	} {
		out = append(out, implementation{name: "retry.Model, " + x.name, subject: ours(false), only: []retry.Policy{x.policy}})
	}
	return out
}

// accused is code that the suite once had an alarm for.
var accused = []string{"a first chunk read ahead", "polls", "a standard context"}

// What one of several calls leaves behind is not the company's fault, though
// nobody sees whose it is.
func TestWhatIsLeftBehindIsNotShared(t *testing.T) {
	own := []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}}
	r := explore.Check(houseFunc("cancel/watcher-left"), explore.Options{Policies: own, Checks: -1, Clients: -1})
	assert.Equal(t, explore.Failed, r.Result("leaked").Status)
	assert.Equal(t, explore.Passed, r.Result("shared-state").Status)
}

// Code that keeps its promises passes, however it is written.
func TestCorrectCodePasses(t *testing.T) {
	checks, clients := 50_000, 4000
	if !*long {
		checks, clients = 50, 500
		t.Log("every ninth one, with 50 drawn scenarios and 500 clients; -long tries all, with 50,000 and 4,000")
	}
	for i, c := range correct() {
		if !*long && i%9 > 0 && !slices.Contains(accused, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := explore.Options{Name: c.name, Policies: c.only, Lacks: c.lacks, Known: c.known, Checks: checks, Clients: clients}
			r := explore.Check(c.subject, o)
			require.NoError(t, r.Err())
			if !c.subject.IsDelay() {
				assert.Equal(t, explore.Unknown(c.subject, o), r.Unknown)
			}
			for _, rule := range c.deviate {
				assert.Equal(t, explore.Deviates, r.Result(rule).Status, rule)
			}
		})
	}
}
