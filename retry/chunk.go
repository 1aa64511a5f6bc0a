package retry

import (
	"encoding/json"
	"math"
)

// StreamChunk is one piece of an answer: [TextDelta], [ToolCallStarted],
// [ToolCallArgsDelta], [ToolCallFinished], [ReasoningDelta],
// [ReasoningFinished], [RedactedReasoning] or [TurnFinished].
type StreamChunk interface{ chunk() }

// TextDelta is the next piece of the answer's text. An empty delta is legal.
type TextDelta struct{ Delta string }

// ToolCallStarted announces a tool call; its arguments follow as
// [ToolCallArgsDelta] with the same ID.
type ToolCallStarted struct{ ID, Name string }

// ToolCallArgsDelta is the next piece of the JSON text of a tool call's
// arguments. Only the concatenation of all pieces is valid JSON.
type ToolCallArgsDelta struct{ ID, Delta string }

// ToolCallFinished carries a tool call whole.
type ToolCallFinished struct {
	ID, Name string
	Args     json.RawMessage
}

// ReasoningDelta is the next piece of the model's visible reasoning.
type ReasoningDelta struct{ Delta string }

// ReasoningFinished ends a block of reasoning. Signature is the provider's
// proof that the block is its own, empty where it gives none.
type ReasoningFinished struct{ Signature string }

// RedactedReasoning is a block of reasoning that the provider encrypted; it is
// sent back unread.
type RedactedReasoning struct{ Data string }

// TurnFinished is the terminal chunk of a complete answer. A stream that ends
// without one was cut short, even if it ended with io.EOF.
type TurnFinished struct {
	Reason      FinishReason
	Usage       Usage
	ServiceTier string // empty where the provider names none
}

func (TextDelta) chunk()         {}
func (ToolCallStarted) chunk()   {}
func (ToolCallArgsDelta) chunk() {}
func (ToolCallFinished) chunk()  {}
func (ReasoningDelta) chunk()    {}
func (ReasoningFinished) chunk() {}
func (RedactedReasoning) chunk() {}
func (TurnFinished) chunk()      {}

// FinishReason says why a turn ended. A provider's word that is none of the
// constants is kept as it is.
type FinishReason string

const (
	EndTurn      FinishReason = "end_turn"      // the model had said what it had to say
	ToolUse      FinishReason = "tool_use"      // the model waits for tool results
	MaxTokens    FinishReason = "max_tokens"    // the answer hit the request's limit
	StopSequence FinishReason = "stop_sequence" // the answer hit one of the request's stop sequences
	Aborted      FinishReason = "aborted"       // the caller ended the turn
)

// Usage counts the tokens of a turn. The zero Usage is a turn that reported
// none.
type Usage struct {
	InputTokens              int64
	OutputTokens             int64
	CachedInputTokens        int64 // part of InputTokens
	CacheCreationInputTokens int64 // the sum of the next two where a provider tells them apart
	CacheCreation5mTokens    int64
	CacheCreation1hTokens    int64
	ReasoningTokens          int64 // part of OutputTokens
}

// Add returns the sum of two usages, field by field, saturating at
// [math.MaxInt64].
func (u Usage) Add(v Usage) Usage {
	return Usage{
		InputTokens:              addTokens(u.InputTokens, v.InputTokens),
		OutputTokens:             addTokens(u.OutputTokens, v.OutputTokens),
		CachedInputTokens:        addTokens(u.CachedInputTokens, v.CachedInputTokens),
		CacheCreationInputTokens: addTokens(u.CacheCreationInputTokens, v.CacheCreationInputTokens),
		CacheCreation5mTokens:    addTokens(u.CacheCreation5mTokens, v.CacheCreation5mTokens),
		CacheCreation1hTokens:    addTokens(u.CacheCreation1hTokens, v.CacheCreation1hTokens),
		ReasoningTokens:          addTokens(u.ReasoningTokens, v.ReasoningTokens),
	}
}

// addTokens adds two counts, neither negative, saturating.
func addTokens(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
