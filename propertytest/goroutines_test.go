package propertytest_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Correct code that needs a bubble, since it has goroutines, channels and locks
// of its own. It obeys any policy.

// sitter says what follows a failure; how attempts are made and waited for is
// left to others.
type sitter struct {
	explore.Env
	began time.Time
	words *rand.Rand
}

// next returns the wait after the n-th failure, or else the error that ends the
// call.
func (s sitter) next(ctx context.Context, n int, err error, timedOut bool) (wait time.Duration, end error) {
	class := retry.Classify(err)
	if timedOut {
		class = retry.Transient()
	}
	if n >= max(s.Policy.MaxAttempts, 1) || !class.IsTransient() {
		return 0, err
	}
	if end := s.ended(ctx, -1, err); end != nil {
		return 0, end
	}
	wait = s.Policy.BaseDelay
	for range min(n-1, 64) {
		if wait > math.MaxInt64/2 {
			wait = math.MaxInt64
			break
		}
		wait *= 2
	}
	if s.Policy.MaxDelay > 0 {
		wait = min(wait, s.Policy.MaxDelay)
	}
	if s.Policy.Jitter == retry.JitterFull {
		wait = time.Duration(s.words.Int64N(int64(wait)))
	}
	if asked, ok := class.RetryAfter(); ok {
		wait = asked
	}
	if s.Policy.Jitter == retry.JitterAdditive && wait >= 10 {
		wait += min(time.Duration(s.words.Int64N(int64(wait/10))), math.MaxInt64-wait)
	}
	if end := s.ended(ctx, wait, err); end != nil {
		return 0, end
	}
	if limit := s.Policy.MaxElapsed; limit > 0 && wait > limit-s.Clock.Since(s.began) {
		return 0, err
	}
	return wait, nil
}

// ended returns the error of a call whose context ended, or leaves no time for a
// wait; nil if neither is so.
func (s sitter) ended(ctx context.Context, wait time.Duration, last error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), context.Cause(ctx), last)
	}
	if at, ok := ctx.Deadline(); ok && wait >= s.Clock.Until(at) {
		return errors.Join(context.DeadlineExceeded, last)
	}
	return nil
}

// limited returns a context for an attempt.
func (s sitter) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.Policy.AttemptTimeout == 0 {
		return ctx, func() {}
	}
	return fakeclock.WithTimeout(ctx, s.Clock, s.Policy.AttemptTimeout)
}

// loop retries with an attempt and a wait of somebody's.
func (s sitter) loop(ctx context.Context, attempt func(context.Context) error, wait func(context.Context, time.Duration)) error {
	s.began, s.words = s.Clock.Now(), rand.New(s.Source())
	last := error(nil)
	for n := 1; ; n++ {
		if end := s.ended(ctx, -1, last); end != nil {
			return end
		}
		inner, cancel := s.limited(ctx)
		last = attempt(inner)
		timedOut := inner.Err() != nil && ctx.Err() == nil && errors.Is(last, context.DeadlineExceeded)
		cancel()
		if last == nil {
			return nil
		}
		d, end := s.next(ctx, n, last, timedOut)
		if end != nil {
			return end
		}
		if s.Notify(n, last, d); d > 0 {
			wait(ctx, d)
		}
	}
}

// inTurn makes each attempt on a goroutine of its own, which sends what came of
// it.
func inTurn(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		return sitter{Env: e}.loop(ctx, func(ctx context.Context) error {
			results := make(chan error, 1)
			go func() {
				defer close(results)
				results <- op(ctx)
			}()
			return <-results
		}, func(ctx context.Context, d time.Duration) {
			timer := e.Clock.NewTimer(d)
			defer timer.Stop()
			select {
			case <-ctx.Done():
			case <-timer.Chan():
			}
		})
	}
}

