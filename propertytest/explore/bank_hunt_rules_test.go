package explore_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Mutants that no rule, or no scenario, caught when they were thought of: what
// becomes of an answer that a cancelling follows, of a stream that its caller
// leaves, and of chance over several waits and calls.

func init() {
	answered := func(name, says string, after func(ctx context.Context, err error) error) {
		hunt("answer/"+name, "lost-result", says, explore.Func(func(e explore.Env) explore.Do {
			do := ourLoop(e)
			return func(ctx context.Context, op func(context.Context) error) error { return after(ctx, do(ctx, op)) }
		}))
	}
	answered("then-cancelled", "returns the context's error for an answer that came before the context ended", func(ctx context.Context, err error) error {
		if err == nil {
			return ctx.Err()
		}
		return err
	})
	answered("then-cancelled-cause", "joins the cause to the error of an answer, which has none", func(ctx context.Context, err error) error {
		if ctx.Err() != nil && context.Cause(ctx) != nil && err == nil {
			return errors.Join(err, context.Cause(ctx))
		}
		return err
	})
	hunt("answer/then-cancelled-in-the-loop", "lost-result", "looks at the context after each attempt, before it looks at what came of it", explore.Func(func(e explore.Env) explore.Do {
		do := ourLoop(e)
		return func(ctx context.Context, op func(context.Context) error) error {
			return do(ctx, func(ctx context.Context) error {
				err := op(ctx)
				if err == nil && ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return err
			})
		}
	}))
}

// leaving wraps the streams of our decorator.
func leaving(name, says string, wrap func(s retry.Stream, cancel context.CancelFunc) retry.Stream) {
	hunt("leave/"+name, "leaked", says, explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		return &left{decorate(e, inner), wrap}
	}))
}

type left struct {
	retry.CompletionModel
	wrap func(retry.Stream, context.CancelFunc) retry.Stream
}

func (m *left) ChatStream(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := m.CompletionModel.ChatStream(ctx, r)
	if err != nil {
		cancel()
		return nil, err
	}
	return m.wrap(s, cancel), nil
}

// untilTheEnd releases what it can when the stream has come to its end.
type untilTheEnd struct {
	retry.Stream
	cancel      context.CancelFunc
	over        bool
	early, late func(*untilTheEnd) error // Close, before and after the end
}

func (s *untilTheEnd) Recv() (retry.StreamChunk, error) {
	chunk, err := s.Stream.Recv()
	if err != nil {
		s.over = true
		s.cancel()
	}
	return chunk, err
}

func (s *untilTheEnd) Close() error {
	if s.over {
		return s.late(s)
	}
	return s.early(s)
}

func init() {
	nothing := func(*untilTheEnd) error { return nil }
	closes := func(s *untilTheEnd) error { return s.Stream.Close() }
	leaving("nothing-released", "closes a stream only that has come to its end", func(s retry.Stream, cancel context.CancelFunc) retry.Stream {
		return &untilTheEnd{Stream: s, cancel: cancel, early: nothing, late: closes}
	})
	leaving("context-kept", "keeps the context of a stream that the caller leaves", func(s retry.Stream, cancel context.CancelFunc) retry.Stream {
		return &untilTheEnd{Stream: s, cancel: cancel, early: closes, late: closes}
	})
	leaving("stream-kept", "ends the context of a stream that the caller leaves, and does not close it", func(s retry.Stream, cancel context.CancelFunc) retry.Stream {
		return &untilTheEnd{Stream: s, cancel: cancel, late: closes, early: func(s *untilTheEnd) error { s.cancel(); return nil }}
	})
	leaving("before-the-first-chunk", "releases nothing where no chunk was read", func(s retry.Stream, cancel context.CancelFunc) retry.Stream {
		return &unread{untilTheEnd{Stream: s, cancel: cancel, late: closes, early: func(s *untilTheEnd) error { s.cancel(); return s.Stream.Close() }}, false}
	})
}

// unread does not release what nobody has read from.
type unread struct {
	untilTheEnd
	read bool
}

func (s *unread) Recv() (retry.StreamChunk, error) {
	s.read = true
	return s.untilTheEnd.Recv()
}

func (s *unread) Close() error {
	if !s.read {
		return io.ErrClosedPipe
	}
	return s.untilTheEnd.Close()
}

