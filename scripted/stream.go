package scripted

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/retrykit/retrykit/retry"
)

// Step is a chunk of a stream and the pause before it.
type Step struct {
	Pause time.Duration
	Chunk retry.StreamChunk // nil: only a pause, before the end
}

// Steps returns the chunks of the stream in order, the terminal one included if
// there is one. A tool call whose arguments are not whole has no
// [retry.ToolCallFinished].
func (s Stream) Steps() []Step {
	var out steps
	for _, item := range s.Items {
		switch i := item.(type) {
		case Pause:
			out.pause += time.Duration(i)
		case Text:
			out.add(retry.TextDelta{Delta: string(i)})
		case Redacted:
			out.add(retry.RedactedReasoning{Data: string(i)})
		case Reasoning:
			for _, part := range i.Parts {
				out.part(part, func(s string) retry.StreamChunk { return retry.ReasoningDelta{Delta: s} })
			}
			out.add(retry.ReasoningFinished{Signature: i.Signature})
		case Tool:
			out.calls([]Tool{i})
		case Interleaved:
			out.calls(i)
		}
	}
	if f, ok := s.end().(Finish); ok {
		if f.Reason == "" {
			f.Reason = retry.EndTurn
			if out.tools > 0 {
				f.Reason = retry.ToolUse
			}
		}
		out.add(retry.TurnFinished{Reason: f.Reason, Usage: f.Usage})
	}
	if out.pause > 0 {
		out.add(nil)
	}
	return out.list
}

// steps collects the steps of a stream.
type steps struct {
	list  []Step
	pause time.Duration // before the next chunk
	tools int           // called so far
}

func (s *steps) add(chunk retry.StreamChunk) {
	s.list = append(s.list, Step{s.pause, chunk})
	s.pause = 0
}

// part adds a part of a tool call or a reasoning; a text becomes a chunk.
func (s *steps) part(part Item, chunk func(string) retry.StreamChunk) {
	switch p := part.(type) {
	case Pause:
		s.pause += time.Duration(p)
	case Text:
		s.add(chunk(string(p)))
	}
}

// calls adds tool calls that arrive at once.
func (s *steps) calls(tools []Tool) {
	tools = slices.Clone(tools)
	longest := 0
	for i := range tools {
		t := &tools[i]
		s.tools++
		if t.ID == "" {
			t.ID = fmt.Sprintf("call_%d", s.tools)
		}
		longest = max(longest, len(t.Parts))
		s.add(retry.ToolCallStarted{ID: t.ID, Name: t.Name})
	}
	for i := range longest {
		for _, t := range tools {
			if i < len(t.Parts) {
				s.part(t.Parts[i], func(s string) retry.StreamChunk { return retry.ToolCallArgsDelta{ID: t.ID, Delta: s} })
			}
		}
	}
	for _, t := range tools {
		if args, whole := t.args(); whole {
			s.add(retry.ToolCallFinished{ID: t.ID, Name: t.Name, Args: args})
		}
	}
}

// end returns the ending, which is Finish if none is set.
func (s Stream) end() Ending {
	if s.End == nil {
		return Finish{}
	}
	return s.End
}

// stream plays the steps of a turn and then its end, again and again.
type stream struct {
	model  *Model
	ctx    context.Context
	record *Record
	turn   Turn
	steps  []Step
	end    Ending
}

var errClosed = errors.New("scripted: Recv on a closed stream")

func (s *stream) Recv() (retry.StreamChunk, error) {
	if s.closed() {
		return nil, errClosed
	}
	for len(s.steps) > 0 {
		step := s.steps[0]
		if err := sleep(s.ctx, s.model.clock(), step.Pause); err != nil {
			return nil, err
		}
		s.steps = s.steps[1:]
		if step.Chunk != nil {
			s.handOut(step.Chunk)
			return step.Chunk, nil
		}
	}
	if err := ended(s.ctx); err != nil {
		return nil, err
	}
	switch s.end.(type) {
	case Finish, EOF:
		return nil, io.EOF
	case Stall:
		return nil, hang(s.ctx, s.model.clock(), "stall")
	}
	return nil, s.model.failure(s.turn, s.end)
}

func (s *stream) closed() bool {
	s.model.play.mu.Lock()
	defer s.model.play.mu.Unlock()
	return s.record.Closed
}

func (s *stream) handOut(chunk retry.StreamChunk) {
	s.model.play.mu.Lock()
	defer s.model.play.mu.Unlock()
	s.record.Chunks = append(s.record.Chunks, cloneChunk(chunk))
}

// cloneChunk copies the one part of a chunk that its owner could change.
func cloneChunk(chunk retry.StreamChunk) retry.StreamChunk {
	if t, ok := chunk.(retry.ToolCallFinished); ok {
		t.Args = slices.Clone(t.Args)
		return t
	}
	return chunk
}

func (s *stream) Close() error {
	s.model.play.mu.Lock()
	defer s.model.play.mu.Unlock()
	s.record.Closed = true
	return nil
}
