package retry

import (
	"context"

	"github.com/jonboulle/clockwork"
)

// Pacing is what [Paced] needs to know.
type Pacing struct {
	Pacer *Pacer
	// Clock is what the wait is measured on. nil: the real clock.
	Clock clockwork.Clock
	// Tokens says what a request is expected to cost, input and output
	// together. nil: nothing.
	Tokens func(ChatRequest) int64
}

// Paced returns a model whose every request waits for its turn at the pacer.
// It belongs under a [Model], so that retries queue like first attempts; the
// time in the queue is part of the attempt.
//
// A request is under way until its stream has ended or is closed. It then costs
// the input and output tokens that the answer's [Usage] names, and what was
// expected if there is none, as of a refused request.
func Paced(inner CompletionModel, p Pacing) CompletionModel { return &paced{inner, p} }

type paced struct {
	CompletionModel
	pacing Pacing
}

func (m *paced) ChatStream(ctx context.Context, req ChatRequest) (Stream, error) {
	var tokens int64
	if m.pacing.Tokens != nil {
		tokens = m.pacing.Tokens(req)
	}
	done, err := m.pacing.Pacer.Wait(ctx, m.pacing.Clock, tokens)
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() { // after a panic too
		if !opened {
			done(-1)
		}
	}()
	s, err := m.CompletionModel.ChatStream(ctx, req)
	if err != nil {
		return nil, err
	}
	opened = true
	return &pacedStream{Stream: s, done: done, cost: -1}, nil
}

type pacedStream struct {
	Stream
	done func(tokens int64)
	cost int64 // -1 while it is unknown
}

func (s *pacedStream) Recv() (StreamChunk, error) {
	chunk, err := s.Stream.Recv()
	if end, ok := chunk.(TurnFinished); ok && end.Usage != (Usage{}) {
		s.cost = addTokens(end.Usage.InputTokens, end.Usage.OutputTokens)
	}
	if err != nil {
		s.done(s.cost)
	}
	return chunk, err
}

func (s *pacedStream) Close() error {
	defer func() { s.done(s.cost) }()
	return s.Stream.Close()
}
