package explore_test

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"math"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Loops as other people write them: each has its own idea of what a retry is.

// round is what conditions and waits are asked about.
type round struct {
	n       int
	err     error
	class   retry.Classification
	elapsed time.Duration
	wait    time.Duration
}

// either is met where one of the conditions is.
func either(conditions ...func(round) bool) func(round) bool {
	return func(r round) bool {
		for _, met := range conditions {
			if met(r) {
				return true
			}
		}
		return false
	}
}

// Waits are made of waits.

func doubling(base time.Duration) func(round) time.Duration {
	return func(r round) time.Duration {
		if zeros := bits.LeadingZeros64(uint64(base)); base > 0 && r.n > zeros-1 { // the shift would reach the sign
			return math.MaxInt64
		}
		return base << min(r.n-1, 62)
	}
}

func atMost(limit time.Duration, of func(round) time.Duration) func(round) time.Duration {
	return func(r round) time.Duration {
		if d := of(r); limit <= 0 || d < limit {
			return d
		}
		return limit
	}
}

func orAsAsked(of func(round) time.Duration) func(round) time.Duration {
	return func(r round) time.Duration {
		if d, asked := r.class.RetryAfter(); asked {
			return d
		}
		return of(r)
	}
}

func plusATenth(words *rand.Rand, of func(round) time.Duration) func(round) time.Duration {
	return func(r round) time.Duration {
		d := of(r)
		if d < 10 {
			return d
		}
		return d + min(time.Duration(words.Int64N(int64(d/10))), math.MaxInt64-d)
	}
}

// composed asks lists of conditions, as libraries do whose policies are built
// from parts.
func composed(e explore.Env) explore.Do {
	p := e.Policy
	stop := either(
		func(r round) bool { return r.n >= p.MaxAttempts },
		func(r round) bool { return !r.class.IsTransient() },
	)
	tooLong := func(r round) bool { return p.MaxElapsed > 0 && r.elapsed > p.MaxElapsed-r.wait }
	wait := orAsAsked(atMost(p.MaxDelay, doubling(p.BaseDelay)))
	if p.Jitter == retry.JitterAdditive {
		wait = plusATenth(rand.New(e.Source()), wait)
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		l, began := newLoop(e), e.Clock.Now()
		if end := l.ended(ctx, -1, nil); end != nil {
			return end
		}
		for r := (round{n: 1}); ; r.n++ {
			if r.err = l.bounded(ctx, op); r.err == nil {
				return nil
			}
			r.class, r.elapsed = retry.Classify(r.err), e.Clock.Since(began)
			if stop(r) {
				return bare(r.err)
			}
			r.wait = wait(r)
			if end := l.ended(ctx, r.wait, bare(r.err)); end != nil {
				return end
			}
			if tooLong(r) {
				return bare(r.err)
			}
			l.sleep(ctx, r.wait)
			if end := l.ended(ctx, -1, bare(r.err)); end != nil {
				return end
			}
		}
	}
}

// pulled draws its delays from a generator, which a server overrules.
func pulled(e explore.Env) explore.Do {
	delays := func(yield func(time.Duration) bool) {
		limit := uint64(math.MaxInt64)
		if e.Policy.MaxDelay > 0 {
			limit = uint64(e.Policy.MaxDelay)
		}
		for d := min(uint64(e.Policy.BaseDelay), limit); yield(time.Duration(d)); {
			d = min(2*d, limit) // no delay is above 63 bits
		}
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		l, until := newLoop(e), time.Time{}
		if e.Policy.MaxElapsed > 0 {
			until = e.Clock.Now().Add(e.Policy.MaxElapsed)
		}
		next, stop := iter.Pull(delays)
		defer stop()
		var failed error
		for left := max(1, e.Policy.MaxAttempts); ; {
			if end := l.ended(ctx, -1, failed); end != nil {
				return end
			}
			err := l.bounded(ctx, op)
			if failed = bare(err); err == nil {
				return nil
			}
			if left--; left == 0 || !retry.Classify(err).IsTransient() {
				return failed
			}
			d, _ := next()
			if asked, ok := retry.Classify(err).RetryAfter(); ok {
				d = asked
			}
			if tenth := d / 10; tenth > 0 && e.Policy.Jitter == retry.JitterAdditive {
				d += time.Duration(l.words.Uint64N(uint64(min(tenth, math.MaxInt64-d))))
			}
			if end := l.ended(ctx, d, failed); end != nil {
				return end
			}
			if !until.IsZero() && e.Clock.Until(until) < d {
				return failed
			}
			l.sleep(ctx, d)
		}
	}
}

