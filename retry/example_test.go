package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// A test of a whole retry schedule: the weather is a script, the time is
// virtual, the result is exact.
func ExampleModel() {
	script, err := scripted.Parse("example", `transient x2; transient:50; ok "Hel" "lo"`)
	if err != nil {
		panic(err)
	}
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	model, err := retry.NewModel(scripted.NewModel(script), retry.Config{
		Policy: retry.Policy{MaxAttempts: 5, BaseDelay: time.Second, MaxDelay: 30 * time.Second},
		Clock:  clock,
	})
	if err != nil {
		panic(err)
	}

	stream, err := model.ChatStream(context.Background(), retry.ChatRequest{Messages: []retry.Message{retry.UserText("hi")}})
	if err != nil {
		panic(err)
	}
	for chunk, err := range retry.Chunks(stream) {
		if err != nil {
			panic(err)
		}
		if text, ok := chunk.(retry.TextDelta); ok {
			fmt.Print(text.Delta)
		}
	}
	fmt.Println(" after", clock.Elapsed())
	// Output: Hello after 3.05s
}

// Do retries any operation. An error type that is not ours is classified by a
// function.
func ExampleDo() {
	var errBusy = errors.New("busy")
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	r, err := retry.New(retry.Config{
		Policy: retry.Policy{MaxAttempts: 4, BaseDelay: 100 * time.Millisecond},
		Clock:  clock,
		Classify: func(err error) retry.Classification {
			if errors.Is(err, errBusy) {
				return retry.Transient()
			}
			return retry.Permanent()
		},
	})
	if err != nil {
		panic(err)
	}
	calls := 0
	got, err := retry.Do(context.Background(), r, func(context.Context) (string, error) {
		if calls++; calls < 3 {
			return "", errBusy
		}
		return "done", nil
	})
	fmt.Println(got, err, calls, clock.Elapsed())
	// Output: done <nil> 3 300ms
}

// The decision needs no clock and no loop.
func ExamplePolicy_Decide() {
	p := retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, MaxDelay: 30 * time.Second}
	for _, f := range []retry.Failure{
		{Attempt: 1, Class: retry.Transient()},
		{Attempt: 2, Class: retry.Transient()},
		{Attempt: 2, Class: retry.TransientAfter(time.Minute)},
		{Attempt: 2, Class: retry.Permanent()},
		{Attempt: 3, Class: retry.Transient()},
	} {
		fmt.Println(p.Decide(f, nil))
	}
	// Output:
	// backoff 1s
	// backoff 2s
	// retry-after 1m0s
	// permanent error
	// last attempt
}

func ExampleParsePolicy() {
	p, err := retry.ParsePolicy("exp:base=200ms,attempts=6")
	fmt.Println(p, err)
	_, err = retry.ParsePolicy("exp:base=200ms,jiter=none")
	fmt.Println(err)
	// Output:
	// exp:base=200ms,cap=30s,jitter=additive,attempts=6 <nil>
	// retry: policy: unknown key "jiter" (known: base, throttle-base, factor, cap, capped, jitter, attempts, retry-after, max-retry-after, long-retry-after, timeout, elapsed)
}

// A policy as a literal, with a value of each kind.
func ExamplePolicy() {
	p := retry.Policy{
		MaxAttempts:    5,
		Schedule:       retry.List,
		Delays:         retry.MakeDelays(time.Second, 5*time.Second, time.Minute),
		MaxDelay:       30 * time.Second,
		Cap:            retry.CapAfterJitter,
		Jitter:         retry.JitterBetween(200, 200),
		RetryAfter:     retry.HintReplaces,
		MaxRetryAfter:  time.Minute,
		LongRetryAfter: retry.HintGivesUp,
	}
	fmt.Println(p, p.Validate())
	fmt.Println(p.Schedule, p.Delays, p.Cap, p.Jitter, p.RetryAfter, p.LongRetryAfter)
	// Output:
	// list:delays=1s/5s/1m0s,cap=30s,capped=after-jitter,jitter=-20%+20%,attempts=5,max-retry-after=1m0s,long-retry-after=give-up <nil>
	// list 1s/5s/1m0s after-jitter -20%+20% replace give-up
}

func ExamplePolicyError() {
	_, err := retry.ParsePolicy("exp:base=soon")
	var bad *retry.PolicyError
	if errors.As(err, &bad) {
		fmt.Printf("%s\n%*s\n", bad.Text, bad.Offset+1, "^")
	}
	// Output:
	// exp:base=soon
	//          ^
}

func ExamplePolicy_Backoff() {
	p := retry.Policy{BaseDelay: 10 * time.Millisecond, MaxDelay: 40 * time.Millisecond}
	for attempt := 1; attempt <= 4; attempt++ {
		fmt.Print(p.Backoff(attempt), " ")
	}
	fmt.Println()
	// Output: 10ms 20ms 40ms 40ms
}

// statusError is how an adapter tells which of its errors will pass.
type statusError struct {
	code  int
	after time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.code) }

func (e *statusError) RetryClassification() retry.Classification {
	switch {
	case e.code == 429:
		return retry.TransientAfter(e.after)
	case e.code >= 500:
		return retry.Transient()
	default:
		return retry.Permanent()
	}
}

