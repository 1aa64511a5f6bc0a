package explore_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// unseenStream adds a mutant of a decorator whose streams are wrapped, with the
// context of the call.
func unseenStream(name, want, says string, wrap func(ctx context.Context, s retry.Stream) retry.Stream) {
	hunt("stream/"+name, want, says, explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		m := decorate(e, inner)
		return &decorator1{m, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
			s, err := m.ChatStream(ctx, r)
			if err != nil {
				return nil, err
			}
			return wrap(ctx, s), nil
		}}
	}))
}

// altered is a stream of which a mutant sees everything that is received.
type altered struct {
	retry.Stream
	n     int
	held  []received
	recv  func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error)
	close func(a *altered) error
}

func (a *altered) Recv() (retry.StreamChunk, error) {
	if len(a.held) > 0 {
		next := a.held[0]
		a.held = a.held[1:]
		return next.chunk, next.err
	}
	chunk, err := a.Stream.Recv()
	a.n++
	if a.recv == nil {
		return chunk, err
	}
	return a.recv(a, chunk, err)
}

func (a *altered) Close() error {
	if a.close == nil {
		return a.Stream.Close()
	}
	return a.close(a)
}

// receives adds a mutant of which the caller receives something else than was sent.
func receives(name, want, says string, recv func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error)) {
	unseenStream(name, want, says, func(_ context.Context, s retry.Stream) retry.Stream { return &altered{Stream: s, recv: recv} })
}

// What chunks reach the caller.
func init() {
	receives("third-chunk-dropped", "lost-chunk", "drops the third chunk", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if a.n == 3 && err == nil {
			return a.Recv()
		}
		return chunk, err
	})
	receives("reasoning-end-dropped", "lost-chunk", "drops the end of the reasoning", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if _, ok := chunk.(retry.ReasoningFinished); ok {
			return a.Recv()
		}
		return chunk, err
	})
	receives("arguments-merged", "lost-chunk", "makes one piece of the arguments of a tool call", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		first, ok := chunk.(retry.ToolCallArgsDelta)
		if !ok {
			return chunk, err
		}
		next, err := a.Stream.Recv()
		if second, ok := next.(retry.ToolCallArgsDelta); ok {
			first.Delta += second.Delta
			return first, nil
		}
		a.held = append(a.held, received{next, err})
		return first, nil
	})
	receives("second-chunk-doubled", "duplicate-chunk", "hands over the second chunk twice", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if a.n == 2 && err == nil {
			a.held = append(a.held, received{chunk, nil})
		}
		return chunk, err
	})
	receives("last-text-before-an-error-lost", "lost-chunk", "holds a text back for the next one, and loses it when the stream breaks", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if _, ok := chunk.(retry.TextDelta); !ok {
			return chunk, err
		}
		next, err := a.Stream.Recv()
		if err != nil && err != io.EOF {
			return nil, err
		}
		a.held = append(a.held, received{next, err})
		return chunk, nil
	})
	receives("one-behind", "late-chunk", "hands over a chunk when the next has come", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if err != nil {
			return chunk, err
		}
		next, err := a.Stream.Recv()
		a.held = append(a.held, received{next, err})
		return chunk, nil
	})
}

// What ends reach the caller, and what is left of a stream.
func init() {
	receives("permanent-error-swallowed", "accepted-truncation", "ends a stream that broke off for good as if it were whole", func(_ *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if err != nil && err != io.EOF && !retry.Classify(err).IsTransient() {
			return nil, io.EOF
		}
		return chunk, err
	})
	receives("error-after-text-swallowed", "accepted-truncation", "takes an error for the end where something has come", func(a *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if err != nil && a.n > 1 {
			return nil, io.EOF
		}
		return chunk, err
	})
	receives("error-wrapped", "lost-error", "wraps the error that a stream breaks with", func(_ *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("stream: %w", err)
		}
		return chunk, err
	})
	receives("reason-simplified", "lost-chunk", "says of every answer that it ended its turn", func(_ *altered, chunk retry.StreamChunk, err error) (retry.StreamChunk, error) {
		if f, ok := chunk.(retry.TurnFinished); ok {
			return retry.TurnFinished{Reason: retry.EndTurn, Usage: retry.Usage{OutputTokens: f.Usage.OutputTokens}}, nil
		}
		return chunk, err
	})
	unseenStream("left-open-when-cancelled", "leaked", "does not close a stream whose context has ended", func(ctx context.Context, s retry.Stream) retry.Stream {
		return &altered{Stream: s, close: func(a *altered) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return a.Stream.Close()
		}}
	})
	unseenStream("left-open-before-the-second-chunk", "leaked", "does not close a stream of which little has come", func(_ context.Context, s retry.Stream) retry.Stream {
		return &altered{Stream: s, close: func(a *altered) error {
			if a.n < 2 {
				return nil
			}
			return a.Stream.Close()
		}}
	})
}

