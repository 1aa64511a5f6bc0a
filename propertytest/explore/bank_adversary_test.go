package explore_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Mutants that somebody wrote who wanted the suite to miss them, and it did.

// classes adds a mutant, our loop, that classifies in its own way.
func classes(name, want, says string, classify func(err error) retry.Classification) {
	hunt("class/"+name, want, says, explore.Func(func(e explore.Env) explore.Do {
		return looped(retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client), Classify: classify})
	}))
}

// What an error is.
func init() {
	classes("of-the-innermost", "retried-permanent", "goes by the innermost error that has a class, not by the outermost", func(err error) retry.Classification {
		class := retry.Classify(err)
		for ; err != nil; err = errors.Unwrap(err) {
			if r, ok := err.(retry.Retryable); ok {
				class = r.RetryClassification()
			}
		}
		return class
	})
	classes("timeout-of-the-server-is-the-callers", "gave-up-early", "takes any error that matches DeadlineExceeded for the end of the caller's time", func(err error) retry.Classification {
		if errors.Is(err, context.DeadlineExceeded) {
			return retry.Permanent()
		}
		return retry.Classify(err)
	})
}

// What becomes of a context.
func init() {
	blind := func(s *seen) bool { return true }
	noWait := func(s *seen) bool { return s.waits[len(s.waits)-1] <= 0 }
	unseenLoop("cancel/unseen-without-a-wait", "started-after-cancel", "looks at the context in its waits only, and a wait of zero is none", seams{blind: blind, alive: noWait})
	unseenLoop("cancel/unseen-in-the-loop", "started-after-cancel", "never looks at the context, which ends its waits", seams{blind: blind, alive: blind})
	unseenLoop("limit/sum-overflows", "slept-after-last", "adds the wait to the time that is gone, and the sum is negative", seams{
		tooLate: func(s *seen, wait time.Duration) bool { return s.Clock.Since(s.began)+wait > s.Policy.MaxElapsed },
	})
	kept := func(name, says string, bound func(ctx context.Context, e explore.Env) (context.Context, context.CancelFunc)) {
		hunt("pile/"+name, "leaked", says, explore.Func(func(e explore.Env) explore.Do {
			do := ourLoop(e)
			return func(ctx context.Context, op func(context.Context) error) error {
				var deferred []context.CancelFunc
				defer func() {
					for _, cancel := range deferred {
						cancel()
					}
				}()
				return do(ctx, func(ctx context.Context) error {
					ctx, cancel := bound(ctx, e)
					deferred = append(deferred, cancel)
					return op(ctx)
				})
			}
		}))
	}
	kept("contexts", "defers the end of each attempt's context to that of the call", func(ctx context.Context, _ explore.Env) (context.Context, context.CancelFunc) {
		return context.WithCancel(ctx)
	})
	kept("timers", "defers the end of each attempt's timeout to that of the call", func(ctx context.Context, e explore.Env) (context.Context, context.CancelFunc) {
		_, cancel := fakeclock.WithTimeout(ctx, e.Clock, 200*24*365*time.Hour)
		return ctx, cancel
	})
}

// What is announced, and when.
func init() {
	late := func(from int) seams {
		return seams{
			notify: func(s *seen, wait time.Duration) {
				if s.n < from {
					s.Notify(s.n, s.last(), wait)
				}
			},
			sleep: func(s *seen, wait time.Duration) {
				if fakeclock.SleepContext(s.ctx, s.Clock, wait) == nil && s.n >= from {
					s.Notify(s.n, s.last(), wait)
				}
			},
		}
	}
	unseenLoop("notice/after-the-wait", "wrong-notice", "announces a retry when its wait is over", late(1))
	unseenLoop("notice/second-after-the-wait", "wrong-notice", "announces the first retry before its wait, and the others after it", late(2))
}

// Whose chance it is.
func init() {
	chance := func(name, says string, second func(e explore.Env, call uint64) uint64) {
		hunt("seed/"+name, "herd", says, explore.Func(func(e explore.Env) explore.Do {
			return ourLoopOf(e, func(call uint64) rand.Source { return rand.NewPCG(e.Seed, second(e, call)) })
		}))
	}
	chance("client-plus-call", "draws in the second call of a client what the next draws in its first", func(e explore.Env, call uint64) uint64 { return e.Client + call })
	chance("client-xor-call", "draws in the calls of one client what others draw in theirs", func(e explore.Env, call uint64) uint64 { return e.Client ^ call })
	closed := func(s *seen, d time.Duration) time.Duration { return add(d, s.upTo(d/10+1)) }
	unseenLoop("jitter/closed-window", "over-wait", "draws from a window whose end is in it", seams{jitter: closed})
}

