package explore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// The three forms in which the house can be had.

func houseFunc(bug string) explore.Subject {
	return explore.Func(func(e explore.Env) explore.Do {
		h := newHouse(bug, e)
		return func(ctx context.Context, op func(context.Context) error) error {
			_, err := h.call(ctx, func(ctx context.Context) (retry.Stream, error) { return nil, op(ctx) })
			return err
		}
	})
}

func houseModel(bug string) explore.Subject {
	return explore.Model(func(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
		return &houseOfModels{newHouse(bug, e), inner}
	})
}

func houseDelay(bug string) explore.Subject {
	return explore.Delay(func(e explore.Env) func(int) time.Duration {
		h := &house{Env: e, bug: asBackoff(bug)}
		c := &houseCall{house: h, words: rand.New(h.source())}
		return c.waitAfter
	})
}

// houseOfModels is the house as a decorator.
type houseOfModels struct {
	*house
	inner retry.CompletionModel
}

func (m *houseOfModels) Name() string  { return m.inner.Name() }
func (m *houseOfModels) Model() string { return m.inner.Model() }

func (m *houseOfModels) ChatStream(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
	n, once := 0, r.Clone()
	open := func(ctx context.Context) (retry.Stream, error) {
		n++
		return m.inner.ChatStream(ctx, m.request(r, once, n))
	}
	s, err := m.call(ctx, open)
	if m.is("request/caller-changed") && n > 1 {
		r.StopSequences[0] = "retried"
	}
	if err != nil || s == nil {
		return nil, err
	}
	return m.hand(ctx, s, open)
}

// request returns what the n-th attempt is asked.
func (m *houseOfModels) request(r, once retry.ChatRequest, n int) retry.ChatRequest {
	next := r.Clone()
	switch {
	case m.is("request/uncloned"):
		return r
	case m.is("request/cloned-once"):
		return once
	case m.is("request/pointer-shared"):
		next.Temperature = r.Temperature
	case m.is("shipped/tools-shared"):
		next.Tools = r.Tools
	case m.is("shipped/params-shared"):
		next.AdditionalParams = r.AdditionalParams
	case m.is("shipped/system-shared"):
		next.System = r.System
	case m.is("request/messages-shared"):
		next.Messages = r.Messages
	case m.is("request/list-shared"):
		next.StopSequences = r.StopSequences
	case m.is("request/tagged") && n > 1:
		next.StopSequences = append(next.StopSequences, fmt.Sprintf("retry %d", n))
	case m.is("request/message-appended") && n > 1:
		next.Messages = append(next.Messages, retry.UserText("please try again"))
	case m.is("request/consumed") && n > 1:
		next.Messages = nil
	case m.is("request/cooled") && n > 1:
		*next.Temperature /= 2
	case m.is("request/tokens-lowered") && n > 2:
		next.MaxTokens = 100
	case m.is("request/changed-on-the-first"):
		next.MaxTokens = 100
	}
	return next
}

// hand hands over an opened stream.
func (m *houseOfModels) hand(ctx context.Context, s retry.Stream, open opener) (retry.Stream, error) {
	h := &houseStream{Stream: s, house: m.house, ctx: ctx, open: open}
	if m.is("stream/buffered") {
		return h.buffer(), nil
	}
	if m.is("stream/first-chunk-awaited-and-lost") {
		if _, err := s.Recv(); err != nil {
			s.Close()
			return nil, err
		}
	}
	if m.is("stream/empty-answer-retried") {
		chunk, err := s.Recv()
		if _, over := chunk.(retry.TurnFinished); over || err == io.EOF {
			s.Close()
			return open(ctx)
		}
		h.held = append(h.held, received{chunk, err})
	}
	if m.is("stream/read-ahead-and-refused") {
		chunk, err := s.Recv()
		if err != nil {
			return nil, err
		}
		h.held = append(h.held, received{chunk, err})
	}
	if m.bug == "" {
		return s, nil
	}
	return h, nil
}

// received is what one Recv returned.
type received struct {
	chunk retry.StreamChunk
	err   error
}

// houseStream is a stream that a bug has its hands in.
type houseStream struct {
	retry.Stream
	*house
	ctx      context.Context
	open     opener
	held     []received
	got      int
	finished bool
	over     bool
	closed   bool
}

// buffer reads the whole stream.
func (s *houseStream) buffer() retry.Stream {
	for {
		chunk, err := s.Stream.Recv()
		s.held = append(s.held, received{chunk, err})
		if err != nil {
			return s
		}
	}
}