// tabled is a machine whose states and events are numbers in a table.
func tabled(e explore.Env) explore.Do {
	type state int
	const (
		ready state = iota
		judging
		waiting
		done
	)
	const (
		success = iota
		failure
		hopeless
		mayPass
		ended
		elapsed
		events
	)
	table := [done][events]state{
		ready:   {success: done, failure: judging, ended: done},
		judging: {hopeless: done, mayPass: waiting, ended: done},
		waiting: {elapsed: ready, ended: done},
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		l, began, n, wait := newLoop(e), e.Clock.Now(), 0, time.Duration(0)
		var failed, result error
		act := [done]func() int{
			ready: func() int {
				if result = l.ended(ctx, -1, bare(failed)); result != nil {
					return ended
				}
				n++
				if failed = l.bounded(ctx, op); failed == nil {
					return success
				}
				return failure
			},
			judging: func() (event int) {
				var ok bool
				if wait, ok = l.next(ctx, n, failed, began); !ok {
					result = bare(failed)
					return hopeless
				}
				if result = l.ended(ctx, wait, bare(failed)); result != nil {
					return ended
				}
				return mayPass
			},
			waiting: func() int {
				e.Notify(n, bare(failed), wait)
				l.sleep(ctx, wait)
				return elapsed
			},
		}
		for s := ready; s != done; {
			s = table[s][act[s]()]
		}
		return result
	}
}

// rearmed makes its timer before the first attempt, stopped, and resets it for
// each wait.
func rearmed(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		timer := e.Clock.NewTimer(time.Hour)
		timer.Stop()
		defer timer.Stop()
		return plain(e, func(_ *loop, ctx context.Context, d time.Duration) {
			if d <= 0 {
				return
			}
			timer.Reset(d)
			select {
			case <-ctx.Done():
				if !timer.Stop() {
					select {
					case <-timer.Chan():
					default:
					}
				}
			case <-timer.Chan():
			}
		})(ctx, op)
	}
}

// paced has a ticker for all of a call, and works out the moment at which the
// next attempt is due.
func paced(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		var ticker clockwork.Ticker
		defer func() {
			if ticker != nil {
				ticker.Stop()
			}
		}()
		return plain(e, func(_ *loop, ctx context.Context, d time.Duration) {
			if d <= 0 {
				return
			}
			due := e.Clock.Now().Add(d)
			if ticker == nil {
				ticker = e.Clock.NewTicker(d)
			} else {
				ticker.Reset(d)
			}
			for now := e.Clock.Now(); now.Before(due) && ctx.Err() == nil; now = e.Clock.Now() {
				select {
				case <-ctx.Done():
				case <-ticker.Chan():
				}
			}
			ticker.Stop()
		})(ctx, op)
	}
}

// layered is a chain of middleware: a timeout under a breaker, which opens when a
// call has used its attempts, under retries.
func layered(e explore.Env) explore.Do {
	type op = func(context.Context) error
	type middleware func(op) op
	chain := func(inner op, outer ...middleware) op {
		for _, m := range outer {
			inner = m(inner)
		}
		return inner
	}
	return func(ctx context.Context, innermost func(context.Context) error) error {
		l, open, failures := newLoop(e), false, 0
		timeout := func(next op) op { return func(ctx context.Context) error { return l.bounded(ctx, next) } }
		breaker := func(next op) op {
			return func(ctx context.Context) error {
				err := next(ctx)
				if err != nil {
					failures++
				}
				open = failures >= max(e.Policy.MaxAttempts, 1)
				return err
			}
		}
		retries := func(next op) op {
			return func(ctx context.Context) error {
				began := e.Clock.Now()
				var last error
				for !open {
					if end := l.ended(ctx, -1, last); end != nil {
						return end
					}
					err := next(ctx)
					if last = bare(err); err == nil {
						return nil
					}
					wait, again := l.next(ctx, failures, err, began)
					if !again {
						break
					}
					if end := l.ended(ctx, wait, last); end != nil {
						return end
					}
					l.sleep(ctx, wait)
				}
				return last
			}
		}
		return chain(innermost, timeout, breaker, retries)(ctx)
	}
}

// backOff is an interface that many have written: stop says that there is no
// other delay.
type backOff interface {
	next(hint time.Duration, hinted bool) time.Duration
	reset()
}

