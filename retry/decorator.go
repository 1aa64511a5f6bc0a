package retry

import "context"

// Model retries the opening of another model's streams. It is a
// [CompletionModel] itself and safe for concurrent use if the inner one is.
type Model struct {
	inner   CompletionModel
	retrier *Retrier
}

var _ CompletionModel = (*Model)(nil)

// NewModel wraps inner, or returns the error of an invalid policy.
func NewModel(inner CompletionModel, c Config) (*Model, error) {
	r, err := New(c)
	if err != nil {
		return nil, err
	}
	return &Model{inner: inner, retrier: r}, nil
}

// Inner returns the wrapped model.
func (m *Model) Inner() CompletionModel { return m.inner }

// Retrier returns what decides and waits for the model, so that its policy can
// be read and replaced.
func (m *Model) Retrier() *Retrier { return m.retrier }

// Name returns the inner model's name.
func (m *Model) Name() string { return m.inner.Name() }

// Model returns the inner model's id.
func (m *Model) Model() string { return m.inner.Model() }

// ChatStream opens the inner model's stream, as often as the policy allows,
// each time with its own copy of req. The stream is handed over as it is; its
// errors are the caller's. Only under an attempt timeout is it wrapped, to
// release the attempt's context at the end. Errors are those of [Do].
func (m *Model) ChatStream(ctx context.Context, req ChatRequest) (Stream, error) {
	return Open(ctx, m.retrier, func(ctx context.Context) (Stream, error) {
		return m.inner.ChatStream(ctx, req.Clone())
	}, releaseAtEnd)
}

// releaseAtEnd returns the stream with its attempt's context released when the
// stream is over: after its first error, [io.EOF] included, or when closed.
func releaseAtEnd(s Stream, release func()) Stream {
	return &boundStream{s, release}
}

type boundStream struct {
	Stream
	release func()
}

func (s *boundStream) Recv() (StreamChunk, error) {
	chunk, err := s.Stream.Recv()
	if err != nil {
		s.release()
	}
	return chunk, err
}

func (s *boundStream) Close() error {
	defer s.release()
	return s.Stream.Close()
}
