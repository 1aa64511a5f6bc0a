package explore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// twice calls an operation twice, whatever its error and its policy say.
func twice(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		if err := op(ctx); err == nil {
			return nil
		}
		e.Clock.Sleep(e.Policy.Backoff(1))
		return op(ctx)
	}
}

func ExampleCheck() {
	subject := explore.Func(func(e explore.Env) explore.Do { return twice(e) })
	report := explore.Check(subject, explore.Options{
		Name:     "twice",
		Policies: []retry.Policy{{MaxAttempts: 2, BaseDelay: time.Second}},
		Checks:   100,
		Clients:  -1, // says nothing of jitter
	})
	fmt.Println(report.OK())
	result := report.Result("retried-permanent")
	fmt.Println(result.Status)
	fmt.Println(explore.OneLine(result.Failure.Script))
	for _, state := range report.Reached[:2] {
		fmt.Println(state.Name, state.Count > 0)
	}
	// Output:
	// false
	// failed
	// policy exp:base=1s,cap=none,jitter=none,attempts=2; permanent: no; ok
	// success true
	// success after a retry true
}

// Looking for a script with which a policy does not keep what is expected.
func ExampleFuzz() {
	scenario, err := scripted.Parse("slow", "policy exp:base=1s,attempts=5,jitter=none\nok\nexpect total <= 10s\n")
	if err != nil {
		panic(err)
	}
	broken, progress, err := explore.Fuzz(explore.Fuzzing{Scenario: scenario, Runs: 1000, More: func(explore.Progress) bool { return true }})
	if err != nil {
		panic(err)
	}
	fmt.Println(broken.What, progress.Runs <= 1000)
	fmt.Println(explore.OneLine(broken.Script))
	// Output:
	// total <= 10s: got 15s true
	// expect total <= 10s; policy exp:base=1s,cap=30s,jitter=none,attempts=5; transient forever
}

// A single scenario, on a stage that tells how long it took.
func ExampleSubject_Play() {
	script, err := scripted.Parse("one", "policy exp:base=1s,attempts=2,jitter=none\ntransient; ok")
	if err != nil {
		panic(err)
	}
	var run explore.Runner = func(c fakeclock.Config, f func(explore.Stage) error) error {
		return explore.Coroutines(c, func(s explore.Stage) error {
			err := f(s)
			fmt.Println("took", s.Clock.Elapsed())
			return err
		})
	}
	for _, e := range explore.Func(twice).Play(script, run) {
		fmt.Println(time.Duration(e.At), e.Kind)
	}
	// Output:
	// took 1s
	// 0s begin
	// 0s attempt
	// 0s failed
	// 1s attempt
	// 1s opened
	// 1s end
}