// next returns what was held back, or else what comes.
func (s *houseStream) next() (retry.StreamChunk, error) {
	if len(s.held) > 0 {
		r := s.held[0]
		s.held = s.held[1:]
		return r.chunk, r.err
	}
	return s.Stream.Recv()
}

func (s *houseStream) Recv() (retry.StreamChunk, error) {
	chunk, err := s.next()
	if err != nil {
		return s.broken(err)
	}
	s.got++
	_, finished := chunk.(retry.TurnFinished)
	s.finished = s.finished || finished
	text, isText := chunk.(retry.TextDelta)
	switch {
	case s.is("stream/last-chunk-dropped") && finished:
		return nil, io.EOF
	case s.is("stream/first-chunk-dropped") && s.got == 1:
		return s.Stream.Recv()
	case s.is("stream/first-chunk-doubled") && s.got == 1:
		s.held = append(s.held, received{chunk, nil})
	case s.is("stream/swapped") && s.got == 1:
		next, err := s.Stream.Recv()
		if err != nil {
			s.held = append(s.held, received{nil, err})
			break
		}
		s.held = append(s.held, received{chunk, nil})
		return next, nil
	case s.is("stream/merged") && isText:
		next, err := s.Stream.Recv()
		if more, ok := next.(retry.TextDelta); ok {
			return retry.TextDelta{Delta: text.Delta + more.Delta}, nil
		}
		s.held = append(s.held, received{next, err})
	case s.is("stream/trimmed") && isText:
		return retry.TextDelta{Delta: text.Delta[:len(text.Delta)-1]}, nil
	case s.is("stream/read-ahead-and-lost"):
		if next, err := s.Stream.Recv(); err == nil || err == io.EOF {
			s.held = append(s.held, received{next, err})
		} else {
			return nil, err // and the chunk in hand is lost
		}
	case s.is("shipped/empty-delta-dropped") && isText && text.Delta == "":
		return s.Recv()
	case s.is("shipped/only-text-passes") && !isText && !finished:
		return s.Recv()
	case s.is("shipped/usage-dropped") && finished:
		f := chunk.(retry.TurnFinished)
		f.Usage = retry.Usage{}
		return f, nil
	case s.is("stream/usage-zeroed") && finished:
		return retry.TurnFinished{Reason: retry.MaxTokens}, nil
	case s.is("stream/closed-with-the-last-chunk") && finished:
		s.Stream.Close()
	case s.is("stream/repeats-equal-chunks-not"):
		next, err := s.Stream.Recv()
		for err == nil && next == chunk {
			next, err = s.Stream.Recv()
		}
		s.held = append(s.held, received{next, err})
	}
	return chunk, nil
}

// broken says what becomes of a stream's end.
func (s *houseStream) broken(err error) (retry.StreamChunk, error) {
	eof := err == io.EOF
	class := retry.Classify(err)
	switch {
	case s.over:
	case s.is("stream/error-swallowed") && !eof:
		return nil, io.EOF
	case s.is("stream/transient-error-swallowed") && class.IsTransient():
		return nil, io.EOF
	case s.is("stream/error-replaced") && !eof:
		return nil, errors.New("stream failed")
	case s.is("stream/finished-made-up") && !s.finished:
		s.finished = true
		s.held = append(s.held, received{nil, io.EOF})
		return retry.TurnFinished{Reason: retry.EndTurn}, nil
	case s.is("stream/eof-turned-into-an-error") && eof && !s.finished:
		return nil, io.ErrUnexpectedEOF
	case s.is("stream/retried-after-content") && class.IsTransient(), s.is("stream/resumed") && class.IsTransient(), s.is("stream/retried-left-open") && class.IsTransient():
		return s.again(err)
	case s.is("stream/early-end-retried") && eof && !s.finished:
		return s.again(err)
	}
	s.over = true
	return nil, err
}

// again opens the stream anew in the middle of the answer.
func (s *houseStream) again(err error) (retry.StreamChunk, error) {
	s.over = true
	if !s.is("stream/retried-left-open") {
		s.Stream.Close()
	}
	s.Clock.Sleep(s.Policy.BaseDelay)
	next, failed := s.open(s.ctx)
	if failed != nil {
		return nil, err
	}
	s.Stream = next
	if s.is("stream/resumed") {
		for range s.got {
			if _, err := next.Recv(); err != nil {
				return nil, err
			}
		}
	}
	return s.Recv()
}

func (s *houseStream) Close() error {
	if s.is("shipped/second-close-panics") {
		if s.closed {
			panic("close of a closed stream")
		}
		s.closed = true
	}
	switch {
	case s.is("stream/close-not-forwarded"):
		return nil
	case s.is("stream/close-only-when-whole") && !s.finished:
		return nil
	}
	return s.Stream.Close()
}