const stop = time.Duration(-1)

// growing doubles, counted ends after a number of delays, shaky adds jitter.
type (
	growing struct{ base, limit, now time.Duration }
	counted struct {
		backOff
		most, n int
	}
	shaky struct {
		backOff
		words *rand.Rand
	}
)

func (g *growing) reset() { g.now = g.base }
func (g *growing) next(hint time.Duration, hinted bool) time.Duration {
	d := g.now
	if g.limit > 0 && d > g.limit {
		d = g.limit
	}
	if g.now > math.MaxInt64/2 {
		g.now = math.MaxInt64
	} else {
		g.now += g.now
	}
	if hinted {
		return hint
	}
	return d
}

func (c *counted) reset() { c.n = 0; c.backOff.reset() }
func (c *counted) next(hint time.Duration, hinted bool) time.Duration {
	if c.n++; c.n >= c.most {
		return stop
	}
	return c.backOff.next(hint, hinted)
}

func (s *shaky) next(hint time.Duration, hinted bool) time.Duration {
	d := s.backOff.next(hint, hinted)
	if d < 10 || d > math.MaxInt64/11*10 {
		return d
	}
	return d + time.Duration(s.words.Int64N(int64(d/10)))
}

// doData is generic over what an operation returns.
func doData[T any](ctx context.Context, l *loop, b backOff, op func(context.Context) (T, error)) (T, error) {
	var none T
	b.reset()
	began := l.Clock.Now()
	for last := error(nil); ; {
		if end := l.ended(ctx, -1, last); end != nil {
			return none, end
		}
		var v T
		err := l.bounded(ctx, func(ctx context.Context) (err error) { v, err = op(ctx); return err })
		if last = bare(err); err == nil {
			return v, nil
		}
		class := retry.Classify(err)
		d := b.next(class.RetryAfter())
		if d == stop || !class.IsTransient() {
			return none, last
		}
		if end := l.ended(ctx, d, last); end != nil {
			return none, end
		}
		if limit := l.Policy.MaxElapsed; limit > 0 && l.Clock.Since(began)+min(d, limit) > limit || limit > 0 && d > limit {
			return none, last
		}
		l.sleep(ctx, d)
	}
}

func generic(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		l := newLoop(e)
		b := backOff(&growing{base: e.Policy.BaseDelay, limit: e.Policy.MaxDelay})
		if e.Policy.Jitter == retry.JitterAdditive {
			b = &shaky{b, l.words}
		}
		n, err := doData(ctx, l, &counted{backOff: b, most: max(e.Policy.MaxAttempts, 1)}, func(ctx context.Context) (int, error) { return 42, op(ctx) })
		if err == nil && n != 42 {
			panic("the result is lost")
		}
		return err
	}
}

// unfolding is a policy that returns what to do and the policy from then on.
type unfolding func(class retry.Classification) (wait time.Duration, again bool, then unfolding)

func unfold(p retry.Policy, words *rand.Rand, left int, d time.Duration) unfolding {
	return func(class retry.Classification) (time.Duration, bool, unfolding) {
		if left <= 1 || !class.IsTransient() {
			return 0, false, nil
		}
		wait := d
		if p.MaxDelay > 0 {
			wait = min(d, p.MaxDelay)
		}
		if asked, ok := class.RetryAfter(); ok {
			wait = asked
		}
		if p.Jitter == retry.JitterAdditive && wait >= 10 {
			wait = add(wait, time.Duration(words.Int64N(int64(wait)/10)))
		}
		return wait, true, unfold(p, words, left-1, add(d, d))
	}
}

func unfolded(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		l, began := newLoop(e), e.Clock.Now()
		policy := unfold(e.Policy, l.words, e.Policy.MaxAttempts, e.Policy.BaseDelay)
		err, end := error(nil), l.ended(ctx, -1, nil)
		for wait, again := time.Duration(0), true; end == nil; end = l.ended(ctx, -1, bare(err)) {
			if err = l.bounded(ctx, op); err == nil {
				return nil
			}
			if wait, again, policy = policy(retry.Classify(err)); !again {
				return bare(err)
			}
			if end := l.ended(ctx, wait, bare(err)); end != nil {
				return end
			}
			if e.Policy.MaxElapsed > 0 && wait > e.Policy.MaxElapsed-e.Clock.Since(began) {
				return bare(err)
			}
			l.sleep(ctx, wait)
		}
		return end
	}
}

