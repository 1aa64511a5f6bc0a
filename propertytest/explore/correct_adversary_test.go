package explore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Loops that look like the mutants in bank_adversary_test.go, and keep their
// promises.

// looping is what the loops below have in common: what they do otherwise is in
// its fields. nil: as everybody does it.
type looping struct {
	attempt func(l *loop, ctx context.Context, n int, op func(context.Context) error) error
	sleep   func(l *loop, ctx context.Context, d time.Duration)
	leave   func() // when the call is over
}

func (w looping) do(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		l, began := newLoop(e), e.Clock.Now()
		if w.leave != nil {
			defer w.leave()
		}
		var last error
		for n := 1; ; n++ {
			if end := l.ended(ctx, -1, last); end != nil {
				return end
			}
			var err error
			if w.attempt != nil {
				err = w.attempt(l, ctx, n, op)
			} else {
				err = l.bounded(ctx, op)
			}
			if err == nil {
				return nil
			}
			wait, ok := l.next(ctx, n, err, began)
			if last = bare(err); !ok {
				return last
			}
			if end := l.ended(ctx, wait, last); end != nil {
				return end
			}
			e.Notify(n, last, wait)
			if w.sleep != nil {
				w.sleep(l, ctx, wait)
			} else {
				l.sleep(ctx, wait)
			}
		}
	}
}

// lastsOver keeps the context of an attempt until the next one begins.
func lastsOver(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		drop := func() {}
		return looping{
			attempt: func(l *loop, ctx context.Context, _ int, op func(context.Context) error) error {
				drop()
				ctx, drop = context.WithCancel(ctx)
				return l.bounded(ctx, op)
			},
			leave: func() { drop() },
		}.do(e)(ctx, op)
	}
}

// oneContext makes one context for all attempts of a call, and a timer that nobody
// waits on.
func oneContext(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		all, cancel := fakeclock.WithCancel(ctx, e.Clock)
		defer cancel()
		watchdog := e.Clock.AfterFunc(200*365*24*time.Hour, cancel)
		defer watchdog.Stop()
		return looping{attempt: func(l *loop, ctx context.Context, _ int, op func(context.Context) error) error {
			return l.bounded(all, op)
		}}.do(e)(ctx, op)
	}
}

// beating has a ticker for as long as the call lasts, which reports that it does.
func beating(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		beat := e.Clock.NewTicker(24 * 365 * time.Hour)
		return looping{leave: beat.Stop}.do(e)(ctx, op)
	}
}

// untilDone waits for the end of a context that times out when the wait is over.
func untilDone(l *loop, ctx context.Context, d time.Duration) {
	if d > 0 {
		over, cancel := fakeclock.WithTimeout(ctx, l.Clock, d)
		defer cancel()
		fakeclock.SleepContext(over, l.Clock, fakeclock.Forever)
	}
}

// piecemeal waits in two halves.
func piecemeal(l *loop, ctx context.Context, d time.Duration) {
	l.sleep(ctx, d/2)
	if ctx.Err() == nil {
		l.sleep(ctx, d-d/2)
	}
}

// byTheClock waits until a moment, and looks whether it has come.
func byTheClock(l *loop, ctx context.Context, d time.Duration) {
	for until := l.Clock.Now().Add(d); ctx.Err() == nil && l.Clock.Now().Before(until); {
		l.sleep(ctx, min(l.Clock.Until(until), time.Hour*24*365))
	}
}

// pooled takes its timers from a pool.
func pooled(e explore.Env) explore.Do {
	pool := sync.Pool{New: func() any { return e.Clock.NewTimer(time.Hour) }}
	return looping{sleep: func(l *loop, ctx context.Context, d time.Duration) {
		if d <= 0 {
			return
		}
		timer := pool.Get().(clockwork.Timer)
		timer.Reset(d)
		defer pool.Put(timer)
		defer timer.Stop()
		select {
		case <-timer.Chan():
		case <-ctx.Done():
		}
	}}.do(e)
}

// walked is the class of the first error of a tree that has one, from the outermost
// to the innermost.
func walked(err error) (class retry.Classification, ok bool) {
	if r, ok := err.(retry.Retryable); ok {
		return r.RetryClassification(), true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return walked(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if class, ok := walked(err); ok {
				return class, true
			}
		}
	}
	return retry.Permanent(), false
}

func walking(e explore.Env) explore.Do {
	return looped(retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client), Classify: func(err error) retry.Classification {
		class, _ := walked(err)
		return class
	}})
}

// countingDown counts the attempts that are left, in a method of a value.
type countingDown struct {
	l     *loop
	left  int
	n     int
	began time.Time
	last  error
}

