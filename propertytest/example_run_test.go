package propertytest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"pgregory.net/rapid"

	"github.com/retrykit/retrykit/propertytest"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/propertytest/verdict"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// Backoff is the code under test in these examples.
type Backoff struct {
	Clock    clockwork.Clock
	Attempts int
}

// Do calls op until it succeeds, at most so many times, a second and then two
// apart.
func (b Backoff) Do(ctx context.Context, op func(context.Context) error) error {
	for n := 1; ; n++ {
		err := op(ctx)
		if err == nil || n == b.Attempts || !retry.Classify(err).IsTransient() || ctx.Err() != nil {
			return err
		}
		timer := b.Clock.NewTimer(time.Second << (n - 1))
		select {
		case <-timer.Chan():
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// The suite in six lines. In a test of one's own the function is TestBackoff.
func ExampleRun() {
	_ = func(t *testing.T) {
		propertytest.Run(t, explore.Func(func(e explore.Env) explore.Do {
			return Backoff{Clock: e.Clock, Attempts: 3}.Do
		}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}}})
	}
}

// In a process of its own even os.Exit is no more than a verdict.
func ExampleIsolate() {
	_ = func(t *testing.T) {
		propertytest.Isolate(t, explore.Func(func(e explore.Env) explore.Do {
			return Backoff{Clock: e.Clock, Attempts: 3}.Do
		}), explore.Options{
			Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}},
			Lacks:    []verdict.Feature{verdict.Cause, verdict.Deadline},
			Known:    map[string]string{"started-after-cancel": "the operation looks at its context itself"},
		})
	}
}

// A fuzz target: go test -fuzz FuzzBackoff.
func ExampleFuzz() {
	_ = func(f *testing.F) {
		propertytest.Fuzz(f, explore.Func(func(e explore.Env) explore.Do {
			return Backoff{Clock: e.Clock, Attempts: 3}.Do
		}), explore.Options{Policies: []retry.Policy{{MaxAttempts: 3, BaseDelay: time.Second}}})
	}
}

// A property of one's own: no wait of the default policy is longer than its cap
// and a tenth.
func ExampleScenarios() {
	property := func(t *rapid.T) {
		s := propertytest.Scenarios(propertytest.ShortPolicies()).Draw(t, "scenario")
		d := s.Policy.Decide(retry.Failure{Attempt: 1, Class: retry.Transient()}, propertytest.Source(t, "jitter"))
		if most := s.Policy.Backoff(1); d.Wait > most+most/10 {
			t.Fatalf("waits %v, and not %v and a tenth at most:\n%s", d.Wait, most, scripted.Format(s))
		}
	}
	_ = func(t *testing.T) { rapid.Check(t, property) }
}

// Examples of what the generators draw do not depend on anything but their
// number.
func ExampleCancelled() {
	policies := rapid.Just(retry.Policy{MaxAttempts: 3, BaseDelay: time.Second})
	s := propertytest.Cancelled(propertytest.Scenarios(policies)).Example(7)
	fmt.Println(explore.OneLine(s))
	// Output: policy exp:base=1s,cap=none,jitter=none,attempts=3; timeout total=1.000000001s; ok "Hel" pause 1s "lo"
}
