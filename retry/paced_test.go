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
)

// chunks is a stream of given chunks, and then an error.
type chunks struct {
	list []retry.StreamChunk
	end  error
}

func (c *chunks) Recv() (retry.StreamChunk, error) {
	if len(c.list) == 0 {
		return nil, c.end
	}
	first := c.list[0]
	c.list = c.list[1:]
	return first, nil
}

func (c *chunks) Close() error { return nil }

// What an answer cost and when it was over show in when the next may go.
func TestPacedModelSettlesWhatAnAnswerCost(t *testing.T) {
	usage := retry.TurnFinished{Usage: retry.Usage{InputTokens: 20, OutputTokens: 10}}
	read := func(n int) func(retry.Stream) {
		return func(s retry.Stream) {
			for range n {
				_, _ = s.Recv()
			}
		}
	}
	closed := func(s retry.Stream) { _, _, _ = s, s.Close(), s.Close() }
	for _, tt := range []struct {
		name string
		open func() (retry.Stream, error)
		use  func(retry.Stream)
		next time.Duration // when 50 tokens are there, of 100 that take 100 s, 60 of them reserved
	}{
		{"read to the end", func() (retry.Stream, error) { return &chunks{[]retry.StreamChunk{usage}, io.EOF}, nil }, read(2), 0},
		{"read and closed", func() (retry.Stream, error) { return &chunks{[]retry.StreamChunk{usage}, io.EOF}, nil },
			func(s retry.Stream) { read(1)(s); closed(s) }, 0},
		{"more than was expected", func() (retry.Stream, error) {
			return &chunks{[]retry.StreamChunk{retry.TurnFinished{Usage: retry.Usage{InputTokens: 75, OutputTokens: 5}}}, io.EOF}, nil
		}, read(2), 30 * time.Second},
		{"no usage", func() (retry.Stream, error) { return &chunks{[]retry.StreamChunk{retry.TurnFinished{}}, io.EOF}, nil }, read(2), 10 * time.Second},
		{"broken", func() (retry.Stream, error) { return &chunks{nil, io.ErrUnexpectedEOF}, nil }, read(1), 10 * time.Second},
		{"closed unread", func() (retry.Stream, error) { return &chunks{[]retry.StreamChunk{usage}, io.EOF}, nil }, closed, 10 * time.Second},
		{"not read to the end", func() (retry.Stream, error) { return &chunks{[]retry.StreamChunk{usage}, io.EOF}, nil }, read(1), -1},
		{"refused", func() (retry.Stream, error) { return nil, transient("429") }, nil, 10 * time.Second},
		{"a panic", func() (retry.Stream, error) { panic("bug") }, nil, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := auto()
			pacer := newPacer(t, retry.Pace{Tokens: retry.Rate{Limit: 100, Per: 100 * time.Second}, Concurrency: 1})
			inner := stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) { return tt.open() })
			model := retry.Paced(inner, retry.Pacing{Pacer: pacer, Clock: clock, Tokens: func(req retry.ChatRequest) int64 { return int64(req.MaxTokens) }})
			func() {
				defer func() { _ = recover() }()
				if s, err := model.ChatStream(t.Context(), retry.ChatRequest{MaxTokens: 60}); err == nil {
					tt.use(s)
				}
			}()
			if tt.next < 0 {
				r, err := pacer.Reserve(0, 0)
				require.NoError(t, err)
				_, at := pacer.Next(0)
				assert.Positive(t, at, "it is still under way")
				r.Cancel(0)
				return
			}
			_, err := pacer.Wait(t.Context(), clock, 50)
			require.NoError(t, err)
			assert.Equal(t, tt.next, clock.Elapsed())
		})
	}
}

func ExamplePaced() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	pacer, err := retry.NewPacer(retry.Pace{
		Requests: retry.Rate{Limit: 600, Per: time.Minute, Burst: 1},
		Tokens:   retry.Rate{Limit: 100_000, Per: time.Minute},
	})
	if err != nil {
		panic(err)
	}
	server := stub(func(context.Context, retry.ChatRequest) (retry.Stream, error) {
		fmt.Println("request at", clock.Elapsed())
		return &chunks{end: io.EOF}, nil
	})
	model := retry.Paced(server, retry.Pacing{
		Pacer: pacer, Clock: clock,
		Tokens: func(req retry.ChatRequest) int64 { return int64(req.MaxTokens) },
	})

	for range 3 {
		stream, err := model.ChatStream(context.Background(), retry.ChatRequest{MaxTokens: 40_000})
		if err != nil {
			panic(err)
		}
		stream.Close()
	}
	_, err = model.ChatStream(context.Background(), retry.ChatRequest{MaxTokens: 200_000})
	fmt.Println(err)
	// Output:
	// request at 0s
	// request at 100ms
	// request at 12s
	// retry: not sent: 200000 tokens are more than there ever are at once (100000 per 1m0s)
}

func ExamplePacer_Wait() {
	clock := fakeclock.New(fakeclock.Config{Mode: fakeclock.Auto})
	pacer, err := retry.NewPacer(retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Minute}, QueueTimeout: 30 * time.Second})
	if err != nil {
		panic(err)
	}
	call := func(ctx context.Context) error {
		done, err := pacer.Wait(ctx, clock, 0)
		if err != nil {
			return err
		}
		defer done(0)
		return nil // the request goes here
	}
	fmt.Println(call(context.Background()))
	fmt.Println(call(context.Background()))
	// Output:
	// <nil>
	// retry: not sent: waited 30s, the most there is, for requests (1 per 1m0s)
}

// An attempt that its pacer did not let go was never sent.
func ExampleQueueError() {
	pacer, err := retry.NewPacer(retry.Pace{Tokens: retry.Rate{Limit: 1000, Per: time.Minute}})
	if err != nil {
		panic(err)
	}
	_, err = pacer.Wait(context.Background(), nil, 5000)
	var queue *retry.QueueError
	fmt.Println(errors.As(err, &queue), queue.TooLarge, retry.Classify(err))
	// Output: true true permanent
}

// A simulation has its own time and no goroutines.
func ExamplePacer_Next() {
	pacer, err := retry.NewPacer(retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Second}})
	if err != nil {
		panic(err)
	}
	for range 3 {
		if _, err := pacer.Reserve(0, 0); err != nil {
			panic(err)
		}
	}
	for now := int64(0); now < 10e9; {
		r, at := pacer.Next(now)
		if r == nil {
			now = at // an event of the simulation
			continue
		}
		fmt.Println("starts at", time.Duration(now))
		r.Settle(now, r.Tokens())
	}
	// Output:
	// starts at 0s
	// starts at 1s
	// starts at 2s
}

func BenchmarkPacer(b *testing.B) {
	for _, waiting := range []int{0, 1000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			p := newPacer(b, retry.Pace{Requests: retry.Rate{Limit: 1, Per: time.Microsecond}, Tokens: retry.Rate{Limit: 1e6, Per: time.Second}})
			for range waiting {
				_, _ = p.Reserve(0, 1)
			}
			b.ReportAllocs()
			now := int64(0)
			for b.Loop() {
				now += 1000
				_, _ = p.Reserve(now, 1)
				if r, _ := p.Next(now); r != nil {
					r.Settle(now, 1)
				}
			}
		})
	}
}
