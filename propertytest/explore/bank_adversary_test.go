package explore_test

import (
	"context"
	"errors"
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

// ofTheLast is a stream that reads from another.
type ofTheLast struct {
	retry.Stream
	open *retry.Stream
}

func (s *ofTheLast) Recv() (retry.StreamChunk, error) { return (*s.open).Recv() }
