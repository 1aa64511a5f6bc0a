package faults

import (
	"context"
	"errors"
	"io"

	"github.com/retrykit/retrykit/propertytest/explore"
	"github.com/retrykit/retrykit/retry"
)

// decorated is a chat model with another way to open its streams.
type decorated struct {
	retry.CompletionModel
	open func(context.Context, retry.ChatRequest) (retry.Stream, error)
}

func (m decorated) ChatStream(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
	return m.open(ctx, r)
}

// stream is a stream with another way to receive.
type stream struct {
	retry.Stream
	recv func() (retry.StreamChunk, error)
}

func (s *stream) Recv() (retry.StreamChunk, error) { return s.recv() }

func bodyMutatedFault(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (s retry.Stream, err error) {
		for n := 1; n <= e.Policy.MaxAttempts; n++ {
			if s, err = inner.ChatStream(ctx, r); !passing(err) { // the same memory for all attempts
				return s, err
			}
			e.Clock.Sleep(backoff(n))
		}
		return s, err
	}}
}

func bodyMutatedFixed(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (s retry.Stream, err error) {
		for n := 1; n <= e.Policy.MaxAttempts; n++ {
			if s, err = inner.ChatStream(ctx, r.Clone()); !passing(err) {
				return s, err
			}
			e.Clock.Sleep(backoff(n))
		}
		return s, err
	}}
}

func lostContextFault(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		return inner.ChatStream(context.Background(), r.Clone()) // so that a cancelled call still fills the cache
	}}
}

func lostContextFixed(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		return inner.ChatStream(ctx, r.Clone())
	}}
}

func retriedAfterContentFault(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		s, err := inner.ChatStream(ctx, r.Clone())
		if err != nil {
			return nil, err
		}
		out := &stream{Stream: s}
		out.recv = func() (retry.StreamChunk, error) {
			chunk, err := out.Stream.Recv()
			if !passing(err) {
				return chunk, err
			}
			e.Clock.Sleep(backoff(1))
			again, err := inner.ChatStream(ctx, r.Clone()) // the beginning of the answer is out already
			if err != nil {
				return nil, err
			}
			out.Stream.Close()
			out.Stream = again
			return again.Recv()
		}
		return out, nil
	}}
}

func retriedAfterContentFixed(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		return inner.ChatStream(ctx, r.Clone()) // what breaks after it was opened is the caller's to see
	}}
}

func duplicateChunkFault(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		s, err := inner.ChatStream(ctx, r.Clone())
		if err != nil {
			return nil, err
		}
		first, err := s.Recv() // to see whether the stream is alive
		peeked := false
		return &stream{s, func() (retry.StreamChunk, error) {
			if !peeked {
				peeked = first != nil && len(e.Policy.Delays) > 0 // forgotten where there is no list
				return first, err
			}
			return s.Recv()
		}}, nil
	}}
}

func duplicateChunkFixed(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		s, err := inner.ChatStream(ctx, r.Clone())
		if err != nil {
			return nil, err
		}
		first, err := s.Recv()
		peeked := false
		return &stream{s, func() (retry.StreamChunk, error) {
			if !peeked {
				peeked = true
				return first, err
			}
			return s.Recv()
		}}, nil
	}}
}

func lostChunkFault(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		s, err := inner.ChatStream(ctx, r.Clone())
		if err != nil {
			return nil, err
		}
		if _, err := s.Recv(); passing(err) { // looks whether it is alive, and drops what it saw
			s.Close()
			return nil, err
		}
		return s, nil
	}}
}

func lostChunkFixed(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return retry.HoldBack(inner)
}

func acceptedTruncationFault(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		s, err := inner.ChatStream(ctx, r.Clone())
		if err != nil {
			return nil, err
		}
		return &stream{s, func() (retry.StreamChunk, error) {
			chunk, err := s.Recv()
			if errors.Is(err, io.ErrUnexpectedEOF) { // servers close like that, it is said
				return nil, io.EOF
			}
			return chunk, err
		}}, nil
	}}
}

func acceptedTruncationFixed(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		return inner.ChatStream(ctx, r.Clone())
	}}
}

func lateChunkFault(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		s, err := inner.ChatStream(ctx, r.Clone())
		if err != nil {
			return nil, err
		}
		var chunks []retry.StreamChunk // all of them, to see whether the answer is whole
		for err == nil {
			var c retry.StreamChunk
			if c, err = s.Recv(); err == nil {
				chunks = append(chunks, c)
			}
		}
		return &stream{s, func() (retry.StreamChunk, error) {
			if len(chunks) == 0 {
				return nil, err
			}
			c := chunks[0]
			chunks = chunks[1:]
			return c, nil
		}}, nil
	}}
}

func lateChunkFixed(e explore.Env, inner retry.CompletionModel) retry.CompletionModel {
	return decorated{inner, func(ctx context.Context, r retry.ChatRequest) (retry.Stream, error) {
		return inner.ChatStream(ctx, r.Clone())
	}}
}