// walks adds mutants of a decorrelated walk, as a function of delays and as a
// loop.
func walks(name, want, says string, step func(p retry.Policy, words *rand.Rand, previous time.Duration) time.Duration) {
	hunt("walk/"+name, want, says, explore.Delay(func(e explore.Env) func(int) time.Duration {
		if e.Policy.Jitter != retry.JitterDecorrelated {
			return ourDelays(e)
		}
		words, previous := rand.New(e.Source()), time.Duration(0)
		return func(int) time.Duration {
			previous = step(e.Policy, words, previous)
			return previous
		}
	}))
	hunt("walk/"+name+"-in-a-loop", want, says, explore.Func(func(e explore.Env) explore.Do {
		p := e.Policy
		if p.Jitter != retry.JitterDecorrelated || p.RetryAfter != retry.HintReplaces || p.MaxRetryAfter+p.ThrottleDelay > 0 {
			return ourLoop(e)
		}
		return func(ctx context.Context, op func(context.Context) error) error {
			words, previous := rand.New(e.Source()), time.Duration(0)
			plain := p
			plain.Jitter = retry.JitterNone
			return looped(retry.Config{Policy: plain, Clock: e.Clock, Classify: func(err error) retry.Classification {
				class := retry.Classify(err)
				hint, hinted := class.RetryAfter()
				switch previous = step(p, words, previous); {
				case hinted:
					previous = hint
				case class.IsTransient():
					return retry.TransientAfter(previous) // which is waited for as it is
				}
				return class
			}})(ctx, op)
		}
	}))
}

func init() {
	between := func(words *rand.Rand, low, high time.Duration) time.Duration {
		if high <= low {
			return low
		}
		return low + time.Duration(words.Int64N(int64(high-low)))
	}
	capped := func(p retry.Policy, d time.Duration) time.Duration {
		if p.MaxDelay > 0 {
			return min(d, p.MaxDelay)
		}
		return d
	}
	triple := func(d time.Duration) time.Duration { return add(d, add(d, d)) }
	walks("memoryless", "biased-jitter", "draws from the base to three times the base every time", func(p retry.Policy, words *rand.Rand, _ time.Duration) time.Duration {
		return capped(p, between(words, p.BaseDelay, triple(p.BaseDelay)))
	})
	walks("memoryless-at-the-cap", "biased-jitter", "begins anew where the wait before was the cap", func(p retry.Policy, words *rand.Rand, previous time.Duration) time.Duration {
		if p.MaxDelay > 0 && previous >= p.MaxDelay {
			previous = 0
		}
		return capped(p, between(words, p.BaseDelay, triple(max(previous, p.BaseDelay))))
	})
	walks("stays-at-the-cap", "biased-jitter", "waits for the cap for ever once it has come there", func(p retry.Policy, words *rand.Rand, previous time.Duration) time.Duration {
		if p.MaxDelay > 0 && previous >= p.MaxDelay {
			return p.MaxDelay
		}
		return capped(p, between(words, p.BaseDelay, triple(max(previous, p.BaseDelay))))
	})
	walks("from-the-wait-before", "biased-jitter", "draws from the wait before and not from the base", func(p retry.Policy, words *rand.Rand, previous time.Duration) time.Duration {
		previous = max(previous, p.BaseDelay)
		return capped(p, between(words, previous, triple(previous)))
	})
}

func init() {
	hunt("calls/seeded-anew", "herd", "seeds its jitter anew for every call", explore.Func(func(e explore.Env) explore.Do {
		return func(ctx context.Context, op func(context.Context) error) error {
			anew := e
			return ourLoopOf(anew, func(uint64) rand.Source { return rand.NewPCG(e.Seed, e.Client) })(ctx, op)
		}
	}))
	hunt("calls/number-dropped", "herd", "draws the same for every call of a client", explore.Func(func(e explore.Env) explore.Do {
		source := retry.Seeded(e.Seed, e.Client)
		return ourLoopOf(e, func(uint64) rand.Source { return source(1) })
	}))
}

// ourLoopOf is our loop with another source of chance.
func ourLoopOf(e explore.Env, source func(call uint64) rand.Source) explore.Do {
	return looped(retry.Config{Policy: e.Policy, Clock: e.Clock, Source: source})
}

func init() {
	hunt("text/same-as-before", "gave-up-early", "takes a failure with the text of the one before for a permanent one", sameTextTwice)
}

// sameTextTwice stops at a failure that says what the one before said.
var sameTextTwice = explore.Func(func(e explore.Env) explore.Do {
	return func(ctx context.Context, op func(context.Context) error) error {
		before := ""
		return looped(retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client), Classify: func(err error) retry.Classification {
			again := err.Error() == before
			if before = err.Error(); again {
				return retry.Permanent()
			}
			return retry.Classify(err)
		}})(ctx, op)
	}
})

// Code that takes an equal failure for a hint that it will not pass is caught
// whatever the number of attempts is that leaves room for one more.
func TestEqualFailuresAreCaughtWithAnyNumberOfAttempts(t *testing.T) {
	for _, most := range []int{3, 4, 5, 6, 7, 10, retry.Unlimited} {
		o := explore.Options{Policies: []retry.Policy{{MaxAttempts: most, BaseDelay: time.Second}}, Checks: -1, Clients: -1}
		assert.NotNil(t, explore.Kills(sameTextTwice, o, "gave-up-early", 1)[0], "%d attempts", most)
	}
}