// called waits for one of two functions to be called: when the time is over, and
// when the context is.
func called(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		return sitter{Env: e}.loop(ctx, op, func(ctx context.Context, d time.Duration) {
			over := make(chan struct{})
			end := sync.OnceFunc(func() { close(over) })
			timer := e.Clock.AfterFunc(d, end)
			defer timer.Stop()
			defer context.AfterFunc(ctx, end)()
			<-over
		})
	}
}

// grouped makes attempts and waits in groups of goroutines, of which the first
// to end cancels the others.
func grouped(e explore.Env) explore.Do {
	type member = func(context.Context) error
	first := func(ctx context.Context, members ...member) (err error) {
		inner, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		var once sync.Once
		for _, m := range members {
			wg.Go(func() {
				got := m(inner)
				once.Do(func() { err = got; cancel() })
			})
		}
		wg.Wait()
		cancel()
		return err
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		return sitter{Env: e}.loop(ctx, func(ctx context.Context) error {
			return first(ctx, op)
		}, func(ctx context.Context, d time.Duration) {
			first(ctx, func(ctx context.Context) error {
				timer := e.Clock.NewTimer(d)
				defer timer.Stop()
				select {
				case <-ctx.Done():
				case <-timer.Chan():
				}
				return nil
			}, func(ctx context.Context) error { <-ctx.Done(); return nil })
		})
	}
}

// queued has one worker for a call, which takes attempts from a queue.
func queued(e explore.Env) explore.Do {
	type job struct {
		ctx   context.Context
		reply chan<- error
	}
	return func(ctx context.Context, op func(context.Context) error) error {
		jobs, idle := make(chan job), make(chan struct{})
		go func() {
			defer close(idle)
			for j := range jobs {
				j.reply <- op(j.ctx)
			}
		}()
		defer func() { close(jobs); <-idle }()
		reply := make(chan error)
		return sitter{Env: e}.loop(ctx, func(ctx context.Context) error {
			jobs <- job{ctx, reply}
			return <-reply
		}, func(ctx context.Context, d time.Duration) { fakeclock.SleepContext(ctx, e.Clock, d) })
	}
}

// locked looks like a hedge, for it hands a token round among goroutines that are
// started at once, and makes its attempts one after another.
func locked(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		replicas := make([]chan context.Context, 3)
		answers := make(chan error)
		var wg sync.WaitGroup
		for i := range replicas {
			replicas[i] = make(chan context.Context)
			wg.Go(func() {
				for ctx := range replicas[i] {
					answers <- op(ctx)
				}
			})
		}
		defer func() {
			for _, r := range replicas {
				close(r)
			}
			wg.Wait()
		}()
		n := 0
		return sitter{Env: e}.loop(ctx, func(ctx context.Context) error {
			replicas[n%len(replicas)] <- ctx
			n++
			return <-answers
		}, func(ctx context.Context, d time.Duration) {
			ticker := e.Clock.NewTicker(d)
			defer ticker.Stop()
			select {
			case <-ticker.Chan():
			case <-ctx.Done():
			}
		})
	}
}

func TestCorrectGoroutines(t *testing.T) {
	own := []retry.Policy{
		{MaxAttempts: 4, BaseDelay: time.Second, MaxDelay: 3 * time.Second, AttemptTimeout: 700 * time.Millisecond},
		{MaxAttempts: 6, BaseDelay: time.Second, MaxDelay: 6 * time.Second, Jitter: retry.JitterAdditive},
		{MaxAttempts: 9, BaseDelay: time.Second, MaxElapsed: 10 * time.Second, Jitter: retry.JitterFull},
	}
	for _, c := range []struct {
		name string
		do   func(explore.Env) explore.Do
		own  []retry.Policy
	}{
		{"a goroutine for each attempt", inTurn, own[:1]},
		{"AfterFunc", called, own[1:2]},
		{"groups", grouped, own[2:]},
		{"replicas", locked, own[:1]},
		{"a queue, under any policy that it has words for", queued, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			propertytest.Run(t, explore.Func(c.do), explore.Options{Policies: c.own, Checks: 20, Clients: -1})
		})
	}
}
