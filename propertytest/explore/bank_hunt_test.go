package explore_test

import (
	"context"
	"math"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Mutants that were found by changing one thing in package retry, or in loops as
// people write them, and letting the suite have a go: each of these it once let
// pass, or called by another name.

// hunted are the subjects of the mutants of the areas read, clone and hunt, by
// name.
var hunted = map[string]explore.Subject{}

// reads adds a mutant that takes one thing that a policy says for another.
func reads(name, want, says string, misread func(p *retry.Policy)) {
	hunt("read/"+name, want, says, explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		misread(&e.Policy)
		return decorate(e, inner)
	}))
}

// clones adds a mutant that shares part of the caller's request with its
// attempts.
func clones(name, says string, share func(next *retry.ChatRequest, caller retry.ChatRequest)) {
	hunt("clone/"+name, "body-mutated", says, explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		below := &between{CompletionModel: inner, share: share}
		return &above{decorate(e, below), below}
	}))
}

func hunt(name, want, says string, s explore.Subject) {
	hunted[name] = s
	bank = append(bank, mutant{name, want, says})
}

// decorate returns our decorator.
func decorate(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	m, err := retry.NewModel(inner, retry.Config{Policy: e.Policy, Clock: e.Clock, Source: retry.Seeded(e.Seed, e.Client)})
	if err != nil {
		panic(err)
	}
	return m
}

// between is below the decorator and sees to it that attempts share something,
// above is over it and says with whom.
type between struct {
	retry.CompletionModel
	share  func(next *retry.ChatRequest, caller retry.ChatRequest)
	caller retry.ChatRequest
}

func (m *between) ChatStream(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
	m.share(&r, m.caller)
	return m.CompletionModel.ChatStream(ctx, r)
}

type above struct {
	retry.CompletionModel
	below *between
}

func (m *above) ChatStream(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
	m.below.caller = r
	return m.CompletionModel.ChatStream(ctx, r)
}

// What a schedule says.
func init() {
	reads("multiplier-ignored", "early-retry", "doubles whatever the multiplier", func(p *retry.Policy) { p.Multiplier = 0 })
	reads("step-ignored", "early-retry", "takes the base for the step", func(p *retry.Policy) { p.Step = 0 })
	reads("linear-as-constant", "early-retry", "does not grow where the schedule is linear", func(p *retry.Policy) {
		if p.Schedule == retry.Linear {
			p.Schedule, p.Step = retry.Constant, 0
		}
	})
	reads("constant-doubles", "over-wait", "doubles a constant delay", func(p *retry.Policy) {
		if p.Schedule == retry.Constant {
			p.Schedule = retry.Exponential
		}
	})
	reads("list-is-its-first", "early-retry over-wait", "waits for the first of a list of delays every time", func(p *retry.Policy) {
		if p.Schedule == retry.List {
			p.Delays = retry.MakeDelays(p.Delays.List()[0])
		}
	})
}

// What becomes of a Retry-After.
func init() {
	reads("larger-is-replace", "early-retry", "waits for a Retry-After where the backoff is longer and the policy asks for the longer one", func(p *retry.Policy) {
		if p.RetryAfter == retry.HintOrBackoff {
			p.RetryAfter = retry.HintReplaces
		}
	})
	reads("ignored-hint-heeded", "over-wait", "waits for a Retry-After that the policy ignores", func(p *retry.Policy) {
		if p.RetryAfter == retry.HintIgnored {
			p.RetryAfter = retry.HintReplaces
		}
	})
	reads("every-hint-heeded", "over-wait", "waits for any Retry-After, whatever the policy makes of it", func(p *retry.Policy) {
		p.RetryAfter, p.MaxRetryAfter, p.LongRetryAfter = retry.HintReplaces, 0, retry.HintClamped
	})
	long := func(name, want, says string, from, to retry.LongHint) {
		reads(name, want, says, func(p *retry.Policy) {
			if p.MaxRetryAfter > 0 && p.LongRetryAfter == from {
				p.LongRetryAfter = to
			}
		})
	}
	long("clamp-is-drop", "early-retry", "takes the backoff for a Retry-After that is to be clamped", retry.HintClamped, retry.HintDropped)
	long("drop-is-clamp", "over-wait", "clamps a Retry-After that is to be dropped", retry.HintDropped, retry.HintClamped)
	long("give-up-is-clamp", "extra-attempt", "goes on where a long Retry-After is to end the call", retry.HintGivesUp, retry.HintClamped)
	long("window-is-clamp", "early-retry", "clamps a Retry-After that is to be moved into a window", retry.HintWithin, retry.HintClamped)
}

// What jitter and cap say.
func init() {
	reads("cap-after-jitter-is-before", "early-retry", "caps the delay and not the wait", func(p *retry.Policy) { p.Cap &^= retry.CapAfterJitter })
	reads("exact-cap-jittered", "over-wait", "adds jitter to a cap that is to be exact", func(p *retry.Policy) {
		if p.Cap == retry.CapExact {
			p.Cap = retry.CapBeforeJitter
		}
	})
	reads("full-is-equal", "biased-jitter", "draws from half the window of full jitter", func(p *retry.Policy) {
		if p.Jitter == retry.JitterFull {
			p.Jitter = retry.JitterEqual
		}
	})
	reads("window-reaches-zero", "early-retry", "draws from zero where the window begins at a share of the delay", func(p *retry.Policy) {
		if p.Jitter == retry.JitterEqual {
			p.Jitter = retry.JitterFull
		}
	})
	reads("throttle-ignored", "early-retry", "waits no longer for a server that turns callers away", func(p *retry.Policy) { p.ThrottleDelay = 0 })
	reads("no-end", "over-wait", "waits for 292 years where there is no cap", func(p *retry.Policy) {
		if p.MaxDelay == 0 && p.Schedule == retry.Exponential {
			p.BaseDelay = math.MaxInt64
		}
	})
}

func init() {
	clones("top-p", "copies all but what TopP points to", func(next *retry.ChatRequest, caller retry.ChatRequest) { next.TopP = caller.TopP })
	clones("top-k", "copies all but what TopK points to", func(next *retry.ChatRequest, caller retry.ChatRequest) { next.TopK = caller.TopK })
	clones("parallel", "copies all but what ParallelToolUse points to", func(next *retry.ChatRequest, caller retry.ChatRequest) {
		next.ParallelToolUse = caller.ParallelToolUse
	})
	clones("arguments", "copies all but the arguments of tool calls", func(next *retry.ChatRequest, caller retry.ChatRequest) {
		for i, m := range next.Messages {
			for j, b := range m.Blocks {
				if call, ok := b.(retry.ToolCall); ok {
					call.Args = caller.Messages[i].Blocks[j].(retry.ToolCall).Args
					m.Blocks[j] = call
				}
			}
		}
	})
	clones("results", "copies all but the blocks of tool results", func(next *retry.ChatRequest, caller retry.ChatRequest) {
		for i, m := range next.Messages {
			for j, b := range m.Blocks {
				if result, ok := b.(retry.ToolResult); ok {
					result.Blocks = caller.Messages[i].Blocks[j].(retry.ToolResult).Blocks
					m.Blocks[j] = result
				}
			}
		}
	})
}