func (c countingDown) run(ctx context.Context, op func(context.Context) error) error {
	if end := c.l.ended(ctx, -1, bare(c.last)); end != nil {
		return end
	}
	c.n++
	c.left--
	if c.last = c.l.bounded(ctx, op); c.last == nil {
		return nil
	}
	wait, ok := c.l.next(ctx, c.n, c.last, c.began)
	if !ok || c.left == 0 {
		return bare(c.last)
	}
	if end := c.l.ended(ctx, wait, bare(c.last)); end != nil {
		return end
	}
	c.l.sleep(ctx, wait)
	return c.run(ctx, op)
}

func counting(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		return countingDown{l: newLoop(e), left: max(e.Policy.MaxAttempts, 1), began: e.Clock.Now()}.run(ctx, op)
	}
}

// outcomes is an iterator over the attempts of a call: what came of each.
func outcomes(e explore.Env, ctx context.Context, op func(context.Context) error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		l, began := newLoop(e), e.Clock.Now()
		var last error
		for n := 1; ; n++ {
			if end := l.ended(ctx, -1, last); end != nil {
				yield(n, end)
				return
			}
			err := l.bounded(ctx, op)
			last = bare(err)
			wait, ok := time.Duration(0), false
			if err != nil {
				wait, ok = l.next(ctx, n, err, began)
			}
			if !ok {
				yield(n, last)
				return
			}
			if end := l.ended(ctx, wait, last); end != nil {
				yield(n, end)
				return
			}
			if !yield(n, last) {
				return
			}
			l.sleep(ctx, wait)
		}
	}
}

// lastOf takes the last value of an iterator.
func lastOf(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) (err error) {
		for _, err = range outcomes(e, ctx, op) {
		}
		return err
	}
}

// recovering returns a panic of the operation to its caller, when it has tidied up.
func recovering(e explore.Env) explore.Do {
	return looping{attempt: func(l *loop, ctx context.Context, _ int, op func(context.Context) error) error {
		defer func() {
			if v := recover(); v != nil {
				panic(v)
			}
		}()
		return l.bounded(ctx, op)
	}}.do(e)
}

// ending makes one error of the context's and the last failure by wrapping both.
func ending(e explore.Env) explore.Do {
	do := ourLoop(e)
	return func(ctx context.Context, op func(context.Context) error) error {
		err := do(ctx, op)
		if cut, ok := err.(*retry.CancelledError); ok {
			return fmt.Errorf("%w, %w", errors.Join(cut), context.Cause(ctx))
		}
		return err
	}
}

// planned draws every wait of a call before its first attempt.
func planned(e explore.Env) func(attempt int) time.Duration {
	delay := ourDelays(e)
	var waits []time.Duration
	for n := 1; n <= min(max(e.Policy.MaxAttempts, 1), 50); n++ {
		waits = append(waits, delay(n))
	}
	return func(attempt int) time.Duration {
		for len(waits) < attempt {
			waits = append(waits, delay(len(waits)+1))
		}
		return waits[attempt-1]
	}
}

// ofOurOwn copies a request field by field, and makes empty lists of none.
func ofOurOwn(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorate(e, &decorator1{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		next := r.Clone()
		next.StopSequences = append([]string{}, r.StopSequences...)
		next.Tools = append([]retry.Tool{}, next.Tools...)
		next.System = slices.Concat([]retry.SystemBlock{}, r.System)
		return inner.ChatStream(ctx, next)
	}})
}

func lookalikes() []implementation {
	with := func(sleep func(*loop, context.Context, time.Duration)) explore.Subject {
		return explore.Func(looping{sleep: sleep}.do)
	}
	return []implementation{
		{name: "a context until the next attempt", subject: explore.Func(lastsOver)},
		{name: "a context and a timer for all attempts", subject: explore.Func(oneContext)},
		{name: "a ticker beside the loop", subject: explore.Func(beating)},
		{name: "a wait until a context is done", subject: with(untilDone)},
		{name: "two halves of a wait", subject: with(piecemeal)},
		{name: "a wait until a moment", subject: with(byTheClock)},
		{name: "a pool of timers", subject: explore.Func(pooled)},
		{name: "a walk through an error's tree", subject: explore.Func(walking)},
		{name: "attempts that are left", subject: explore.Func(counting)},
		{name: "an iterator of outcomes", subject: explore.Func(lastOf)},
		{name: "a panic passed on", subject: explore.Func(recovering)},
		{name: "a cancelling wrapped twice", subject: explore.Func(ending)},
		{name: "waits drawn in advance", subject: explore.Delay(planned)},
		{name: "empty lists in a request", subject: explore.Model(ofOurOwn)},
	}
}
