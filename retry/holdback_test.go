package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/retrykit/retrykit/fakeclock"
	"github.com/retrykit/retrykit/retry"
	"github.com/retrykit/retrykit/scripted"
)

// chunksThen is a stream of the chunks and then the error, for ever.
type chunksThen struct {
	chunks []retry.StreamChunk
	err    error
	closed int
}

func (s *chunksThen) Recv() (retry.StreamChunk, error) {
	if len(s.chunks) == 0 {
		return nil, s.err
	}
	c := s.chunks[0]
	s.chunks = s.chunks[1:]
	return c, nil
}

func (s *chunksThen) Close() error { s.closed++; return nil }

type recvFunc func() (retry.StreamChunk, error)

func (f recvFunc) Recv() (retry.StreamChunk, error) { return f() }
func (recvFunc) Close() error                       { return nil }

func TestHoldBack(t *testing.T) {
	busy := transient("overloaded")
	empty, reasoning, args := retry.TextDelta{}, retry.ReasoningDelta{}, retry.ToolCallArgsDelta{ID: "1"}
	text, end := retry.TextDelta{Delta: "hi"}, retry.TurnFinished{Reason: retry.EndTurn}
	type chunks = []retry.StreamChunk
	tests := []struct {
		name   string
		stream *chunksThen
		refuse error // what opening returns
		err    error // what the stream ends with
	}{
		{"an error before anything", &chunksThen{nil, busy, 0}, busy, nil},
		{"an error after nothing but empty deltas", &chunksThen{chunks{empty, reasoning, args}, busy, 0}, busy, nil},
		{"an error after text", &chunksThen{chunks{empty, text}, busy, 0}, nil, busy},
		{"an error after reasoning", &chunksThen{chunks{retry.ReasoningDelta{Delta: "hm"}}, busy, 0}, nil, busy},
		{"an error after a tool call began", &chunksThen{chunks{retry.ToolCallStarted{ID: "1"}}, busy, 0}, nil, busy},
		{"an error after arguments", &chunksThen{chunks{retry.ToolCallArgsDelta{ID: "1", Delta: "{"}}, busy, 0}, nil, busy},
		{"a whole answer", &chunksThen{chunks{empty, text, text, end}, io.EOF, 0}, nil, io.EOF},
		{"an answer without content", &chunksThen{chunks{empty, end}, io.EOF, 0}, nil, io.EOF},
		{"nothing at all", &chunksThen{nil, io.EOF, 0}, nil, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.stream.chunks
			m := retry.HoldBack(stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) { return tt.stream, nil }))
			s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
			assert.Equal(t, tt.refuse, err)
			if err != nil {
				assert.Nil(t, s)
				assert.Equal(t, 1, tt.stream.closed, "a refused stream is closed")
				return
			}
			var got []retry.StreamChunk
			for {
				chunk, err := s.Recv()
				if err != nil {
					assert.Equal(t, tt.err, err)
					break
				}
				got = append(got, chunk)
			}
			assert.Equal(t, want, got, "chunk for chunk")
			assert.Zero(t, tt.stream.closed)
			require.NoError(t, s.Close())
			assert.Equal(t, 1, tt.stream.closed)
		})
	}
	t.Run("an end that was read already is not read again", func(t *testing.T) {
		ends := []error{io.EOF, errors.New("read after the end")}
		m := retry.HoldBack(stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) {
			return recvFunc(func() (retry.StreamChunk, error) {
				err := ends[0]
				ends = ends[1:]
				return nil, err
			}), nil
		}))
		s, err := m.ChatStream(t.Context(), retry.ChatRequest{})
		require.NoError(t, err)
		for range 2 {
			_, err = s.Recv()
			assert.Equal(t, io.EOF, err)
		}
	})
	t.Run("a refused opening stays one", func(t *testing.T) {
		m := retry.HoldBack(stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) { return nil, busy }))
		_, err := m.ChatStream(t.Context(), retry.ChatRequest{})
		assert.True(t, err == busy)
		assert.Equal(t, "family", m.Name())
		assert.Equal(t, "deployment", m.Model())
	})
}

// A stream that opens and breaks before its first word is retried under
// HoldBack and not without it.
func ExampleHoldBack() {
	script, err := scripted.Parse("example", `ok "" transient; ok "hi"`)
	if err != nil {
		panic(err)
	}
	for _, wrap := range []func(retry.CompletionModel) retry.CompletionModel{
		func(m retry.CompletionModel) retry.CompletionModel { return m },
		retry.HoldBack,
	} {
		clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
		model, err := retry.NewModel(wrap(scripted.NewModel(script)), retry.Config{
			Policy: retry.Policy{MaxAttempts: 3, BaseDelay: time.Second},
			Clock:  clock,
		})
		if err != nil {
			panic(err)
		}
		stream, err := model.ChatStream(context.Background(), retry.ChatRequest{})
		if err != nil {
			panic(err)
		}
		_, err = collect(stream)
		fmt.Println(err, clock.Elapsed())
	}
	// Output:
	// transient 0s
	// <nil> 1s
}