// What attempts are asked.
func init() {
	asks := func(name, want, says string, ask func(ctx context.Context, r retry.ChatRequest, n int, before *retry.ChatRequest) (context.Context, retry.ChatRequest)) {
		hunt("request/"+name, want, says, explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
			return &decorator1{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
				n, before := 0, r.Clone()
				attempts := &decorator1{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
					n++
					ctx, next := ask(ctx, r, n, &before)
					return inner.ChatStream(ctx, next)
				}}
				return releasing(e, attempts).ChatStream(ctx, r)
			}}
		}))
	}
	asks("copied-from-the-attempt-before", "body-mutated", "copies the request of the attempt before", func(ctx context.Context, r retry.ChatRequest, _ int, before *retry.ChatRequest) (context.Context, retry.ChatRequest) {
		next := before.Clone()
		*before = next
		return ctx, next
	})
	asks("tools-left-out-of-retries", "body-mutated", "leaves the tools out of retries", func(ctx context.Context, r retry.ChatRequest, n int, _ *retry.ChatRequest) (context.Context, retry.ChatRequest) {
		if n > 1 {
			r.Tools = nil
		}
		return ctx, r
	})
	asks("tool-choice-dropped-by-the-third", "body-mutated", "leaves the choice of tools out from the third attempt on", func(ctx context.Context, r retry.ChatRequest, n int, _ *retry.ChatRequest) (context.Context, retry.ChatRequest) {
		if n > 2 {
			r.ToolChoice = retry.ToolChoice{}
		}
		return ctx, r
	})
	asks("cancel-dropped-on-retry", "lost-context", "makes retries under a context that does not end", func(ctx context.Context, r retry.ChatRequest, n int, _ *retry.ChatRequest) (context.Context, retry.ChatRequest) {
		if n > 1 {
			ctx = context.WithoutCancel(ctx)
		}
		return ctx, r
	})
}

// Delay functions.
func init() {
	delays := func(name, want, says string, wrong func(p retry.Policy, n int, d time.Duration, words *rand.Rand) time.Duration) {
		hunt("delay/"+name, want, says, explore.Delay(func(e explore.Env) func(int) time.Duration {
			right, words := listedDelay(explore.Env{Policy: calm(e.Policy), Seed: e.Seed, Client: e.Client}), rand.New(e.Source())
			return func(n int) time.Duration { return wrong(e.Policy, n, right(n), words) }
		}))
	}
	spread := func(p retry.Policy, d time.Duration, words *rand.Rand) time.Duration {
		if p.Jitter != retry.JitterAdditive || d < 10 {
			return d
		}
		return add(d, time.Duration(words.Int64N(int64(d/10))))
	}
	delays("at-the-cap-too-soon", "over-wait", "is at the cap from half of it on", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		if p.MaxDelay > 0 && d >= p.MaxDelay/2 {
			d = p.MaxDelay
		}
		return spread(p, d, words)
	})
	delays("base-after-63", "early-retry", "begins anew after 63 attempts", func(p retry.Policy, n int, d time.Duration, words *rand.Rand) time.Duration {
		if n > 63 {
			d = calmFirst(p)
		}
		return spread(p, d, words)
	})
	delays("whole-milliseconds", "early-retry", "counts in milliseconds", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		return spread(p, d.Truncate(time.Millisecond), words)
	})
	delays("whole-microseconds", "early-retry", "counts in microseconds", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		return spread(p, d.Truncate(time.Microsecond), words)
	})
	delays("a-day-at-most", "early-retry", "never says more than a day", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		return spread(p, min(d, 24*time.Hour), words)
	})
	delays("below-the-cap", "early-retry", "stays a nanosecond below the cap", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		if d == p.MaxDelay && d > 0 {
			d--
		}
		return spread(p, d, words)
	})
	delays("overflow-is-the-base", "early-retry", "falls back to the base where doubling overflows", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		if d == math.MaxInt64 {
			d = calmFirst(p)
		}
		return spread(p, d, words)
	})
	delays("jitter-of-the-cap", "over-wait", "adds up to a tenth of the cap", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		if p.Jitter != retry.JitterAdditive || p.MaxDelay < 10 {
			return spread(p, d, words)
		}
		return add(d, time.Duration(words.Int64N(int64(p.MaxDelay/10))))
	})
	delays("jitter-in-32-bits", "over-wait", "multiplies the window by 32 random bits, which overflows", func(p retry.Policy, _ int, d time.Duration, words *rand.Rand) time.Duration {
		if p.Jitter != retry.JitterAdditive {
			return d
		}
		return add(d, time.Duration(uint64(words.Uint32())*uint64(d/5)>>32))
	})
}

// calm is a policy without jitter.
func calm(p retry.Policy) retry.Policy { p.Jitter = retry.JitterNone; return p }

// calmFirst is the first delay of a policy.
func calmFirst(p retry.Policy) time.Duration {
	if p.MaxDelay > 0 {
		return min(p.BaseDelay, p.MaxDelay)
	}
	return p.BaseDelay
}
