package scripted

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/retrykit/retrykit/retry"
)

// Model is a [retry.CompletionModel] that plays a script: each call takes the
// next turn. It is safe for concurrent use; concurrent callers take turns in
// the order in which their calls arrive.
type Model struct {
	script *Script

	mu       sync.Mutex
	turn     int // index of the next turn
	used     int // how often that turn was played already
	requests []retry.ChatRequest
}

var _ retry.CompletionModel = (*Model)(nil)

// NewModel returns a model at the first turn of the script.
func NewModel(s *Script) *Model { return &Model{script: s} }

// Name returns "scripted".
func (m *Model) Name() string { return "scripted" }

// Model returns "scripted".
func (m *Model) Model() string { return "scripted" }

// ChatStream plays the next turn. A call whose context has ended returns the
// context's error and takes no turn, as a real client would before sending
// anything; it is counted all the same.
func (m *Model) ChatStream(ctx context.Context, req retry.ChatRequest) (retry.Stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests = append(m.requests, req.Clone())
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.turn == len(m.script.Turns) {
		return nil, &UsedUpError{Call: len(m.requests), Turns: m.script.count()}
	}
	t := &m.script.Turns[m.turn]
	if m.used++; m.used == t.Repeat {
		m.turn, m.used = m.turn+1, 0
	}
	if t.Refusal != nil {
		return nil, t.Refusal
	}
	return &stream{ctx: ctx, chunks: t.Chunks, end: t.Break}, nil
}

// Calls returns how often ChatStream was called.
func (m *Model) Calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.requests)
}

// Requests returns a copy of each request that ChatStream was given, in order.
func (m *Model) Requests() []retry.ChatRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]retry.ChatRequest, len(m.requests))
	for i, r := range m.requests {
		out[i] = r.Clone()
	}
	return out
}

// UsedUpError is the error of a call for which the script has no turn left. It
// is permanent: asking again will not help.
type UsedUpError struct {
	Call  int // the call's number, from 1
	Turns int // how many the script has, repetitions counted
}

// Error says which call it was.
func (e *UsedUpError) Error() string {
	return fmt.Sprintf("scripted: call %d finds the script used up (it has %d turns)", e.Call, e.Turns)
}

func (s *Script) count() int {
	n := 0
	for _, t := range s.Turns {
		n += t.Repeat
	}
	return n
}

// stream plays the chunks of a turn and then its end, again and again.
type stream struct {
	ctx    context.Context
	chunks []retry.StreamChunk
	end    *Error
	closed bool
}

func (s *stream) Recv() (retry.StreamChunk, error) {
	switch {
	case s.closed:
		return nil, errClosed
	case s.ctx.Err() != nil:
		return nil, s.ctx.Err()
	case len(s.chunks) > 0:
		chunk := s.chunks[0]
		s.chunks = s.chunks[1:]
		return chunk, nil
	case s.end != nil:
		return nil, s.end
	default:
		return nil, io.EOF
	}
}

func (s *stream) Close() error {
	s.closed = true
	return nil
}

var errClosed = fmt.Errorf("scripted: Recv on a closed stream")