func ExampleRetryable() {
	for _, err := range []error{
		&statusError{code: 503},
		&statusError{code: 429, after: 20 * time.Second},
		&statusError{code: 401},
		fmt.Errorf("chat: %w", &statusError{code: 503}),
		errors.New("nobody knows"),
	} {
		fmt.Printf("%v: %v\n", err, retry.Classify(err))
	}
	// Output:
	// status 503: transient
	// status 429: transient, retry after 20s
	// status 401: permanent
	// chat: status 503: transient
	// nobody knows: permanent
}

func ExampleClassification() {
	c := retry.TransientAfter(1500 * time.Millisecond)
	after, ok := c.RetryAfter()
	fmt.Println(c.IsTransient(), after, ok)
	// Output: true 1.5s true
}

// An observer sees every event of a call, in order.
func ExampleObserverFunc() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	r, err := retry.New(retry.Config{
		Policy: retry.Policy{MaxAttempts: 2, BaseDelay: time.Second},
		Clock:  clock,
		Observer: retry.ObserverFunc(func(e retry.Event) {
			switch e := e.(type) {
			case retry.AttemptStarted:
				fmt.Println("attempt", e.Attempt)
			case retry.AttemptEnded:
				fmt.Println("  got", e.Err)
			case retry.WaitStarted:
				fmt.Println("  wait:", e.Decision)
			case retry.WaitEnded:
				fmt.Println("  waited until", e.At.Format(time.TimeOnly))
			case retry.CallEnded:
				fmt.Printf("%v after %d attempts and %v\n", e.Reason, e.Attempt, e.Elapsed)
			}
		}),
	})
	if err != nil {
		panic(err)
	}
	_, _ = retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, &statusError{code: 503} })
	// Output:
	// attempt 1
	//   got status 503
	//   wait: backoff 1s
	//   waited until 00:00:01
	// attempt 2
	//   got status 503
	// last attempt after 2 attempts and 1s
}

// Whoever waits for a call learns what ended it: the context, and the failure
// that was being waited on.
func ExampleCancelledError() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	ctx, cancel := fakeclock.WithTimeout(context.Background(), clock, 10*time.Second)
	defer cancel()
	r, err := retry.New(retry.Config{Policy: retry.Default(), Clock: clock})
	if err != nil {
		panic(err)
	}
	_, err = retry.Do(ctx, r, func(context.Context) (int, error) {
		return 0, &statusError{code: 429, after: time.Minute}
	})
	var cancelled *retry.CancelledError
	var status *statusError
	fmt.Println(errors.As(err, &cancelled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &status))
	fmt.Println(cancelled.Attempts, "attempt,", clock.Elapsed(), "waited")
	// Output:
	// true true true
	// 1 attempt, 0s waited
}

// The same seed, client and call give the same delays, whatever else runs.
func ExampleSeeded() {
	p := retry.Policy{MaxAttempts: 3, BaseDelay: time.Second, Jitter: retry.JitterAdditive}
	for client := range uint64(2) {
		words := retry.Seeded(1, client)(1)
		fmt.Println(p.Decide(retry.Failure{Attempt: 1, Class: retry.Transient()}, words))
	}
	// Output:
	// backoff 1s + jitter 31.070959ms
	// backoff 1s + jitter 92.242043ms
}

// A call with a number of its own draws the same jitter wherever it runs.
func ExampleWithCall() {
	for range 2 {
		clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
		r, err := retry.New(retry.Config{Policy: retry.Default(), Clock: clock, Source: retry.Seeded(1, 0)})
		if err != nil {
			panic(err)
		}
		ctx := retry.WithCall(context.Background(), 7)
		_, _ = retry.Do(ctx, r, func(context.Context) (int, error) { return 0, &statusError{code: 503} })
		fmt.Println(clock.Elapsed())
	}
	// Output:
	// 3.251554762s
	// 3.251554762s
}

func ExampleChatRequest_Clone() {
	req := retry.ChatRequest{
		System:    []retry.SystemBlock{{Text: "Be brief."}},
		Messages:  []retry.Message{retry.UserText("What is 2+2?"), retry.AssistantText("4")},
		MaxTokens: 100,
	}
	c := req.Clone()
	c.Messages[0] = retry.UserText("changed")
	fmt.Println(req.Messages[0].Blocks[0].(retry.Text).Text)
	// Output: What is 2+2?
}

func ExampleUsage_Add() {
	u := retry.Usage{InputTokens: 100, OutputTokens: 20}
	fmt.Println(u.Add(u).OutputTokens)
	// Output: 40
}

// body is what a refusal left unread.
type body struct {
	statusError
	text io.ReadCloser
	done func()
}

func (b *body) Hold(release func()) { b.done = release }

func (b *body) Discard() {
	fmt.Println("discarded before the wait")
	b.text.Close()
	if b.done != nil {
		b.done()
	}
}

// An error that carries the unread body of a refusal is told when another
// attempt replaces it. The last one is the caller's.
func ExampleLeftover() {
	refusal := func() *body {
		return &body{statusError: statusError{code: 503}, text: io.NopCloser(strings.NewReader("busy"))}
	}
	var _ retry.Leftover = refusal()
	r, err := retry.New(retry.Config{Policy: retry.Policy{MaxAttempts: 2}})
	if err != nil {
		panic(err)
	}
	_, err = retry.Do(context.Background(), r, func(context.Context) (int, error) { return 0, refusal() })
	text, _ := io.ReadAll(err.(*body).text)
	fmt.Printf("%v: %s\n", err, text)
	// Output:
	// discarded before the wait
	// status 503: busy
}
