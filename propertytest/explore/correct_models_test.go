package explore_test

import (
	"context"
	"io"
	"iter"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// Decorators as other people write them.

// peeking reads the first chunk of a stream as part of the attempt: an answer
// that fails before it has said anything is a refused one.
func peeking(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return &decorator1{inner, func(ctx context.Context, r retry.ChatRequest) (s retry.Stream, err error) {
		err = plain(e, (*loop).sleep)(ctx, func(ctx context.Context) error {
			opened, err := inner.ChatStream(ctx, r.Clone())
			if err != nil {
				return err
			}
			chunk, err := opened.Recv()
			if err != nil && err != io.EOF {
				opened.Close()
				return err
			}
			s = &peeked{Stream: opened, first: chunk, err: err, full: true}
			return nil
		})
		return s, err
	}}
}

// decorator1 is a model made of a function.
type decorator1 struct {
	retry.CompletionModel
	open func(context.Context, retry.ChatRequest) (retry.Stream, error)
}

func (m *decorator1) ChatStream(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
	s, err := m.open(ctx, r)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// peeked is a stream whose first chunk has been read.
type peeked struct {
	retry.Stream
	first retry.StreamChunk
	err   error
	full  bool
}

func (s *peeked) Recv() (retry.StreamChunk, error) {
	if s.full {
		s.full = false
		return s.first, s.err
	}
	return s.Stream.Recv()
}

// releasing bounds the opening of each attempt, and lets its context live as long
// as the stream.
func releasing(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return &decorator1{inner, func(ctx context.Context, r retry.ChatRequest) (s retry.Stream, err error) {
		l := newLoop(e)
		l.Policy.AttemptTimeout = 0 // it is this function's
		unlimited := e
		unlimited.Policy.AttemptTimeout = 0
		err = plain(unlimited, (*loop).sleep)(ctx, func(ctx context.Context) error {
			attempt, cancel := context.WithCancelCause(ctx)
			disarm := func() bool { return true }
			if d := e.Policy.AttemptTimeout; d > 0 {
				disarm = e.Clock.AfterFunc(d, func() { cancel(context.DeadlineExceeded) }).Stop
			}
			opened, err := inner.ChatStream(attempt, r.Clone())
			disarm()
			switch {
			case err == nil:
				s = &released{opened, func() { cancel(nil) }}
				return nil
			case ctx.Err() == nil && context.Cause(attempt) == context.DeadlineExceeded:
				err = &timedOut{err}
			}
			cancel(nil)
			return err
		})
		return s, bare(err)
	}}
}

type released struct {
	retry.Stream
	release func()
}

func (s *released) Close() error { defer s.release(); return s.Stream.Close() }

// pumped hands over a stream by way of an iterator.
func pumped(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	m := releasing(e, inner)
	return &decorator1{m, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		s, err := m.ChatStream(ctx, r)
		if err != nil {
			return nil, err
		}
		return &pump{stream: s}, nil
	}}
}

// pump pulls chunks from the range over a stream.
type pump struct {
	stream retry.Stream
	next   func() (retry.StreamChunk, error, bool)
	stop   func()
	end    error
}

func (p *pump) Recv() (retry.StreamChunk, error) {
	if p.end != nil {
		return nil, p.end
	}
	if p.next == nil {
		p.next, p.stop = iter.Pull2(retry.Chunks(p.stream))
	}
	chunk, err, ok := p.next()
	if !ok {
		err = io.EOF
	}
	p.end = err
	return chunk, err
}

func (p *pump) Close() error {
	if p.stop != nil {
		p.stop()
	}
	return p.stream.Close()
}
