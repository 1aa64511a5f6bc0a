package scripted

import (
	"context"
	"encoding/json"
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
	var steps []Step
	var pause time.Duration
	add := func(chunk retry.StreamChunk) {
		steps = append(steps, Step{pause, chunk})
		pause = 0
	}
	parts := func(items []Item, chunk func(string) retry.StreamChunk) {
		for _, item := range items {
			switch i := item.(type) {
			case Pause:
				pause += time.Duration(i)
			case Text:
				add(chunk(string(i)))
			}
		}
	}
	tools := 0
	for _, item := range s.Items {
		switch i := item.(type) {
		case Pause:
			pause += time.Duration(i)
		case Text:
			add(retry.TextDelta{Delta: string(i)})
		case Redacted:
			add(retry.RedactedReasoning{Data: string(i)})
		case Reasoning:
			parts(i.Parts, func(s string) retry.StreamChunk { return retry.ReasoningDelta{Delta: s} })
			add(retry.ReasoningFinished{Signature: i.Signature})
		case Tool:
			tools++
			id := i.ID
			if id == "" {
				id = fmt.Sprintf("call_%d", tools)
			}
			add(retry.ToolCallStarted{ID: id, Name: i.Name})
			parts(i.Parts, func(s string) retry.StreamChunk { return retry.ToolCallArgsDelta{ID: id, Delta: s} })
			args := i.args()
			if len(args) == 0 {
				args = []byte("{}")
			}
			if json.Valid(args) {
				add(retry.ToolCallFinished{ID: id, Name: i.Name, Args: args})
			}
		}
	}
	if f, ok := s.end().(Finish); ok {
		if f.Reason == "" {
			f.Reason = retry.EndTurn
			if tools > 0 {
				f.Reason = retry.ToolUse
			}
		}
		add(retry.TurnFinished{Reason: f.Reason, Usage: f.Usage})
	}
	if pause > 0 {
		add(nil)
	}
	return steps
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
