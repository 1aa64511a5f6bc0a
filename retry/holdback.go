package retry

import (
	"context"
	"io"
)

// HoldBack returns a model that opens a stream only once its first content has
// arrived, so that an answer which fails before it said anything counts as a
// refused opening. Some providers send such refusals as the first event of a
// stream that opened with status 200.
//
// It belongs under a [Model]: the decorator then retries the refusal, and its
// attempt timeout covers the time to the first content. What was held back is
// handed over unchanged. Content is any chunk but an empty delta; an answer
// that ends without any is handed over as well.
func HoldBack(inner CompletionModel) CompletionModel { return &holdBack{inner} }

type holdBack struct{ CompletionModel }

func (h *holdBack) ChatStream(ctx context.Context, req ChatRequest) (Stream, error) {
	s, err := h.CompletionModel.ChatStream(ctx, req)
	if err != nil {
		return nil, err
	}
	held := &heldStream{Stream: s}
	for {
		chunk, err := s.Recv()
		if err == io.EOF {
			held.ended = true
			return held, nil
		}
		if err != nil {
			s.Close() // the error that matters is the one in hand
			return nil, err
		}
		held.chunks = append(held.chunks, chunk)
		if isContent(chunk) {
			return held, nil
		}
	}
}

func isContent(chunk StreamChunk) bool {
	switch c := chunk.(type) {
	case TextDelta:
		return c.Delta != ""
	case ReasoningDelta:
		return c.Delta != ""
	case ToolCallArgsDelta:
		return c.Delta != ""
	}
	return true
}

// heldStream plays what was held back and then the rest.
type heldStream struct {
	Stream
	chunks []StreamChunk
	ended  bool // by the end that was read already
}

func (h *heldStream) Recv() (StreamChunk, error) {
	if len(h.chunks) == 0 {
		if h.ended {
			return nil, io.EOF
		}
		return h.Stream.Recv()
	}
	chunk := h.chunks[0]
	h.chunks = h.chunks[1:]
	return chunk, nil
}
