package propertytest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
)

// ours is our own decorator: it obeys any policy and lacks nothing.
func ours() explore.Subject {
	return explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		m, err := retry.NewModel(inner, retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client)})
		if err != nil {
			panic(err)
		}
		return m
	})
}

// plain is what the subjects of these tests are: three attempts, a second and
// two between them, and no word for a server that asks for more.
var plain = explore.Options{
	Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second, RetryAfter: retry.HintIgnored}},
	Lacks:    []verdict.Feature{verdict.Deadline, verdict.LastError, verdict.Cause},
	Checks:   100,
	Clients:  -1,
}

// retrier is retry code as it should be, with a seam for each thing that can go
// wrong. The zero retrier is plain.
type retrier struct {
	attempts int                                                                    // 0: three
	wait     func(e explore.Env, ctx context.Context, d time.Duration) error        // nil: a timer of the clock
	call     func(ctx context.Context, op func(context.Context) error, n int) error // nil: op
	leave    func(e explore.Env)                                                    // called at the end
}

func (l retrier) do(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		if l.leave != nil {
			defer l.leave(e)
		}
		for n := 1; ; n++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := l.attempt(ctx, op, n)
			class := retry.Classify(err)
			if err == nil || n >= max(l.attempts, 3) || !class.IsTransient() || ctx.Err() != nil {
				return err
			}
			wait := l.wait
			if wait == nil {
				wait = onTheClock
			}
			if err := wait(e, ctx, time.Second<<(n-1)); err != nil {
				return err
			}
		}
	}
}

func (l retrier) attempt(ctx context.Context, op func(context.Context) error, n int) error {
	if l.call == nil {
		return op(ctx)
	}
	return l.call(ctx, op, n)
}

