package simulate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/retry/trace"
	"github.com/retrykit/retrykit/scripted"
)

// DefaultSeed is the seed of a run that names none.
const DefaultSeed = 1

// Options override what a script says. The zero Options override nothing.
type Options struct {
	Policy *retry.Policy // nil: the script's, else [retry.Default]
	Seed   *uint64       // nil: the script's, else [DefaultSeed]
}

// Run is what happened when a script was played.
type Run struct {
	Policy retry.Policy // in force
	Seed   uint64       // in force

	Outcome  scripted.Outcome
	Reason   retry.Reason  // why the decorator stopped
	Attempts int           // made
	Elapsed  time.Duration // virtual, from the start to the end of the call
	Err      error         // what the caller got, from the call or from the stream; nil on success
	Trace    trace.Trace
	Checks   []Check // the script's expectations, in their order
}

// Check is an expectation and what the run says of it.
type Check struct {
	scripted.Expect
	Got string // what the subject really was
	OK  bool
}

// Failed returns the expectations that do not hold.
func (r *Run) Failed() []Check {
	var failed []Check
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	return failed
}

// UsedUp returns the error of the attempt that found no turn left in the
// script, nil if there was none. Such a run says nothing about the policy.
func (r *Run) UsedUp() *scripted.UsedUpError {
	var e *scripted.UsedUpError
	errors.As(r.Err, &e)
	return e
}

// Play puts one call through a [retry.Model] over the scripted model, on
// virtual time, and reads the stream to its end. The error is that of an
// invalid policy; whatever the script does to the call is no error but a Run.
func Play(s *scripted.Script, o Options) (*Run, error) {
	run := &Run{Policy: pick(o.Policy, s.Policy, retry.Default()), Seed: pick(o.Seed, s.Seed, DefaultSeed)}
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	recorder := trace.NewRecorder(clock)
	recorder.ErrorText = error.Error // a script holds no secrets
	model, err := retry.NewModel(scripted.NewModel(s), retry.Config{
		Policy: run.Policy,
		Clock:  clock,
		Source: retry.Seeded(run.Seed, 0),
		Observer: retry.ObserverFunc(func(e retry.Event) {
			recorder.Observe(e)
			if end, ok := e.(retry.CallEnded); ok {
				run.Reason, run.Attempts = end.Reason, end.Attempt
			}
		}),
	})
	if err != nil {
		return nil, err
	}

	ctx, cancel := fakeclock.WithCancel(context.Background(), clock)
	defer cancel()
	if s.Cancel != nil {
		end := func() {
			recorder.Cancel(firstCall)
			cancel()
		}
		if *s.Cancel == 0 {
			end()
		} else {
			defer clock.AfterFunc(*s.Cancel, end).Stop()
		}
	}

	stream, err := model.ChatStream(ctx, retry.ChatRequest{Messages: []retry.Message{retry.UserText("hello")}})
	if err == nil {
		err = drain(recorder.Stream(firstCall, run.Attempts, stream))
	}
	run.Err = err
	run.Elapsed = clock.Elapsed()
	run.Outcome = outcome(run.Reason, err)
	run.Trace = recorder.Trace()
	for _, e := range s.Expects {
		run.Checks = append(run.Checks, check(e, run))
	}
	return run, nil
}

// firstCall is the number of the one call that Play makes.
const firstCall = 1

// pick returns the override if there is one, else what the script says, else
// the default.
func pick[T any](override, said *T, otherwise T) T {
	switch {
	case override != nil:
		return *override
	case said != nil:
		return *said
	}
	return otherwise
}

// drain reads a stream to its end and closes it.
func drain(s retry.Stream) error {
	for _, err := range retry.Chunks(s) {
		if err != nil {
			return err
		}
	}
	return nil
}

// outcome says how the call ended for its caller; err is what it got.
func outcome(reason retry.Reason, err error) scripted.Outcome {
	switch reason {
	case retry.Succeeded:
		if err != nil {
			return scripted.Broken
		}
		return scripted.Success
	case retry.LastAttempt, retry.ElapsedLimit, retry.LongRetryAfter:
		return scripted.Exhausted
	case retry.NotTransient:
		return scripted.Permanent
	case retry.Cancelled:
		return scripted.Cancelled
	}
	panic(fmt.Sprintf("simulate: a call ended for the reason %q", reason))
}

func check(e scripted.Expect, r *Run) Check {
	switch e.Subject {
	case scripted.SubjectOutcome:
		return Check{Expect: e, Got: string(r.Outcome), OK: (r.Outcome == e.Outcome) == (e.Op == scripted.Equal)}
	case scripted.SubjectAttempts:
		return Check{Expect: e, Got: fmt.Sprint(r.Attempts), OK: e.Op.Compare(r.Attempts, e.Number)}
	}
	panic(fmt.Sprintf("simulate: an expectation about %q", e.Subject))
}