// entry is something that is due: a call is an agenda of them, in a heap.
type entry struct {
	at   time.Time
	kind int // of one moment, the lower comes first
	do   func() error
}

type agenda []entry

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].kind < a[j].kind
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(entry)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

var errOver = errors.New("the agenda is done")

// scheduled works through an agenda: the caller's deadline, the end of the time for all
// attempts, and the next attempt.
func scheduled(e explore.Env) explore.Do {
	const deadline, attempt, limit = 0, 1, 2
	return func(ctx context.Context, op func(context.Context) error) error {
		l, n := newLoop(e), 0
		var err error
		a := &agenda{}
		if at, ok := ctx.Deadline(); ok {
			heap.Push(a, entry{at, deadline, func() error { return errors.Join(context.DeadlineExceeded, bare(err)) }})
		}
		if d := e.Policy.MaxElapsed; d > 0 {
			heap.Push(a, entry{e.Clock.Now().Add(d), limit, func() error { return bare(err) }})
		}
		open := e
		open.Policy.MaxElapsed = 0 // the agenda says it
		judge := &loop{open, l.words}
		var try func() error
		try = func() error {
			if n++; ctx.Err() != nil {
				return l.ended(ctx, -1, bare(err))
			}
			if err = l.bounded(ctx, op); err == nil {
				return errOver
			}
			wait, again := judge.next(ctx, n, err, time.Time{})
			if !again {
				return bare(err)
			}
			if ctx.Err() != nil {
				return l.ended(ctx, -1, bare(err))
			}
			heap.Push(a, entry{e.Clock.Now().Add(wait), attempt, try})
			return nil
		}
		heap.Push(a, entry{e.Clock.Now(), attempt, try})
		for {
			next := heap.Pop(a).(entry)
			if next.kind == attempt {
				l.sleep(ctx, e.Clock.Until(next.at))
			}
			switch end := next.do(); end {
			case nil:
			case errOver:
				return nil
			default:
				return end
			}
		}
	}
}

// continued is written in continuations, which a trampoline runs.
func continued(e explore.Env) explore.Do {
	type step func() step
	return func(ctx context.Context, op func(context.Context) error) (result error) {
		l, began := newLoop(e), e.Clock.Now()
		give := func(err error) step { result = err; return nil }
		alive := func(wait time.Duration, last error, then step) step {
			return func() step {
				if end := l.ended(ctx, wait, last); end != nil {
					return give(end)
				}
				return then
			}
		}
		var attempt func(n int, last error) step
		attempt = func(n int, last error) step {
			return alive(-1, last, func() step {
				err := l.bounded(ctx, op)
				if err == nil {
					return give(nil)
				}
				wait, again := l.next(ctx, n, err, began)
				if !again {
					return give(bare(err))
				}
				return alive(wait, bare(err), func() step {
					l.sleep(ctx, wait)
					return attempt(n+1, bare(err))
				})
			})
		}
		for s := attempt(1, nil); s != nil; {
			s = s()
		}
		return result
	}
}

// forgetful waits with After, whose timer nobody can stop.
func forgetful(e explore.Env) explore.Do {
	return plain(e, func(_ *loop, ctx context.Context, d time.Duration) {
		select {
		case <-e.Clock.After(d):
		case <-ctx.Done():
		}
	})
}

// halving waits for half of what is left again and again, and so looks at its
// context often: the last nanosecond is a wait of its own.
func halving(e explore.Env) explore.Do {
	return plain(e, func(_ *loop, ctx context.Context, d time.Duration) {
		for until := e.Clock.Now().Add(d); ctx.Err() == nil; {
			left := e.Clock.Until(until)
			if left <= 0 {
				return
			}
			fakeclock.SleepContext(ctx, e.Clock, (left+1)/2)
		}
	})
}

// polite clamps what a server asks for, deaf does not listen to it: their policy
// says so.
func polite(limit time.Duration) func(explore.Env) explore.Do {
	return func(e explore.Env) explore.Do {
		l := newLoop(e)
		return func(ctx context.Context, op func(context.Context) error) error {
			var err error
			for n := 1; n <= e.Policy.MaxAttempts; n++ {
				if end := l.ended(ctx, -1, err); end != nil {
					return end
				}
				if err = op(ctx); err == nil || n == e.Policy.MaxAttempts {
					break
				}
				class := retry.Classify(err)
				if !class.IsTransient() {
					break
				}
				wait := min(e.Policy.BaseDelay<<(n-1), e.Policy.MaxDelay)
				if asked, ok := class.RetryAfter(); ok && limit > 0 {
					wait = min(asked, limit)
				}
				if end := l.ended(ctx, wait, err); end != nil {
					return end
				}
				l.sleep(ctx, wait)
			}
			return err
		}
	}
}