// What is asked, and answered.
func init() {
	asks := func(name, want, says string, ask func(r *retry.ChatRequest)) {
		hunt("ask/"+name, want, says, explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
			return decorate(e, &decorator1{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
				ask(&r)
				return inner.ChatStream(ctx, r)
			}})
		}))
	}
	asks("nil-followed", "panicked", "copies what Temperature points to, which may be nothing", func(r *retry.ChatRequest) {
		temperature := *r.Temperature
		r.Temperature = &temperature
	})
	asks("tokens-made-up", "body-mutated", "asks for 4096 tokens where the caller does not say how many", func(r *retry.ChatRequest) {
		if r.MaxTokens == 0 {
			r.MaxTokens = 4096
		}
	})
	asks("blocks-it-does-not-know", "body-mutated", "copies texts and tools, and drops every other block", func(r *retry.ChatRequest) {
		for i, m := range r.Messages {
			var known []retry.Block
			for _, b := range m.Blocks {
				switch b.(type) {
				case retry.Text, retry.ToolCall, retry.ToolResult:
					known = append(known, b)
				}
			}
			r.Messages[i].Blocks = known
		}
	})
	asks("cache-dropped", "body-mutated", "copies a system prompt and drops what it says of the cache", func(r *retry.ChatRequest) {
		for i := range r.System {
			r.System[i].Cache = retry.CacheControl{}
		}
	})
	asks("error-dropped", "body-mutated", "copies a tool's result and drops that it is an error", func(r *retry.ChatRequest) {
		for _, m := range r.Messages {
			for i, b := range m.Blocks {
				if result, ok := b.(retry.ToolResult); ok {
					result.IsError = false
					m.Blocks[i] = result
				}
			}
		}
	})
	asks("one-block-a-message", "body-mutated", "copies the first block of each message", func(r *retry.ChatRequest) {
		for i := range r.Messages {
			r.Messages[i].Blocks = r.Messages[i].Blocks[:1]
		}
	})
	hunt("stream/of-the-last-call", "shared-state", "reads from the stream that was opened last, whoever asks", explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		m := decorate(e, inner)
		var open retry.Stream
		return &decorator1{m, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
			s, err := m.ChatStream(ctx, r)
			if err != nil {
				return nil, err
			}
			open = s
			return &ofTheLast{s, &open}, nil
		}}
	}))
}

// misdecides adds a mutant, a loop by the decision of package retry, that asks it
// something else.
func misdecides(name, want, says string, ask func(s *seen, p *retry.Policy, f *retry.Failure)) {
	hunt("decide/"+name, want, says, explore.Func(func(e explore.Env) explore.Do {
		return seams{wait: func(s *seen, _ time.Duration) time.Duration {
			p, f := s.Policy, retry.Failure{Attempt: s.n, Class: retry.Classify(s.last())}
			if s.timedOut {
				f.Class = retry.Transient()
			}
			if k := len(s.waits); k > 0 {
				f.Previous = s.waits[k-1]
			}
			p.MaxElapsed = 0
			if ask != nil {
				ask(s, &p, &f)
			}
			d := p.Decide(f, s.words)
			s.refused = !d.Retry()
			return min(d.Wait, fakeclock.Forever-1)
		}}.do(e)
	}))
}

// Two things that a policy says, each right where it stands alone.
func init() {
	misdecides("constant-uncapped", "early-retry", "caps no constant delay", func(_ *seen, p *retry.Policy, _ *retry.Failure) {
		if p.Schedule == retry.Constant {
			p.MaxDelay = 0
		}
	})
	misdecides("throttled-uncapped", "over-wait", "caps no delay of a server that turns callers away", func(_ *seen, p *retry.Policy, f *retry.Failure) {
		if f.Class.IsThrottled() && p.ThrottleDelay > 0 {
			p.MaxDelay = 0
		}
	})
	misdecides("throttled-for-good", "over-wait early-retry", "waits as for a server that turns callers away, once one has", func(s *seen, _ *retry.Policy, f *retry.Failure) {
		if f.Class.IsThrottled() {
			s.throttled = true
		}
		if _, hinted := f.Class.RetryAfter(); s.throttled && !hinted {
			f.Class = retry.Transient().Throttled()
		}
	})
	misdecides("triples-three-times", "early-retry", "stops growing after the fourth wait where the factor is 3", func(_ *seen, p *retry.Policy, f *retry.Failure) {
		if p.Multiplier == 3 {
			f.Attempt = min(f.Attempt, 4)
		}
	})
	misdecides("step-of-the-throttled", "over-wait", "steps by the base where a throttled delay grows by itself", func(_ *seen, p *retry.Policy, f *retry.Failure) {
		if p.Schedule == retry.Linear && p.Step == 0 && p.ThrottleDelay > 0 && f.Class.IsThrottled() {
			p.Step = p.BaseDelay
		}
	})
	hunt("share/used-up", "shared-state", "gives up from the twelfth call on", explore.Func(func(e explore.Env) explore.Do {
		do, calls := ourLoop(e), 0
		return func(ctx context.Context, op func(context.Context) error) error {
			if calls++; calls >= 12 {
				return errors.New("too many calls")
			}
			return do(ctx, op)
		}
	}))
}

// What a longer answer shows.
func init() {
	receives("tenth-chunk-dropped", "lost-chunk", "drops the tenth chunk", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if a.n == 10 && err == nil {
			return a.Recv()
		}
		return chunk, err
	})
	text := func(name, says string, change func(string) string) {
		receives(name, "lost-chunk", says, func(_ *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
			if t, ok := chunk.(retry.TextDelta); ok {
				chunk = retry.TextDelta{Delta: change(t.Delta)}
			}
			return chunk, err
		})
	}
	text("long-text-cut", "hands over the first 64 bytes of a text", func(t string) string { return t[:min(len(t), 64)] })
	text("ascii-only", "takes every byte for a letter", func(t string) string {
		letters := make([]rune, 0, len(t))
		for _, b := range []byte(t) {
			letters = append(letters, rune(b))
		}
		return string(letters)
	})
	receives("error-of-the-same-text", "lost-error", "makes an error of the text of the one that a stream broke with", func(_ *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if err != nil && err != io.EOF {
			err = errors.New(err.Error())
		}
		return chunk, err
	})
}

// ofTheLast is a stream that reads from another.
type ofTheLast struct {
	retry.Stream
	open *retry.Stream
}

func (s *ofTheLast) Recv() (retry.StreamChunk, error) { return (*s.open).Recv() }