func onTheClock(e explore.Env, ctx context.Context, d time.Duration) error {
	timer := e.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// onPackageTime is onTheClock for code that was never given a clock.
func onPackageTime(_ explore.Env, ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryst is retry code with goroutines and raw channels: each attempt has its
// own, and so has each wait. It keeps every promise.
var tryst = retrier{
	call: func(ctx context.Context, op func(context.Context) error, _ int) error {
		answer := make(chan error)
		go func() { answer <- op(ctx) }()
		return <-answer
	},
	wait: func(e explore.Env, ctx context.Context, d time.Duration) error {
		over := make(chan error)
		go func() { over <- onTheClock(e, ctx, d) }()
		return <-over
	},
}

// outside is a channel that no bubble knows, and mu a lock that all share.
var (
	outside = make(chan int)
	mu      sync.Mutex
)

// recursion has an end that no stack reaches.
func recursion(n int) int {
	if n < 0 {
		return 0
	}
	return recursion(n+1) + 1
}

// misbehaving are subjects by their names, and what is to be said of them.
var misbehaving = []struct {
	name    string
	subject explore.Subject
	says    []string
	isolate bool // only there is it survived
}{
	{name: "panics", subject: explore.Func(retrier{call: func(ctx context.Context, op func(context.Context) error, n int) error {
		if n == 2 {
			panic("no second time")
		}
		return op(ctx)
	}}.do), says: []string{"--- FAIL: %s/conduct/panicked", "no second time", "subjects_test.go"}},

	{name: "spins", subject: explore.Func(retrier{wait: func(explore.Env, context.Context, time.Duration) error {
		for n := 0; ; n++ {
		}
	}}.do), says: []string{"--- FAIL: %s/conduct/stuck", "nothing has moved for 1s of real time", "subjects_test.go"}},

	{name: "deadlocks", subject: explore.Func(retrier{wait: func(explore.Env, context.Context, time.Duration) error {
		select {}
	}}.do), says: []string{"--- FAIL: %s/conduct/stuck", "no time makes it go on", "goroutine [select (no cases)]", "subjects_test.go"}},

	{name: "blocks on an outside channel", subject: explore.Func(retrier{wait: func(explore.Env, context.Context, time.Duration) error {
		<-outside
		return nil
	}}.do), says: []string{"--- FAIL: %s/conduct/stuck", "goroutine [chan receive]", "subjects_test.go"}},

	{name: "blocks on a pipe", subject: explore.Func(retrier{wait: func(explore.Env, context.Context, time.Duration) error {
		r, _, err := os.Pipe()
		if err != nil {
			return err
		}
		_, err = io.ReadAll(r)
		return err
	}}.do), says: []string{"--- FAIL: %s/conduct/stuck", "subjects_test.go"}},

	{name: "sleeps with a lock", subject: explore.Func(retrier{wait: func(e explore.Env, ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		go func() { mu.Lock(); defer mu.Unlock() }()
		return onTheClock(e, ctx, d)
	}}.do), says: []string{"--- FAIL: %s/conduct/stuck", "goroutine [sync.Mutex.Lock]", "subjects_test.go"}},

	{name: "never ends", subject: explore.Func(func(e explore.Env) explore.Do {
		return func(ctx context.Context, op func(context.Context) error) error {
			for op(ctx) != nil {
				e.Clock.Sleep(time.Second)
			}
			return nil
		}
	}), says: []string{"--- FAIL: %s/conduct/stuck", "attempts, and no end of them", "--- FAIL: %s/attempts/extra-attempt"}},

	{name: "never ends elsewhere", subject: explore.Func(func(e explore.Env) explore.Do {
		return func(ctx context.Context, op func(context.Context) error) error {
			done := make(chan bool)
			go func() {
				defer close(done)
				for op(ctx) != nil {
					e.Clock.Sleep(time.Second)
				}
			}()
			<-done
			return nil
		}
	}), says: []string{"--- FAIL: %s/conduct/stuck", "attempts, and no end of them"}},

	{name: "leaks goroutines", subject: explore.Func(retrier{leave: func(explore.Env) {
		go func() { <-make(chan bool) }()
	}}.do), says: []string{"--- FAIL: %s/waiting/leaked", "goroutines are left when the call is over", "subjects_test.go"}},

	{name: "leaks timers", subject: explore.Func(retrier{wait: func(e explore.Env, ctx context.Context, d time.Duration) error {
		select {
		case <-e.Clock.NewTimer(d).Chan():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}.do), says: []string{"--- FAIL: %s/waiting/leaked", "a timer until 1s is left"}},

	{name: "ignores the clock", subject: explore.Func(retrier{attempts: 4, wait: onPackageTime}.do),
		says: []string{"--- FAIL: %s/waiting/wrong-clock", "the code waited 7s on the clock of package time", "--- FAIL: %s/attempts/extra-attempt"}},

	{name: "waits for ever without a clock", subject: explore.Clockless(retrier{wait: func(explore.Env, context.Context, time.Duration) error {
		select {}
	}}.do), says: []string{"--- FAIL: %s/conduct/stuck", "no time makes it go on", "goroutine [select (no cases)]"}},

	{name: "leaks without a clock", subject: explore.Clockless(retrier{wait: onPackageTime, leave: func(explore.Env) {
		go time.Sleep(time.Hour)
	}}.do), says: []string{"--- FAIL: %s/waiting/leaked", "goroutine [sleep]"}},

	{name: "waits in a goroutine that it leaves", subject: explore.Clockless(retrier{wait: func(_ explore.Env, ctx context.Context, d time.Duration) error {
		over := make(chan bool)
		go func() { time.Sleep(d); over <- true }()
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}.do), says: []string{"--- FAIL: %s/waiting/leaked", "goroutine [sleep]", "subjects_test.go"}},

	{name: "returns while an attempt goes on", subject: explore.Clockless(retrier{wait: onPackageTime, call: func(ctx context.Context, op func(context.Context) error, _ int) error {
		answer := make(chan error, 1)
		go func() { answer <- op(context.WithoutCancel(ctx)) }()
		select {
		case err := <-answer:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}}.do), says: []string{"--- FAIL: %s/request/lost-context"}},

	{name: "delays for ever", subject: explore.Delay(func(explore.Env) func(int) time.Duration {
		return func(int) time.Duration {
			for n := 0; ; n++ {
			}
		}
	}), says: []string{"--- FAIL: %s/conduct/stuck", "nothing has moved for 1s of real time"}},

	{name: "delays with a panic", subject: explore.Delay(func(explore.Env) func(int) time.Duration {
		return func(n int) time.Duration { return []time.Duration{time.Second}[n-1] }
	}), says: []string{"--- FAIL: %s/conduct/panicked", "index out of range [1] with length 1", "subjects_test.go"}},

	{name: "cannot be made", subject: explore.Func(func(explore.Env) explore.Do { panic("no such backoff") }),
		says: []string{"--- FAIL: %s/conduct/panicked", "the subject cannot be made: no such backoff", "subjects_test.go"}},

	{name: "ends its goroutine", subject: explore.Func(func(explore.Env) explore.Do {
		return func(context.Context, func(context.Context) error) error {
			runtime.Goexit()
			return nil
		}
	}), says: []string{"--- FAIL: %s/conduct/panicked", "ended its goroutine, as t.FailNow"}},

	{name: "ends the goroutine in which it is made", subject: explore.Func(func(explore.Env) explore.Do {
		runtime.Goexit()
		return nil
	}), says: []string{"--- FAIL: %s/conduct/panicked", "ended its goroutine, as t.FailNow"}},

	{name: "panics elsewhere", isolate: true, subject: explore.Func(retrier{call: func(ctx context.Context, op func(context.Context) error, n int) error {
		if n == 2 {
			go func() { panic("out of reach") }()
			select {}
		}
		return op(ctx)
	}}.do), says: []string{"--- FAIL: %s/conduct/panicked", "panic: out of reach", "subjects_test.go", "transient"}},

	{name: "overflows", isolate: true, subject: explore.Func(retrier{wait: func(explore.Env, context.Context, time.Duration) error {
		return errors.New(string(rune(recursion(0))))
	}}.do), says: []string{"--- FAIL: %s/conduct/panicked", "stack overflow", "transient"}},

	{name: "exits", isolate: true, subject: explore.Func(retrier{wait: func(explore.Env, context.Context, time.Duration) error {
		os.Exit(3)
		return nil
	}}.do), says: []string{"--- FAIL: %s/conduct/panicked", "exit status 3", "transient"}},
}