// spreader draws its waits from a window: each kind of jitter as those write it
// who have read of it.
func spreader(e explore.Env) explore.Do {
	p, words := e.Policy, rand.New(e.Source())
	upTo := func(d time.Duration) time.Duration { // both ends included
		if d <= 0 {
			return 0
		}
		return time.Duration(words.Int64N(int64(d) + 1))
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		l, sleep := newLoop(e), p.BaseDelay
		if end := l.ended(ctx, -1, nil); end != nil {
			return end
		}
		for n := 1; ; n++ {
			err := op(ctx)
			class := retry.Classify(err)
			if err == nil || n >= p.MaxAttempts || !class.IsTransient() {
				return err
			}
			ceiling := min(p.BaseDelay*time.Duration(int64(1)<<(n-1)), p.MaxDelay)
			switch p.Jitter {
			case retry.JitterFull:
				sleep = upTo(ceiling)
			case retry.JitterEqual:
				half := ceiling >> 1
				sleep = ceiling - half + upTo(half)
			case retry.JitterDecorrelated:
				sleep = min(p.MaxDelay, p.BaseDelay+upTo(max(sleep, p.BaseDelay)*3-p.BaseDelay))
			}
			if asked, ok := class.RetryAfter(); ok {
				sleep = asked
			}
			if end := l.ended(ctx, sleep, err); end != nil {
				return end
			}
			l.sleep(ctx, sleep)
			if end := l.ended(ctx, -1, err); end != nil {
				return end
			}
		}
	}
}

// unseen are loops, delay functions and decorators that were written when the
// suite was done.
func unseen() []implementation {
	const s = time.Second
	own := func(j retry.Jitter) []retry.Policy {
		return []retry.Policy{{MaxAttempts: 5, BaseDelay: s, MaxDelay: 6 * s, Jitter: j}}
	}
	return []implementation{
		{name: "conditions", subject: explore.Func(composed)},
		{name: "a generator", subject: explore.Func(pulled)},
		{name: "a table of transitions", subject: explore.Func(tabled)},
		{name: "a timer made in advance", subject: explore.Func(rearmed)},
		{name: "a ticker for all waits", subject: explore.Func(paced)},
		{name: "middleware", subject: explore.Func(layered)},
		{name: "generic", subject: explore.Func(generic)},
		{name: "a policy that returns a policy", subject: explore.Func(unfolded)},
		{name: "an agenda", subject: explore.Func(scheduled)},
		{name: "continuations", subject: explore.Func(continued)},
		{name: "After", subject: explore.Func(forgetful), known: map[string]string{"leaked": "nobody can stop the timer of After"}},
		{name: "halves", subject: explore.Func(halving)},
		{name: "a Retry-After clamped", subject: explore.Func(polite(3 * s)), deviate: []string{"early-retry"},
			only: []retry.Policy{{MaxAttempts: 4, BaseDelay: s, MaxDelay: 5 * s, MaxRetryAfter: 3 * s}}},
		{name: "no ear for a Retry-After", subject: explore.Func(polite(0)), deviate: []string{"early-retry"},
			only: []retry.Policy{{MaxAttempts: 4, BaseDelay: s, MaxDelay: 5 * s, RetryAfter: retry.HintIgnored}}},
		{name: "full jitter", subject: explore.Func(spreader), only: own(retry.JitterFull)},
		{name: "equal jitter", subject: explore.Func(spreader), only: own(retry.JitterEqual)},
		{name: "decorrelated jitter", subject: explore.Func(spreader), only: own(retry.JitterDecorrelated)},

		{name: "integers without bounds", subject: explore.Delay(bigDelay)},
		{name: "a list of delays", subject: explore.Delay(listedDelay)},
		{name: "128 bits", subject: explore.Delay(shiftedDelay)},
		{name: "floats", subject: explore.Delay(floatDelay)},
		{name: "a cap that is halved", subject: explore.Delay(halvedDelay)},

		{name: "a first chunk read ahead", subject: explore.Model(peeking), only: own(retry.JitterAdditive)},
		{name: "attempts with contexts of their own", subject: explore.Model(releasing)},
		{name: "a stream by way of an iterator", subject: explore.Model(pumped)},
	}
}
