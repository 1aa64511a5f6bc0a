package retry

import (
	"context"
	"io"
	"iter"
)

// CompletionModel is a streaming chat model: one deployment of one provider.
//
// Implementations are safe for concurrent use. An error that ChatStream
// returns is a setup error: no part of the answer exists yet. It should say
// whether another attempt is worthwhile by implementing [Retryable]; one that
// does not is taken as permanent.
type CompletionModel interface {
	// Name is the provider family, such as "anthropic" or "azure-openai".
	Name() string
	// Model is the model's id or the deployment's name.
	Model() string
	// ChatStream opens the answer to req. The model may change its copy of
	// req. On a nil error the caller owns the stream and must close it.
	ChatStream(ctx context.Context, req ChatRequest) (Stream, error)
}

// Stream is an answer while it arrives. It is for one goroutine at a time.
type Stream interface {
	// Recv waits for the next chunk. At the end of the answer it returns
	// [io.EOF]; any other error is a mid-stream error, after which the
	// answer is incomplete.
	Recv() (StreamChunk, error)
	// Close releases what the stream holds. It is safe to call at any time
	// and more than once.
	Close() error
}

// Chunks ranges over what is left of s and closes it, however the loop ends.
// A mid-stream error is the last pair, with a nil chunk; [io.EOF] is the end
// of the range and not a pair. An error of Close is dropped: when it matters,
// call Recv and Close directly.
func Chunks(s Stream) iter.Seq2[StreamChunk, error] {
	return func(yield func(StreamChunk, error) bool) {
		defer s.Close()
		for {
			chunk, err := s.Recv()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(chunk, nil) {
				return
			}
		}
	}
}
